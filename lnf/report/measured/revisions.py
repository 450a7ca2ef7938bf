"""Whether a result was made by sources that the project's history has."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lnf.errors import UserError


def require_known(facts: Mapping[str, Any], root: Path) -> None:
    """Raise UserError unless the revision that a run recorded is a commit that HEAD of `root` comes from."""
    revision = str(facts["revision"])
    asked = ["git", "merge-base", "--is-ancestor", revision, "HEAD"]
    found = subprocess.run(asked, cwd=root, capture_output=True, check=False).returncode == 0
    if revision.endswith("+") or not found:
        where = "/".join(str(facts[key]) for key in ("corpus", "prior", "seed"))
        why = (
            "sources that were changed and not committed"
            if revision.endswith("+")
            else "a revision not in git's history"
        )
        raise UserError(
            f"measured: {where}: made by {revision}, {why}; a run from a commit of this project would be right"
        )

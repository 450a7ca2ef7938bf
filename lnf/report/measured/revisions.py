"""Whether a result was made by sources that the project's history has."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lnf.errors import UserError
from lnf.system.provenance import git

RIGHT = "a run from a commit of this project would be right"
SHOWN = 3
"""Reasons that are given where there are several."""


def require_known(facts: Mapping[str, Any], root: Path) -> None:
    """Raise UserError unless the revision that a run recorded says what its sources were, and HEAD of `root` comes from
    it.
    """
    revision = str(facts["revision"])
    if revision.endswith("+") or revision == "unknown":
        problems = list(facts.get("unversioned", [])) or ["sources that were changed and not committed"]
        more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        _refuse(facts, f"{'; '.join(problems[:SHOWN])}{more}; {RIGHT}")
    try:
        git(root, "merge-base", "--is-ancestor", revision, "HEAD")
    except OSError:
        raise UserError("measured: git is not installed; it is asked whether the project's history has a run") from None
    except subprocess.CalledProcessError as problem:
        _refuse(facts, _reason(problem, root))


def _reason(problem: subprocess.CalledProcessError, root: Path) -> str:
    """Why git does not know a revision, and what helps."""
    said = str(problem.stderr or "").strip()
    if "not a git repository" in said:
        return f"{root} is no git repository, so that its history is not known; a clone of the project would be right"
    if git(root, "rev-parse", "--is-shallow-repository") == "true":
        return "this clone is shallow, so that its history may lack the revision; type: git fetch --unshallow"
    return f"a revision that is not in git's history; {RIGHT}"


def _refuse(facts: Mapping[str, Any], why: str) -> None:
    where = "/".join(str(facts[key]) for key in ("corpus", "prior", "seed"))
    raise UserError(f"measured: {where}: made by {facts['revision']}: {why}")

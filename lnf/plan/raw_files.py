"""Raw files that lie at hand: in the mirror folder that LNF_DATA_MIRROR, or else the configuration, names."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lnf.errors import UserError
from lnf.system.files import sha256_of

MIRROR_VARIABLE = "LNF_DATA_MIRROR"


def mirror_folder(configured: str | Path | None) -> Path | None:
    """The folder that LNF_DATA_MIRROR names, else the configured one, else None.

    Raises UserError if it is no folder.
    """
    named = os.environ.get(MIRROR_VARIABLE) or configured
    if named and not Path(named).is_dir():
        raise UserError(f"data: mirror: {named} is not a folder; give one that holds ptb/train.txt, music/..., or none")
    return Path(named) if named else None


def held(entry: Mapping[str, Any], mirror: Path | None) -> Path | None:
    """The mirror's file for an entry of `files`, if there is one."""
    path = None if mirror is None else mirror / str(entry["mirror"])
    return path if path is not None and path.is_file() else None


def with_files_at_hand(settings: Mapping[str, Any], mirror: Path | None) -> dict[str, Any]:
    """Corpus settings with the sha256 of the files that the mirror really holds.

    So a raw file that was edited gives another digest: what that names is looked for, and `prepare` refuses the file.
    """
    entries: Mapping[str, Mapping[str, Any]] = settings.get("files", {})
    found = {name: held(entry, mirror) for name, entry in entries.items()}
    real = {name: {**entries[name], "sha256": sha256_of(path)} for name, path in found.items() if path is not None}
    return {**settings, "files": {**entries, **real}} if real else dict(settings)

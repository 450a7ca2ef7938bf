"""Raw files that are at hand: in the mirror folder that LNF_DATA_MIRROR, or else the configuration, names; and a user's
own, which a corpus names by a folder or a glob (`inputs`).
"""

import contextlib
import glob
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lnf.errors import UserError
from lnf.system.files import keep_json, sha256_of, try_read_json

MIRROR_VARIABLE = "LNF_DATA_MIRROR"
SUMS = Path(".lnf", "sums.json")
"""File -> [size, time of change in ns, sha256], so that large files are not read for each plan."""


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


def with_inputs(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Corpus settings with what `inputs` names today: file name -> its path and sha256. So a file that was edited, or
    added, or removed gives another corpus.

    Raises UserError if there is no such file.
    """
    if "inputs" not in settings:
        return dict(settings)
    files = dict(_inputs(settings["inputs"]))
    if not files:
        raise UserError(f"data: inputs: {settings['inputs']}: no such file; name a folder, or a glob like texts/*.txt")
    sums = _sums(list(files.values()))
    found = {name: {"path": str(path), "sha256": sums[path]} for name, path in sorted(files.items())}
    return {**settings, "inputs": found}


def _inputs(pattern: str) -> Iterator[tuple[str, Path]]:
    """(name, path) of the files in a folder, at any depth, or of a glob; names are below the part without wildcards."""
    base = Path(pattern)
    while any(sign in base.name for sign in "*?[") or (base != base.parent and glob.has_magic(str(base))):
        base = base.parent
    found = base.rglob("*") if Path(pattern).is_dir() else map(Path, glob.glob(pattern, recursive=True))
    for path in found:
        if path.is_file() and not path.name.startswith("."):
            yield (path.relative_to(base).as_posix() if path != base else path.name), path


def _sums(paths: list[Path]) -> dict[Path, str]:
    """The sha256 of files, read again only where their size or time of change is another."""
    known: dict[str, list[Any]] = {}
    with contextlib.suppress(OSError):  # a folder that cannot be written to has no such memory
        known = try_read_json(SUMS) or {}
    sums = {}
    for path in paths:
        stat, name = path.stat(), str(path.absolute())
        stamp = [stat.st_size, stat.st_mtime_ns]
        if known.get(name, [])[:2] != stamp:
            known[name] = [*stamp, sha256_of(path)]
        sums[path] = str(known[name][2])
    with contextlib.suppress(OSError):
        keep_json(SUMS, known)
    return sums

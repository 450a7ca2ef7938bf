"""What the data of a run are, whatever code read them: raw files, what was asked of them, and what came of it.

{"raw": file -> sha256, "settings": those that choose the sequences, "contents": split -> checksum of its sequences}
"""

from collections.abc import Mapping
from typing import Any

from lnf.plan.digests import effective

Identity = dict[str, Any]

_READERS = frozenset({"source", "kind", "lengths", "files", "inputs"})
"""Corpus settings that choose no sequence: the reader, what a spec holds itself, and files, known by their sha256."""


def planned_data(settings: Mapping[str, Any], contents: Mapping[str, str] | None = None) -> Identity:
    """The data that corpus settings ask for; `contents` of the corpus where it is prepared, as its meta.json has it."""
    entries = {**settings.get("files", {}), **settings.get("inputs", {})}
    raw = {name: entry["sha256"] for name, entry in entries.items()}
    chosen = {key: value for key, value in effective(settings).items() if key not in _READERS}
    return {"raw": raw, "settings": chosen, "contents": dict(contents or {})}


def prepared_data(meta: Mapping[str, Any]) -> Identity:
    """The data of a prepared corpus, from its meta.json, which an older revision may have written."""
    return planned_data(meta["settings"], meta.get("contents"))


def data_difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """In which part two identities differ, in a word; empty if they are of the same data.

    The sequences decide where both are known. Else the raw files and the settings do.
    """
    if one["contents"] and other["contents"]:
        return "" if one["contents"] == other["contents"] else "sequences"
    return next((name for name in ("raw", "settings") if one[name] != other[name]), "")

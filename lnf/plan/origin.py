"""Where a result comes from: the revision of every source that it was made with, and what differs from them today."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from lnf.errors import UserError
from lnf.plan import rule_files
from lnf.plan.code_digests import PACKAGE, sources
from lnf.plan.digests import effective
from lnf.spec import Spec
from lnf.system import provenance

Identity = dict[str, Any]

_READERS = frozenset({"source", "kind", "lengths", "files", "inputs"})
"""Corpus settings that choose no sequence: the reader, what a spec holds itself, and files, known by their sha256."""

SHOWN = 3
"""Definitions that are named where several differ."""


def origin_of(spec: Spec) -> dict[str, Any]:
    """For run.json: `revision`, with "+" unless each source that training depends on is in it unchanged, and
    `unversioned`, the reasons. The sources are lnf's, a user's own modules, and the variant's rule file.
    """
    root, used = PACKAGE.parent, sources().sources_of("train", spec.paths)
    found = provenance.revision(root, [*used, *_rule_file(root, spec.prior.name)])
    return {"revision": found.text, "unversioned": found.problems}


def trained_definitions(spec: Spec) -> dict[str, str]:
    """For model.pt: definition -> digest of its statements, of all that training depends on."""
    return sources().definitions_of("train", spec.paths)


def other_code(document: Mapping[str, Any], spec: Spec) -> str | None:
    """What of today's code is other than that which trained a model, in words; None if nothing is.

    `document` is that of model.pt, which has said so since format 3. Definitions that were only moved are the same.
    """
    trained = document.get("definitions")
    if trained is None:
        return None
    today = trained_definitions(spec)
    known = {(name.rpartition(".")[2], digest) for name, digest in trained.items()}
    names = [name for name, digest in today.items() if (name.rpartition(".")[2], digest) not in known]
    names += [name for name in trained if name.rpartition(".")[2] not in {one.rpartition(".")[2] for one in today}]
    if not names:
        return None
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    what = f"{', '.join(names[:SHOWN])}{more}"
    return f"trained by revision {document['revision']}, with other code than today's in {what}"


def _rule_file(root: Path, prior: str) -> list[Path]:
    """The rule file that declares a variant; none for a run that was given by its spec alone."""
    for file in rule_files.rule_files(root / "rules" / "priors"):
        with suppress(UserError):  # another variant's mistake is not this run's
            if rule_files.read(file).prior.name == prior:
                return [file]
    return []


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

"""Digests that name results: each covers all that its result was made from, code too, and nothing else."""

from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from lnf.plan.code_digests import sources
from lnf.spec import Spec, kind_path, without_neutral
from lnf.system.files import digest

_WITHOUT_EFFECT = frozenset({"addresses", "mirror", "bytes", "expect", "packages", "path"})
"""Keys of corpus settings that do not change what is prepared: with its sha256 fixed, a file may come from anywhere.

`packages` counts by the versions that are installed.
"""


def train_identity(spec: Spec) -> dict[str, Any]:
    """The part of a spec that a trained model depends on, as JSON values.

    Names for people, evaluation and resources do not count; the number of CPU threads does, since it changes bits. Nor
    does a setting at its neutral value (`lnf.spec.without_neutral`).
    """
    values = without_neutral(spec.to_dict())
    parts = {part: _without_place(name) for part, name in spec.prior.parts.items()}
    values["prior"] = {"name": spec.prior.name, **parts}
    del values["evaluate"], values["sample"], values["train"]["state_minutes"]
    values["resources"] = {"cpus": spec.resources.cpus}
    return values


def spec_digest(spec: Spec) -> str:
    """Digest of `train_identity(spec)`."""
    return digest(train_identity(spec))


def data_digest(settings: Mapping[str, Any]) -> str:
    """Digest of what a prepared corpus is made from: its settings with the raw files' sha256, and the reader's code."""
    packages = {name: _version(name) for name in settings.get("packages", [])}
    code = sources().code_digest("prepare", corpus_paths(settings))
    chosen = {key: value for key, value in effective(settings).items() if key != "source"}
    return digest({"settings": chosen, "packages": packages, "code": code})


def corpus_paths(settings: Mapping[str, Any]) -> list[str]:
    """The dotted paths of what a corpus is made with: its reader, and the kind of its data."""
    return [settings["source"], kind_path(settings["kind"])]


def run_digests(spec: Spec, data: str) -> dict[str, str]:
    """The three digests whose digest names a run, `data` being its corpus'."""
    return {"spec": spec_digest(spec), "code": sources().code_digest("train", spec.paths), "data": data}


def evaluation_digest(spec: Spec) -> str:
    """Digest of what an evaluation depends on besides its run. Neither the byte budget nor how fast music is
    played changes a result."""
    wanted: dict[str, Any] = {"samples": spec.evaluate.samples, "seed": spec.evaluate.seed}
    if not spec.evaluate.test:
        wanted["test"] = False
    drawn = {key: value for key, value in spec.to_dict()["sample"].items() if key != "step_seconds"}
    return digest({"evaluate": wanted, "sample": drawn, "code": sources().code_digest("evaluate", spec.paths)})


def check_digest(spec: Spec, kinds: Sequence[str]) -> str:
    """Digest of what the check of a spec's variant on some kinds of data depends on."""
    code = sources().code_digest("check", check_paths(spec, kinds))
    identity = train_identity(spec)
    chosen = {key: identity[key] for key in ("prior", "options") if key in identity}
    return digest({**chosen, "flow_layers": spec.model.flow_layers, "kinds": list(kinds), "code": code})


def check_paths(spec: Spec, kinds: Sequence[str]) -> list[str]:
    """The dotted paths of what a check is given."""
    return [*spec.prior.paths, *map(kind_path, kinds)]


def _without_place(name: str) -> str:
    """A built-in's short name, or the name of a user's class without its modules, which it may be moved between."""
    return name.rpartition(".")[2]


def effective(value: Any) -> Any:
    """Corpus settings without the keys that do not change what is prepared."""
    if isinstance(value, Mapping):
        return {key: effective(item) for key, item in value.items() if key not in _WITHOUT_EFFECT}
    if isinstance(value, list | tuple):
        return [effective(item) for item in value]
    return value


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"

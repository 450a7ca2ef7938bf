"""A job: files in a folder that is named by all that they are made from, and the command that makes them.

A file's name says what it was made from, so a job is done once. Its folder holds spec.json: the arguments of the
stage's function, and the digest of its code.
"""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from lnf.errors import UserError
from lnf.plan.code_digests import sources
from lnf.plan.needs import LEAST
from lnf.plan.stages import STAGES, Stage
from lnf.system.files import digest

SPEC = "spec.json"
ABOUT_THE_JOB = ("code", "modules")
"""Keys of spec.json that are no arguments: stage -> digest of its code, and the classes that it depends on."""


@dataclass(frozen=True)
class Job:
    """A job of a plan.

    Arguments:
        stage: its kind.
        folder: the folder that `out` is, which holds spec.json.
        files: what it makes, in the order of its stage.
        inputs: stage -> the files of other jobs that it reads.
        arguments: what its function is called with, as JSON values.
        wildcards: what its folder and files are named with.
        modules: the classes that its code is made of, as dotted paths.
        resources: what it needs of a machine (`lnf.plan.needs`).
    """

    stage: Stage
    folder: Path
    files: tuple[Path, ...]
    inputs: Mapping[str, Sequence[Path]]
    arguments: Mapping[str, Any]
    wildcards: Mapping[str, str]
    modules: Sequence[str] = ()
    resources: Mapping[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """What distinguishes it from other jobs of its stage and place."""
        return self.wildcards["digest"]

    @property
    def spec(self) -> dict[str, Any]:
        """What spec.json holds."""
        code = {self.stage.name: sources().code_digest(self.stage.name, self.modules)}
        return {**self.arguments, "code": code, "modules": list(self.modules)}

    @property
    def done(self) -> bool:
        """Whether its files are there: their names say that they are the right ones."""
        return all(file.exists() for file in self.files)

    @property
    def outline(self) -> dict[str, Any]:
        """All but its arguments, as JSON values: what a scheduler must know."""
        inputs = {stage: list(map(str, files)) for stage, files in self.inputs.items()}
        return {
            "stage": self.stage.name, "folder": str(self.folder), "files": list(map(str, self.files)),
            "inputs": inputs, "wildcards": dict(self.wildcards), "resources": dict(self.resources),
        }  # fmt: skip

    @classmethod
    def from_outline(cls, outline: Mapping[str, Any]) -> "Job":
        """A job without arguments, from its outline."""
        inputs = {stage: list(map(_path, files)) for stage, files in outline["inputs"].items()}
        files = tuple(map(_path, outline["files"]))
        stage, folder = STAGES[outline["stage"]], _path(outline["folder"])
        return cls(stage, folder, files, inputs, {}, outline["wildcards"], resources=outline["resources"])


@cache
def _path(text: str) -> Path:
    """A path, made once: each file is named by several jobs, and every job's Snakemake reads all of them."""
    return Path(text)


def job(
    stage: str,
    name: str,
    made_from: Mapping[str, Any] | str,
    arguments: Mapping[str, Any],
    inputs: Sequence[Job] = (),
    *,
    files: Sequence[str] = (),
    modules: Sequence[str] = (),
    resources: Mapping[str, Any] = LEAST,
    **wildcards: str,
) -> Job:
    """A job of a stage in the configuration `name`.

    `made_from` is all that its files depend on except the stage's code, as JSON values, or the digest of both;
    `inputs` are the jobs whose files it reads; `files` what it makes, if its stage does not say; `modules` the classes
    that it depends on, as dotted paths; `wildcards` what its folder is named with.
    """
    kind = STAGES[stage]
    if not isinstance(made_from, str):
        made_from = digest({**made_from, "code": sources().code_digest(stage, modules)})
    named = {**wildcards, "digest": made_from}
    folder = Path(kind.folder(name).format(**named))
    made = tuple(folder / file.format(**named) for file in kind.files or files)
    return Job(kind, folder, made, files_of(inputs), arguments, named, modules, resources)


def files_of(jobs: Sequence[Job]) -> dict[str, list[Path]]:
    """Stage -> the files of some jobs."""
    found: dict[str, list[Path]] = {}
    for one in jobs:
        found.setdefault(one.stage.name, []).extend(one.files)
    return found


def perform(stage: str, spec: Mapping[str, Any], out: Path) -> None:
    """Make a job's files in `out`, in this process.

    Raises UserError if `spec` is not of that stage, and if the code is no longer that of the plan.
    """
    kind = STAGES[stage]
    arguments = {key: value for key, value in spec.items() if key not in ABOUT_THE_JOB}
    planned = spec.get("code", {}).get(stage)
    if planned is not None:
        sources().require_same_code(stage, spec["modules"], planned)
    function = resolve_name(kind.run)
    try:
        inspect.signature(function).bind(**arguments, out=out)
    except TypeError as problem:
        raise UserError(f"{stage}: this is no spec of a job of that kind: {problem}") from None
    function(**arguments, out=out)

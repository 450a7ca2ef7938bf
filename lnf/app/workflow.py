"""What the Snakefile asks of a configuration: its plan by wildcards, and a spec.json for each job."""

import os
import shlex
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from lnf.errors import UserError
from lnf.plan import config, validation
from lnf.plan.config import Config
from lnf.plan.jobs import SPEC, Job
from lnf.plan.results import Plan
from lnf.plan.rule_files import rule_files
from lnf.plan.stages import STAGES, studies
from lnf.system.files import keep_json
from lnf.system.processes import alive, process_identity

LNF = f"{shlex.quote(sys.executable)} -m lnf"
"""How a job calls lnf, as a shell reads it."""

Wildcards = Any
"""Snakemake's wildcards: `corpus`, `prior`, `seed`, `digest` ... as attributes, as far as a rule has them."""


def begin(values: Mapping[str, Any], root: str) -> "Workflow":
    """The workflow of a configuration, this process being its owner. A mistake ends the process: one line, status 1."""
    with _mistakes_end():
        flow = Workflow(Plan(config.load(values, Path(root))))
        validation.check_paths(flow.folders)
    _export(flow.plan.config)
    return flow


class Workflow:
    """A plan as rules see it: the patterns of a stage, and what a job of it reads."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.name = plan.name
        self._makers = {file: job for job in plan.jobs for file in job.files}
        self._remade: dict[tuple[Path, frozenset[str]], bool] = {}

    @property
    def folders(self) -> list[Path]:
        """Every folder that the workflow writes to, those of runs first: a refusal names what a user knows."""
        tops = [Path(".lnf"), Path(".snakemake"), Path("logs", self.name), Path("benchmarks", self.name)]
        return [*(run.folder for run in self.plan.runs), *tops, *(job.folder for job in self.plan.jobs)]

    @cached_property
    def patterns(self) -> dict[str, str]:
        """Wildcard -> what it may be: the names and digests of the plan, and of no other."""
        known: dict[str, dict[str, None]] = {name: {} for name in ("corpus", "prior", "seed", "run", "digest")}
        for job in self.plan.jobs:
            for name, value in job.wildcards.items():
                known[name][value] = None
        return {name: "|".join(values) for name, values in known.items()}

    @property
    def declarations(self) -> list[str]:
        """The rule files of variants."""
        return [str(path) for path in rule_files(self.plan.config.root / "rules" / "priors")]

    @property
    def studies(self) -> list[str]:
        """The stages that are drawn as figures."""
        return [stage.name for stage in studies()]

    @property
    def files(self) -> list[str]:
        """All that is asked for."""
        return [str(path) for path in self.plan.files]

    def output(self, stage: str) -> list[str]:
        """The files of a stage's jobs, with wildcards."""
        names = STAGES[stage].files or [file.name for file in next(self._of(stage)).files]
        return [f"{STAGES[stage].folder(self.name)}/{name}" for name in names]

    def spec(self, stage: str) -> str:
        """The file that says what a stage's job is to do, with wildcards."""
        return f"{STAGES[stage].folder(self.name)}/{SPEC}"

    def log(self, stage: str) -> str:
        """The log of a stage's jobs, with wildcards."""
        return f"logs/{self.name}/{STAGES[stage].log(self.name)}.log"

    def benchmark(self, stage: str) -> str:
        """Where Snakemake writes what a stage's jobs cost, with wildcards."""
        return f"benchmarks/{self.name}/{STAGES[stage].log(self.name)}.tsv"

    def inputs(self, stage: str, wildcards: Wildcards, of: Collection[str], forced: Collection[str]) -> dict[str, bool]:
        """File -> whether it is made again, of those of the stages `of` that a job of `stage` reads.

        `forced` names the rules and files that are. Of a job that is done, nothing is asked for that is gone.
        """
        job = self._job(stage, wildcards)
        found = {path: self._again(path, frozenset(forced)) for one in of for path in job.inputs.get(one, [])}
        done = all(file.exists() for file in job.files)
        return {str(path): again for path, again in found.items() if again or not done or path.exists()}

    def cpus(self, stage: str) -> Callable[[Wildcards], int]:
        """The threads of a stage's job."""
        return lambda wildcards: int(self._job(stage, wildcards).resources["cpus"])

    def write_specs(self) -> None:
        """Write spec.json into the folder of each job. Called when a workflow begins, not by -n."""
        for file, content in self.plan.specs.items():
            keep_json(file, content)

    def mirror(self) -> None:
        """Start the process that mirrors results to MLflow. Called when a workflow begins, not by -n."""
        from lnf.tracking import follow

        follow.start(self.name, [run.folder for run in self.plan.runs])

    def _of(self, stage: str) -> Iterator[Job]:
        return (job for job in self.plan.jobs if job.stage.name == stage)

    def _job(self, stage: str, wildcards: Wildcards) -> Job:
        return self._makers[Path(self.output(stage)[0].format(**dict(wildcards.items())))]

    def _again(self, path: Path, forced: frozenset[str]) -> bool:
        """Whether a file is made again: its job is forced, or reads such a file. A user's own rule may be any job's."""
        if (path, forced) not in self._remade:
            job = self._makers[path]
            mine = {job.stage.name, *map(str, job.files)}
            unknown = any(name not in STAGES and Path(name) not in self._makers for name in forced)
            read = (file for files in job.inputs.values() for file in files)
            self._remade[path, forced] = (
                unknown or not mine.isdisjoint(forced) or any(self._again(file, forced) for file in read)
            )
        return self._remade[path, forced]


@contextmanager
def _mistakes_end() -> Iterator[None]:
    """End the process with one line and status 1 on a UserError, for Snakemake would add a page of its own."""
    try:
        yield
    except UserError as problem:
        print(f"lnf: {problem}", file=sys.stderr, flush=True)
        sys.exit(1)


def _export(values: Config) -> None:
    """Tell jobs who owns them (Ray stops when the owner is gone), where `lnf` is, and which cluster is meant."""
    owner = os.environ.get("LNF_OWNER", "")
    if not owner.partition(":")[0].isdecimal() or not alive(owner):
        os.environ["LNF_OWNER"] = process_identity(os.getpid())
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(values.root), os.environ.get("PYTHONPATH")]))
    if values["ray"]["address"]:
        os.environ.setdefault("RAY_ADDRESS", values["ray"]["address"])

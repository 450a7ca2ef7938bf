"""What the Snakefile asks of a configuration: its jobs by wildcards, and a spec.json for each of them.

The jobs that Snakemake starts load the Snakefile again. They read the plan that the workflow wrote when it began.
"""

import math
import os
import shlex
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lnf.app import workflow_lock
from lnf.errors import UserError
from lnf.plan.jobs import SPEC, Job
from lnf.plan.stages import STAGES, SWEEP, studies
from lnf.system.files import keep_json, read_json, write_json
from lnf.system.locks import Lock
from lnf.system.processes import process_identity

if TYPE_CHECKING:
    from lnf.plan.config import Config
    from lnf.plan.results import Plan

PLAN = Path(".lnf", "plan.json")
"""The jobs of the workflow that is at work in this folder, for the processes that it starts."""
TRAVELS = ("LNF_DATA_MIRROR",)
"""Variables that jobs are given on every machine."""

ONLY_READ = ("prepare", "check")
"""The stages whose files nobody asks for but other jobs."""

Wildcards = Any
"""Snakemake's wildcards: `corpus`, `prior`, `seed`, `digest` ... as attributes, as far as a rule has them."""
Resource = int | Callable[[Wildcards], int]


def begin(values: Mapping[str, Any], root: str, cores: int | None, is_job: bool) -> "Workflow":
    """The workflow of a configuration or, in the Snakemake of a job, that of the process which started it.

    `cores` is what Snakemake may use of this machine. A mistake ends the process: one line, status 1.
    """
    with _mistakes_end():
        if is_job:
            return Workflow.of_job(Path(root), cores)
        from lnf.plan import config, form
        from lnf.plan.results import Plan

        plan = Plan(config.load(values, Path(root)))
        flow = Workflow.of_plan(plan, cores)
        form.check_paths(flow.folders)
    _export(plan.config)
    return flow


class Workflow:
    """The jobs of a plan as rules see them: the patterns of a stage, and what a job of it reads and needs."""

    def __init__(
        self, name: str, root: Path, jobs: Sequence[Job], declarations: Sequence[str], cores: int | None = None
    ) -> None:
        self.name, self.root, self.jobs = name, root, jobs
        self.declarations = declarations
        """The rule files of the variants that are planned."""
        self._cores = cores
        self._lock: Lock | None = None
        self._plan: Plan | None = None
        self._makers = {file: job for job in jobs for file in job.files}
        self._remade: dict[tuple[Path, frozenset[str]], bool] = {}

    @classmethod
    def of_plan(cls, plan: "Plan", cores: int | None = None) -> "Workflow":
        """The workflow of a plan."""
        flow = cls(plan.name, plan.config.root, plan.jobs, [str(path) for path in plan.config.rule_files], cores)
        flow._plan = plan
        return flow

    @classmethod
    def of_job(cls, root: Path, cores: int | None = None) -> "Workflow":
        """The workflow that is at work in this folder. Raises UserError if there is none."""
        if not PLAN.exists():
            raise UserError(f"{PLAN}: no such file in {Path.cwd()}; on a cluster, share this folder with all nodes")
        written = read_json(PLAN)
        jobs = [Job.from_outline(outline) for outline in written["jobs"]]
        return cls(written["name"], root, jobs, written["declarations"], cores)

    @property
    def mirrored(self) -> bool:
        """Whether its results are mirrored to MLflow while it works."""
        return self._plan is not None and self._plan.config["mlflow"] is not None

    @property
    def folders(self) -> list[Path]:
        """Every folder that the workflow writes to, those of runs first: a refusal names what a user knows."""
        tops = [Path(".lnf"), Path(".snakemake"), Path("logs", self.name), Path("benchmarks", self.name)]
        return [*self._run_folders, *tops, *(job.folder for job in self.jobs)]

    @property
    def _run_folders(self) -> list[Path]:
        return [job.folder for job in self._of("train")]

    @cached_property
    def patterns(self) -> dict[str, str]:
        """Wildcard -> what it may be: the names and digests of the plan, and of no other."""
        known: dict[str, dict[str, None]] = {name: {} for name in ("corpus", "prior", "seed", "run", "digest")}
        for job in self.jobs:
            for name, value in job.wildcards.items():
                known[name][value] = None
        return {name: "|".join(values) for name, values in known.items()}

    @property
    def variables(self) -> list[str]:
        """The environment variables that jobs are given on every machine."""
        return [name for name in TRAVELS if name in os.environ]

    @property
    def studies(self) -> list[str]:
        """The stages that are drawn as figures."""
        return [stage.name for stage in studies()]

    @property
    def files(self) -> list[str]:
        """All that is asked for: every file by its own name, but those that only other jobs need."""
        return [str(path) for job in self.jobs if job.stage.name not in ONLY_READ for path in job.files]

    def output(self, stage: str) -> list[str]:
        """The files of a stage's jobs, with wildcards."""
        names = STAGES[stage].files or [file.name for file in next(self._of(stage)).files]
        return [f"{STAGES[stage].folder(self.name)}/{name}" for name in names]

    def spec(self, stage: str) -> str:
        """The file that says what a stage's job is to do, with wildcards."""
        return f"{STAGES[stage].folder(self.name)}/{SPEC}"

    def command(self, stage: str) -> str:
        """The shell line of a stage's jobs, as Snakemake formats it. In a loop over rules the stage is a parameter,
        "{params.stage}", since Snakemake asks for the line when the job runs and the loop has ended.
        """
        python = shlex.quote(sys.executable).replace("{", "{{").replace("}", "}}")
        return f"{python} -m lnf {stage} {{params.spec:q}} > {{log:q}} 2>&1"

    def log(self, stage: str) -> str:
        """The log of a stage's jobs, with wildcards."""
        return f"logs/{self.name}/{STAGES[stage].log(self.name)}.log"

    def log_of(self, job: Job) -> Path:
        """The log of a job."""
        return Path(self.log(job.stage.name).format(**job.wildcards))

    def benchmark(self, stage: str) -> str:
        """Where Snakemake writes what a stage's jobs cost, with wildcards."""
        return f"benchmarks/{self.name}/{STAGES[stage].log(self.name)}.tsv"

    def caption(self, figure: str) -> str:
        """The file that holds the caption of a figure."""
        kinds = {path.stem.partition("-")[2]: path for path in (self.root / "reports" / "captions").glob("*.rst")}
        return str(kinds[Path(figure).stem.partition("-")[0]])

    def inputs(self, stage: str, wildcards: Wildcards, of: Collection[str], forced: Collection[str]) -> dict[str, bool]:
        """File -> whether it is made again, of those of the stages `of` that a job of `stage` reads.

        `forced` names the rules and files that are. Of a job that is done, nothing is asked for that is gone.
        """
        job = self._job(stage, wildcards)
        found = {path: self._again(path, frozenset(forced)) for one in of for path in job.inputs.get(one, [])}
        return {str(path): again for path, again in found.items() if again or not job.done or path.exists()}

    def cpus(self, stage: str) -> Resource:
        """The threads of a stage's job."""
        return lambda wildcards: int(self._job(stage, wildcards).resources["cpus"])

    @property
    def every_core(self) -> int:
        """The threads of a job that no other job of this machine runs next to."""
        return self._cores or 1

    def resources(self, stage: str) -> dict[str, Resource]:
        """What else a stage's job needs, as Snakemake's resources: memory, and a GPU or a share of one."""

        def of(ask: Callable[[Mapping[str, Any]], int]) -> Resource:
            return lambda wildcards: ask(self._job(stage, wildcards).resources)

        return {
            "mem_mb": of(lambda needs: math.ceil(needs["memory_gb"] * 1024)),
            "gpu": of(lambda needs: math.ceil(needs["gpus"])),
            "ray_gpu_percent": of(lambda needs: round(100 * needs["gpus"] / (math.ceil(needs["gpus"]) or 1))),
            "ray_gpu_if_any": of(lambda needs: int(needs["gpus_if_any"])),
        }

    def start(self) -> None:
        """Begin work: write the plan and spec.json into the folder of each job, and mirror results to MLflow.

        Ends the process, with one line and status 1, if a workflow is at work in this folder already, and if a job
        would get fewer threads than its settings say.
        """
        from lnf.tracking import follow

        assert self._plan is not None
        with _mistakes_end():
            self._require_threads()
            self._lock = workflow_lock.take_or_inherit()  # until this process ends
        for file, content in self._plan.specs.items():
            keep_json(file, content)
        outlines = [job.outline for job in self.jobs]
        write_json(PLAN, {"name": self.name, "declarations": self.declarations, "jobs": outlines}, durable=False)
        if self.mirrored:
            models = self._plan.config["mlflow"]["models"]
            follow.start(process_identity(os.getpid()), self.name, self._run_folders, models)

    def end(self) -> None:
        """End work. What `lnf run` started leaves the last lines to it."""
        if self._lock is not None:
            self.tell()

    def tell(self) -> None:
        """The last lines: the status of the runs, and where the report is."""
        assert self._plan is not None
        counts = Counter(run.status for run in self._plan.runs)
        how = ", ".join(f"{count} {what}" for what, count in counts.items())
        print(f"lnf: {self.name}: {sum(counts.values())} runs: {how}")
        for sweep in self._of(SWEEP):
            best = self._plan.out / SWEEP / sweep.wildcards["corpus"] / "best.yaml"
            if best.exists():
                print(
                    f"lnf: {sweep.wildcards['corpus']}: best of {len(self._plan.config.points)} points on valid: {best}"
                )
        print(f"lnf: report: {(self._plan.out / 'report.html').absolute()}", flush=True)

    def _require_threads(self) -> None:
        """Snakemake gives a job as many threads as --cores allows, but not for jobs on a cluster of Ray's."""
        limit = None if os.environ.get("RAY_ADDRESS") else self._cores
        for job in self._of("train") if limit is not None else ():
            if job.resources["cpus"] > limit:
                key = "/".join(job.wildcards[name] for name in ("corpus", "prior", "seed"))
                raise UserError(
                    f"{key}: resources.cpus: {job.resources['cpus']}: must be at most {limit}, as --cores says; threads"
                    " change the last bits of a result"
                )

    def _of(self, stage: str) -> Iterator[Job]:
        return (job for job in self.jobs if job.stage.name == stage)

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


def _export(values: "Config") -> None:
    """Set the variables by which jobs find `lnf` and the cluster."""
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(values.root), os.environ.get("PYTHONPATH")]))
    if values["ray"]["address"]:
        os.environ.setdefault("RAY_ADDRESS", values["ray"]["address"])

"""What the Snakefile asks of a configuration: its plan by wildcards, and that every job finds what it must be told.

A job whose output is there has no inputs (`until_made`): its output's name says what it was made from, so nothing can
outdate it, neither a date nor a lost record of Snakemake's, and what it was made from may be gone.
"""

import os
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from lnf.errors import UserError
from lnf.plan import config, validation
from lnf.plan.config import Config
from lnf.plan.results import Plan
from lnf.plan.rule_files import rule_files
from lnf.plan.run import Run
from lnf.plan.studies import Study
from lnf.spec import Spec
from lnf.system.files import keep_json
from lnf.system.processes import alive, process_identity

LNF = f"{shlex.quote(sys.executable)} -m lnf"
"""How a job calls lnf, as a shell reads it."""

Job = Any
"""Snakemake's wildcards: `corpus`, `data`, `prior`, `seed`, `run` ... as attributes, as far as a rule has them."""


def begin(values: Mapping[str, Any], root: str) -> "Workflow":
    """The workflow of a configuration, this process being its owner. A mistake ends the process: one line, status 1."""
    with _mistakes_end():
        flow = Workflow(Plan(config.load(values, Path(root))))
        validation.check_paths(flow.folders)
    _export(flow.plan.config)
    return flow


def until_made(outputs: Iterable[str], needed: Callable[[Job], Iterable[Path]]) -> Callable[[Job], list[str]]:
    """An input function: what a job needs as long as one of its outputs (patterns with wildcards) is missing."""
    patterns = [str(output) for output in outputs]

    def inputs(job: Job) -> list[str]:
        made = all(Path(pattern.format(**dict(job.items()))).exists() for pattern in patterns)
        return [] if made else [str(path) for path in needed(job)]

    return inputs


class Workflow:
    """A plan as rules see it."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.name = plan.name
        self._runs = {run.digest: run for run in plan.runs}

    @property
    def folders(self) -> list[Path]:
        """Every folder that the workflow writes to."""
        tops = [
            Path(".lnf"),
            Path(".snakemake"),
            Path("logs", self.name),
            Path("benchmarks", self.name),
            self.plan.out,
            self.plan.metrics.parent,
        ]
        jobs = [file.parent for file in (*self.plan.checks.values(), self.plan.metrics)]
        jobs += [study.folder for study in self.plan.studies]
        return [*(run.folder for run in self.plan.runs), *tops, *jobs,
                *(corpus.folder for corpus in self.plan.corpora.values())]  # fmt: skip

    @cached_property
    def patterns(self) -> dict[str, str]:
        """Wildcard -> what it may be: the names and digests of the plan, and of no other."""
        runs = self.plan.runs
        known = {
            "corpus": self.plan.corpora,
            "data": [corpus.digest for corpus in self.plan.corpora.values()],
            "prior": self.plan.checks,
            "check": [file.parent.name for file in self.plan.checks.values()],
            "seed": [str(run.spec.seed) for run in runs],
            "run": self._runs,
            "evaluation": [run.evaluation for run in runs],
            "study": [study.folder.name for study in self.plan.studies] or ["none"],
        }
        return {name: "|".join(dict.fromkeys(values)) for name, values in known.items()}

    @property
    def declarations(self) -> list[str]:
        """The rule files of variants."""
        return [str(path) for path in rule_files(self.plan.config.root / "rules" / "priors")]

    @property
    def files(self) -> list[str]:
        """All that is asked for."""
        return [str(path) for path in self.plan.files]

    def run(self, job: Job) -> Run:
        """The run of a job."""
        return self._runs[job.run]

    def spec(self, job: Job) -> Spec:
        """The spec of a job's run."""
        return self.run(job).spec

    def cpus(self, job: Job) -> int:
        """The threads of a job's run."""
        return self.spec(job).resources.cpus

    def corpus_of_run(self, job: Job) -> list[Path]:
        """The prepared corpus of a job's run."""
        return self.plan.corpora[job.corpus].prepared

    def check_of_run(self, job: Job) -> list[Path]:
        """The check of the variant of a job's run."""
        return [self.plan.checks[job.prior]]

    def study(self, job: Job) -> Study:
        """The study of a job."""
        return next(study for study in self.plan.studies if study.folder.name == job.study)

    def models_of_study(self, job: Job) -> list[Path]:
        """The models that a job's study looks at."""
        return [run.folder / "model.pt" for run in self.study(job).runs]

    def studies_files(self, job: Job) -> list[Path]:
        """All of every study."""
        return [path for study in self.plan.studies for path in study.files]

    def runs_results(self, job: Job) -> list[Path]:
        """What is gathered of every run."""
        return [path for run in self.plan.runs for path in (run.folder / "run.json", run.evaluated[0])]

    def runs_samples(self, job: Job) -> list[Path]:
        """What each run drew."""
        return [run.evaluated[2] for run in self.plan.runs]

    def corpora_prepared(self, job: Job) -> list[Path]:
        """All of every corpus."""
        return [path for corpus in self.plan.corpora.values() for path in corpus.prepared]

    def corpora_facts(self, job: Job) -> list[Path]:
        """What is gathered of every corpus."""
        return [corpus.folder / "meta.json" for corpus in self.plan.corpora.values()]

    def tell(self) -> None:
        """Write what each job must be told into a file of its folder. Called when a workflow begins, not by -n."""
        for file, content in self.plan.told():
            keep_json(file, content)

    def mirror(self) -> None:
        """Start the process that mirrors results to MLflow. Called when a workflow begins, not by -n."""
        from lnf.tracking import follow

        follow.start(self.name, [run.folder for run in self.plan.runs])


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

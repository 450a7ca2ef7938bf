"""What the Snakefile needs to know of a configuration: planned runs, and what each rule is given, as JSON texts.

Params that a job's result depends on are digests, which Snakemake tracks. What a job must merely be told (its whole
spec, say) goes through `untracked`, so that a new label or more memory reruns nothing.

A finished step has no inputs from earlier stages (`unless_trained` and its like), so that a corpus or a check that is
made anew redoes nothing by itself. `ancient()` would not do: when a job must run, Snakemake no longer looks whether
those behind its ancient outputs must run too, and a changed flow would be checked but not trained.
"""

import json
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
from lnf.plan.digests import code_digest, data_digest, run_digests
from lnf.report.gather import evaluation_identity
from lnf.spec import Spec
from lnf.system.files import canonical, digest, read_json
from lnf.system.processes import alive, process_identity

Job = Any
"""Snakemake's wildcards: `corpus`, `prior` and `seed` as attributes, as far as a rule has them."""


def begin(values: Mapping[str, Any], root: str, triggers: Callable[[], Iterable[Any]]) -> "Workflow":
    """The workflow of a configuration, this process being its owner. A mistake ends the process: one line, status 1.

    `triggers` tells Snakemake's reasons to run a job again, which it knows only after the rules.
    """
    with _mistakes_end():
        flow = Workflow(config.load(values, Path(root)), triggers)
        validation.check_paths(flow.folders)
    _export(flow.config)
    return flow


def untracked(value: Callable[[Job], str]) -> Callable[[Job, Any], str]:
    """A params function whose value does not rerun a job: Snakemake leaves out what is derived from resources."""
    return lambda wildcards, resources: value(wildcards)


class Workflow:
    """A configuration as rules see it."""

    def __init__(self, values: Config, triggers: Callable[[], Iterable[Any]]) -> None:
        self.config = values
        self._triggers = triggers
        self.name = values.name
        self.runs = config.plan(values)
        self._specs = {run: config.resolve(values, *run) for run in self.runs}

    @property
    def folders(self) -> list[Path]:
        """Every folder that the workflow writes to."""
        runs = [Path("results", self.name, *map(str, run)) for run in self.runs]
        tops = [Path("logs", self.name), Path("benchmarks", self.name), Path("reports", "out", self.name, "tables")]
        return [*runs, *tops, *(Path("data", corpus) for corpus in self.corpora)]

    @cached_property
    def corpora(self) -> list[str]:
        """The corpora of planned runs."""
        return list(dict.fromkeys(run[0] for run in self.runs))

    @cached_property
    def priors(self) -> list[str]:
        """The variants of planned runs."""
        return list(dict.fromkeys(run[1] for run in self.runs))

    @property
    def declarations(self) -> list[str]:
        """The rule files of variants."""
        return [str(path) for path in sorted((self.config.root / "rules" / "priors").glob("*.smk"))]

    def of_runs(self, *files: str) -> list[str]:
        """The paths of files of every planned run."""
        folders = ["/".join(["results", self.name, *map(str, run)]) for run in self.runs]
        return [f"{folder}/{file}" for folder in folders for file in files]

    def spec(self, job: Job) -> Spec:
        """The spec of a run; of a corpus' or a prior's first run where a rule has no more."""
        for run, spec in self._specs.items():
            if all(str(value) == getattr(job, key, str(value)) for key, value in zip(_KEYS, run, strict=True)):
                return spec
        raise KeyError(str(job))

    def spec_text(self, job: Job) -> str:
        """The spec as JSON."""
        return canonical(self.spec(job).to_dict())

    def differs_text(self, job: Job) -> str:
        """How a run differs from the paper, as JSON."""
        return canonical(config.differs(self.config, job.corpus, job.prior, int(job.seed)))

    def unless_trained(self, files: Iterable[str]) -> Callable[[Job], list[str]]:
        """An input function: the files, as patterns, that a run needs as long as it is to be trained."""
        return self._unless(self._trained, files)

    def unless_evaluated(self, files: Iterable[str]) -> Callable[[Job], list[str]]:
        """An input function: the files, as patterns, that a run needs as long as it is to be evaluated."""
        return self._unless(self._evaluated, files)

    @property
    def unprepared(self) -> list[str]:
        """The corpora of planned runs that are not in `data`, or are there with other settings."""
        return [corpus for corpus in self.corpora if not self._prepared(corpus)]

    def settings_text(self, job: Job) -> str:
        """What `prepare` is given for a corpus, as JSON."""
        return canonical(config.corpus_settings(self.config, job.corpus))

    def mirror_option(self, job: Job) -> str:
        """The option that names the mirror folder, if there is one. `prepare` itself looks at LNF_DATA_MIRROR."""
        mirror = self.config["data"]["mirror"]
        return f"--mirror {shlex.quote(mirror)}" if mirror else ""

    def config_text(self, job: Job) -> str:
        """The whole configuration as JSON."""
        return canonical(self.config.values)

    def data_identity(self, job: Job) -> str:
        """What a prepared corpus depends on."""
        source = self.config["corpora"][job.corpus]["prepare"]["source"]
        settings = config.corpus_settings(self.config, job.corpus)
        return canonical({"data": data_digest(settings), "code": code_digest("data", [source])})

    def check_identity(self, job: Job) -> str:
        """What the check of a variant depends on."""
        prior = self.spec(job).prior
        return canonical({"prior": prior.paths, "code": code_digest("check", prior.paths)})

    def digests_text(self, job: Job) -> str:
        """The digests of a run, as JSON: what its training depends on."""
        settings = config.corpus_settings(self.config, job.corpus)
        return canonical(run_digests(self.spec(job), settings))

    def evaluate_identity(self, job: Job) -> str:
        """What an evaluation depends on beside the model."""
        spec = self.spec(job)
        wanted = {"samples": spec.evaluate.samples, "seed": spec.evaluate.seed}
        return canonical({"evaluate": wanted, "code": code_digest("evaluate", spec.prior.paths)})

    @property
    def gather_identity(self) -> str:
        """What the gathered metrics depend on beside the runs' files."""
        told = {run: (spec.prior.label, spec.prior.role) for run, spec in self._specs.items()}
        return canonical({"runs": digest([[*run, *told[run]] for run in self.runs]), "code": code_digest("gather")})

    @property
    def tables_identity(self) -> str:
        """What the tables depend on beside metrics and published values."""
        return canonical({"code": code_digest("tables")})

    @property
    def tables_options(self) -> str:
        """The options of the tables, as JSON."""
        return json.dumps(self.config["tables"])

    def _unless(self, done: Callable[[Job], bool], files: Iterable[str]) -> Callable[[Job], list[str]]:
        patterns = [str(file) for file in files]

        def needed(job: Job) -> list[str]:
            if not done(job):
                return [pattern.format(**dict(job.items())) for pattern in patterns]
            if any(str(trigger) == "input" for trigger in self._triggers()):
                with _mistakes_end():
                    raise UserError("rerun-triggers: input: must be mtime and params, as in profiles/default")
            return []

        return needed

    def _folder(self, job: Job) -> Path:
        return Path("results", self.name, *(str(getattr(job, key)) for key in _KEYS))

    def _prepared(self, corpus: str) -> bool:
        meta = Path("data", corpus, "meta.json")
        return meta.exists() and read_json(meta)["digest"] == data_digest(config.corpus_settings(self.config, corpus))

    def _trained(self, job: Job) -> bool:
        run = self._folder(job) / "run.json"
        return run.exists() and bool(canonical(read_json(run)["digests"]) == self.digests_text(job))

    def _evaluated(self, job: Job) -> bool:
        path = self._folder(job) / "evaluation.parquet"
        return path.exists() and evaluation_identity(path) == self.evaluate_identity(job)


_KEYS = ("corpus", "prior", "seed")


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

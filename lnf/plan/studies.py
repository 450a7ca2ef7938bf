"""The jobs of each study, which looks at more than the runs' own results. One of models takes the first seed of each.

A stage names its function here (`lnf.plan.stages.Stage.jobs`), which is given the stage's name and the plan.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from lnf.plan.config import Config, beyond_the_paper
from lnf.plan.jobs import Job, job
from lnf.plan.run import Run


class Planned(Protocol):
    """What a study sees of `lnf.plan.results.Plan`."""

    config: Config

    @property
    def name(self) -> str:
        """The configuration's name."""

    @property
    def corpora(self) -> Mapping[str, Job]:
        """Name -> the job that prepares it."""

    @property
    def first_seeds(self) -> Sequence[Run]:
        """Of each corpus and prior, the run of its first seed."""

    def training_of(self, run: Run) -> Job:
        """The job that trains a run."""

    def evaluation_of(self, run: Run) -> Job:
        """The job that evaluates a run."""

    @property
    def runs(self) -> Sequence[Run]:
        """Every run, in the tables' order."""

    def needs(self, run: Run, stage: str) -> dict[str, Any]:
        """What a job of a stage that uses a run's model needs of a machine."""


def toy(stage: str, plan: Planned) -> Iterator[Job]:
    """Scalar transforms on a plane."""
    if settings := plan.config["toy"]:
        arguments = {"settings": dict(settings)}
        yield job(stage, plan.name, arguments, arguments)


def speed(stage: str, plan: Planned) -> Iterator[Job]:
    """Sampling time of every model of a corpus, for each corpus."""
    for corpus in plan.corpora if plan.config["speed"] else ():
        runs = [run for run in plan.first_seeds if run.spec.corpus == corpus]
        resources = runs[0].spec.resources
        made_from = {"settings": dict(plan.config["speed"]), "threads": resources.cpus}
        yield of_models(stage, plan, runs, made_from, {**made_from, "gpus": resources.gpus})


def each_model(stage: str, plan: Planned) -> Iterator[Job]:
    """A study of each model that has no settings."""
    for run in plan.first_seeds:
        yield of_model(stage, plan, run, {})


def modes(stage: str, plan: Planned) -> Iterator[Job]:
    """p(z_t | z_<t) of each model with two latent dimensions."""
    for run in plan.first_seeds:
        if run.spec.prior.role == "picture":
            word = plan.config["corpora"][run.spec.corpus].get("word")
            yield of_model(stage, plan, run, {"word": word, "seed": run.spec.sample.seed})


def bounds(stage: str, plan: Planned) -> Iterator[Job]:
    """The NLL by the number of importance samples, of each model that has a bound."""
    for run in plan.first_seeds if plan.config["bounds"] else ():
        if run.spec.prior.time is not None:
            settings = {"settings": dict(plan.config["bounds"]), "threads": run.spec.resources.cpus}
            yield of_model(stage, plan, run, settings)


def sweep(stage: str, plan: Planned) -> Iterator[Job]:
    """The ranking of a sweep's points, for each corpus."""
    points = plan.config.points
    overlay = beyond_the_paper(plan.config)
    for corpus in plan.corpora:
        runs = [run for run in plan.runs if run.spec.corpus == corpus]
        rows = [
            {"point": run.spec.prior.name, "settings": dict(points[run.spec.prior.name].settings),
             "seed": run.spec.seed, "folder": str(run.folder), "evaluation": run.evaluation}
            for run in runs
        ]  # fmt: skip
        base = next(iter(points.values())).base
        arguments = {"corpus": corpus, "prior": base, "runs": rows, "overlay": overlay}
        yield job(stage, plan.name, arguments, arguments, list(map(plan.evaluation_of, runs)), corpus=corpus)


def of_models(
    stage: str, plan: Planned, runs: Sequence[Run], made_from: Mapping[str, Any], arguments: Mapping[str, Any]
) -> Job:
    """A study of some models of one corpus: it is given `runs`, their folders, and the arguments."""
    modules = sorted({path for run in runs for path in run.spec.paths})
    largest = max(runs, key=lambda run: run.spec.model.hidden)
    folders = {"runs": [str(run.folder) for run in runs]}
    return job(
        stage, plan.name, {**folders, **made_from}, {**folders, **arguments}, list(map(plan.training_of, runs)),
        modules=modules, resources=plan.needs(largest, stage), corpus=runs[0].spec.corpus,
    )  # fmt: skip


def of_model(stage: str, plan: Planned, run: Run, settings: Mapping[str, Any]) -> Job:
    """A study of one model: it is given `run`, its folder, `data`, that of its corpus, and the settings."""
    corpus = plan.corpora[run.spec.corpus]
    made_from = {"runs": [str(run.folder)], "data": str(corpus.folder), **settings}
    arguments = {"run": str(run.folder), "data": str(corpus.folder), **settings}
    return job(
        stage, plan.name, made_from, arguments, [plan.training_of(run), corpus],
        modules=run.spec.paths, resources=plan.needs(run, stage), corpus=run.spec.corpus,
    )  # fmt: skip

"""The kinds of jobs: a row each. A row names the command and the rule, the function, the folder and its files.

A new study is its file, `lnf/studies/NAME.py`, a row here, and a row in `rules/studies.smk`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

RUN_FOLDER = "results/{name}/{corpus}/{prior}/{seed}/{run}"
SPLITS = ("train.arrow", "valid.arrow", "test.arrow", "meta.json")
TABLES = ("text", "ablation", "music")
"""Tables that every report has."""
TABLE_FORMS = ("csv", "md", "tex")
FIGURE_FORMS = ("pdf", "png", "svg", "narrow.svg", "csv")
CURVES = ("converged", "overfitted", "kl")
"""The figures of training, each for every corpus."""
SWEEP = "sweep"
"""The study of a sweep's points, which has no other."""


@dataclass(frozen=True)
class Stage:
    """A kind of job.

    Arguments:
        name: of the command and of the rule.
        about: the help of the command.
        run: the function that makes the files, as a dotted path. Its arguments are what the job's spec.json holds, and
            `out`, the folder.
        files: what it makes below `place`, as patterns; none if that depends on the plan.
        place: the folder of a job, as a pattern. `{digest}` names a job by all that it is made from; a run's folder,
            which its evaluations share, has `{run}` for it.
        entry: the function whose code, with all that it reaches, is a part of that digest; `run` if it is not given.
        jobs: the function of `lnf.plan.studies` that plans a study's jobs; None for what every run has.
        figure: the function that draws a study, as a dotted path.
        pictures: the names of its figures; one with `{corpus}` is drawn for each corpus.
        shown_as: the folder of reports/out/NAME that its files are copied to, if it is not named like the stage.
    """

    name: str
    about: str
    run: str
    files: tuple[str, ...] = ()
    place: str = ""
    entry: str = ""
    jobs: str | None = None
    figure: str = ""
    pictures: tuple[str, ...] = ()
    shown_as: str = ""

    @property
    def shown_in(self) -> str:
        """The folder of reports/out/NAME that its files are copied to."""
        return self.shown_as or self.name

    @property
    def code(self) -> str:
        """The function whose code names the results."""
        return self.entry or self.run

    def folder(self, name: str) -> str:
        """The pattern of a job's folder in the configuration `name`."""
        return (self.place or f"results/{{name}}/{self.name}/{{digest}}").replace("{name}", name)

    def log(self, name: str) -> str:
        """The pattern of a job's log, below logs/NAME or benchmarks/NAME."""
        place = self.folder(name)
        for above in (f"results/{name}/", f"reports/out/{name}/", "data/"):
            place = place.removeprefix(above)
        return f"{place}.{self.name}" if "{digest}" in place else f"{place}.{self.name}-{{digest}}"


_ROWS = (
    Stage(
        "prepare",
        "Prepare a corpus: raw files to Arrow files.",
        run="lnf.app.steps.prepare",
        entry="lnf.corpora.prepare.prepare",
        place="data/{corpus}/{digest}",
        files=SPLITS,
    ),
    Stage(
        "check",
        "Hold a variant against the laws.",
        run="lnf.app.steps.check",
        entry="lnf.laws.check.check",
        place="results/{name}/checks/{prior}/{digest}",
        files=("check.json",),
    ),
    Stage(
        "train",
        "Train one run.",
        run="lnf.app.steps.train",
        entry="lnf.runs.training.train_run",
        place=RUN_FOLDER.replace("{run}", "{digest}"),
        files=("model.pt", "history.parquet", "run.json"),
    ),
    Stage(
        "evaluate",
        "Evaluate a trained run.",
        run="lnf.app.steps.evaluate",
        entry="lnf.runs.evaluation.evaluate_run",
        place=RUN_FOLDER,
        files=tuple(f"{what}-{{digest}}.parquet" for what in ("evaluation", "sequences", "samples")),
    ),
    Stage(
        "toy",
        "Fit flows to two densities on a plane.",
        run="lnf.studies.toy.run_toy",
        files=("densities.npz", "nll.parquet"),
        jobs="lnf.plan.studies.toy",
        figure="lnf.studies.toy.draw",
        pictures=("toy",),
    ),
    Stage(
        "speed",
        "Time sampling.",
        run="lnf.studies.speed.run_speed",
        place="results/{name}/speed/{corpus}/{digest}",
        files=("speed.parquet", "speed.json"),
        jobs="lnf.plan.studies.speed",
        figure="lnf.studies.speed.draw",
        pictures=("speed",),
    ),
    Stage(
        "modes",
        "Compute p(z_t | z_<t) of a model with two latent dimensions.",
        run="lnf.studies.modes.run_modes",
        place="results/{name}/modes/{corpus}/{digest}",
        files=("modes.npz", "modes.json"),
        jobs="lnf.plan.studies.modes",
        figure="lnf.studies.modes.draw",
        pictures=("modes-{corpus}",),
    ),
    Stage(
        "bounds",
        "Bound the NLL with more and more importance samples.",
        run="lnf.studies.bounds.run_bounds",
        place="results/{name}/bounds/{corpus}/{digest}",
        files=("bounds.parquet",),
        jobs="lnf.plan.studies.bounds",
        figure="lnf.studies.bounds.draw",
        pictures=("bounds",),
    ),
    Stage(
        SWEEP,
        "Rank the points of a sweep.",
        run="lnf.studies.sweep.run_sweep",
        place="results/{name}/sweep/{corpus}/{digest}",
        files=("sweep.parquet", "sweep.csv", "sweep.md", "best.yaml"),
        jobs="lnf.plan.studies.sweep",
        figure="lnf.studies.sweep.draw",
        pictures=("sweep-{corpus}",),
    ),
    Stage(
        "gather",
        "Put the metrics of all runs into one file.",
        run="lnf.report.gather.gather",
        place="results/{name}/metrics/{digest}",
        files=("metrics.parquet",),
    ),
    Stage("tables", "Write the paper's tables.", run="lnf.report.tables.write_tables"),
    Stage("figures", "Draw the figures.", run="lnf.report.figures.draw.write_figures"),
    Stage(
        "exhibits",
        "Write what the models draw as files.",
        run="lnf.report.samples.exhibits.write_samples",
        files=("samples.json",),
        shown_as="samples",
    ),
    Stage(
        "page",
        "Write the report, one page.",
        run="lnf.report.page.page.write_page",
        files=("report.html", "config.yaml"),
    ),
    Stage(
        "publish",
        "Copy the report to reports/out/NAME.",
        run="lnf.report.publish.publish",
        place="reports/out/{name}",
        files=("published-{digest}.json",),
    ),
)

STAGES: dict[str, Stage] = {stage.name: stage for stage in _ROWS}
"""Name -> stage, in the order in which a workflow reaches them."""


def tables_of(kinds: Iterable[str]) -> dict[str, str]:
    """Table -> the name of its files, of runs on some kinds of data: TABLES, and one for each other kind, named by its
    class.
    """
    return {table: table.rpartition(".")[2].lower() for table in dict.fromkeys([*TABLES, *kinds])}


def studies() -> Iterator[Stage]:
    """The stages that look at more than the runs' own results."""
    yield from (stage for stage in STAGES.values() if stage.jobs)


def reserved() -> set[str]:
    """The names that no corpus can have: of the folders next to those of corpora."""
    places = [stage.folder("NAME").split("/") for stage in STAGES.values()]
    return {place[2] for place in places if place[0] == "results" and "{" not in place[2]} | {"existing", "raw"}

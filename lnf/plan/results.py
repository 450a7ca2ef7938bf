"""Where results lie. A result is named by what made it: a digest in its path, so it is made once and never overwritten.

    data/CORPUS/DIGEST/{train,valid,test}.arrow, meta.json
    results/NAME/checks/PRIOR/DIGEST/check.json
    results/NAME/CORPUS/PRIOR/SEED/DIGEST/{model.pt, history.parquet, run.json}
    ... the same folder: {evaluation, sequences, samples}-DIGEST.parquet
    results/NAME/metrics/DIGEST/metrics.parquet
    reports/out/NAME/, views of the last: see lnf.plan.views

Each folder holds spec.json: what the job that fills it must be told.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lnf.plan import config, studies, views
from lnf.plan.code_digests import code_digest
from lnf.plan.config import Config
from lnf.plan.digests import check_digest, data_digest, evaluation_digest, run_digests
from lnf.plan.raw_files import mirror_folder, with_files_at_hand, with_inputs
from lnf.plan.run import Run
from lnf.plan.studies import Study
from lnf.plan.views import View
from lnf.spec import RunContext
from lnf.system.files import digest, sha256_of

TOLD = "spec.json"
BESIDE_RUNS = ("checks", "metrics", "toy", "speed", "modes", "bounds")
"""Folders below results/NAME that are no corpus'."""
SPLITS = ("train.arrow", "valid.arrow", "test.arrow", "meta.json")


@dataclass(frozen=True)
class Corpus:
    """A corpus as it is to be prepared."""

    name: str
    settings: Mapping[str, Any]
    digest: str
    code: str
    mirror: str | None = None

    @property
    def folder(self) -> Path:
        """The folder of its prepared files."""
        return Path("data", self.name, self.digest)

    @property
    def prepared(self) -> list[Path]:
        """Its files."""
        return [self.folder / name for name in SPLITS]

    def to_dict(self) -> dict[str, Any]:
        """What `prepare` must be told, as plain JSON values."""
        return {"corpus": self.name, "settings": self.settings, "digest": self.digest, "code": self.code,
                "mirror": self.mirror}  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """All that a configuration asks for, and where it lies."""

    config: Config

    @cached_property
    def corpora(self) -> dict[str, Corpus]:
        """Name -> corpus, of every corpus that is trained on."""
        mirror = mirror_folder(self.config["data"]["mirror"])
        names = dict.fromkeys(key[0] for key in config.plan(self.config))
        return {name: _corpus(self.config, name, mirror) for name in names}

    @cached_property
    def runs(self) -> list[Run]:
        """Every run, in the tables' order."""
        return [_run(self.config, self.corpora[key[0]], key) for key in config.plan(self.config)]

    @property
    def name(self) -> str:
        """The configuration's name."""
        return self.config.name

    @cached_property
    def checks(self) -> dict[str, Path]:
        """Prior -> the file that says that its laws hold."""
        specs = {run.spec.prior.name: run.spec for run in reversed(self.runs)}
        root = Path("results", self.name, "checks")
        return {prior: root / prior / check_digest(spec) / "check.json" for prior, spec in specs.items()}

    @cached_property
    def studies(self) -> list[Study]:
        """What is looked at beside the runs' results."""
        first = studies.first_seeds(self.runs)
        found = [studies.toy(self.name, self.config["toy"])] if self.config["toy"] else []
        for corpus in self.corpora if self.config["speed"] else ():
            mine = [run for run in first if run.spec.corpus == corpus]
            found.append(studies.speed(self.name, corpus, mine, self.config["speed"]))
        inexact = [run for run in first if run.spec.prior.time is not None]
        found += [studies.bounds(self.name, run, self.config["bounds"]) for run in inexact if self.config["bounds"]]
        pictures = [run for run in first if run.spec.prior.role == "picture"]
        words = {corpus: self.config["corpora"][corpus].get("word") for corpus in self.corpora}
        return [*found, *(studies.modes(self.name, run, words[run.spec.corpus]) for run in pictures)]

    @cached_property
    def gathered(self) -> dict[str, Any]:
        """What `gather` must be told: whose results, in which order, under which labels."""
        return {
            "runs": [told_of(run) for run in self.runs],
            "corpora": [{"corpus": name, "data": str(corpus.folder), "whole": _whole_splits(self.runs, name)}
                        for name, corpus in self.corpora.items()],
            "code": code_digest("gather"),
        }  # fmt: skip

    @property
    def metrics(self) -> Path:
        """The file of all metrics."""
        return Path("results", self.name, "metrics", digest(self.gathered), "metrics.parquet")

    @property
    def out(self) -> Path:
        """Where people look: the folder of all views."""
        return Path("reports", "out", self.name)

    @property
    def published(self) -> Path:
        """The paper's own numbers."""
        return self.config.root / "reports" / "paper.csv"

    @cached_property
    def views(self) -> dict[str, View]:
        """Stage -> what it shows."""
        metrics, published = digest(self.gathered), sha256_of(self.published)
        below = {
            "tables": views.tables(self.out, metrics, self.config["tables"], published),
            "figures": views.figures(self.out, list(self.corpora), self.studies, metrics, published),
            "samples": views.samples(self.out, metrics, self.step_seconds),
        }
        kept = [path for folder in self.measured for path in sorted(folder.rglob("*.*")) if path.suffix != ".png"]
        words = [sha256_of(path) for path in (self.template, *sorted(self.captions.glob("*.rst")), *kept)]
        made = [view.made for view in below.values()]
        return {**below, "page": views.page(self.out, made, words, dict(self.config.values))}

    @property
    def template(self) -> Path:
        """What the page is written from."""
        return self.config.root / "reports" / "templates" / "report.html.j2"

    @property
    def measured(self) -> list[Path]:
        """What is kept of other configurations."""
        kept = sorted(path.parent for path in (self.config.root / "reports" / "measured").glob("*/plan.json"))
        return [folder for folder in kept if folder.name != self.name]

    @property
    def captions(self) -> Path:
        """The folder of the figures' captions."""
        return self.config.root / "reports" / "captions"

    @property
    def files(self) -> list[Path]:
        """Every file that is asked for by itself."""
        of_runs = [path for run in self.runs for path in (*run.trained, *run.evaluated)]
        of_studies = [path for study in self.studies for path in study.files]
        return [*of_runs, *of_studies, self.metrics, *(path for view in self.views.values() for path in view.files)]

    @property
    def needed(self) -> list[Path]:
        """Every file that is asked for only through another."""
        return [*(path for corpus in self.corpora.values() for path in corpus.prepared), *self.checks.values()]

    def told(self) -> Iterable[tuple[Path, Any]]:
        """(file, content) of what every job must be told."""
        for corpus in self.corpora.values():
            yield corpus.folder / TOLD, corpus.to_dict()
        for run in self.runs:
            yield run.folder / TOLD, run.to_dict()
        for prior, file in self.checks.items():
            yield file.parent / TOLD, next(run for run in self.runs if run.spec.prior.name == prior).to_dict()
        for study in self.studies:
            yield study.folder / TOLD, study.told
        yield self.metrics.parent / TOLD, self.told_to_views(self.metrics, finished=True)

    def caption(self, figure: str) -> str:
        """The file that holds the caption of a figure."""
        kinds = {path.stem.partition("-")[2]: path for path in self.captions.glob("*.rst")}
        return str(kinds[Path(figure).stem.partition("-")[0]])

    @property
    def step_seconds(self) -> dict[str, float]:
        """Corpus -> seconds that a step of it lasts when it is played."""
        return {run.spec.corpus: run.spec.sample.step_seconds for run in reversed(self.runs)}

    def told_to_views(self, metrics: Path, finished: bool) -> dict[str, Any]:
        """What the jobs of all views, and `gather`, must be told; those of a finished plan leave a word of it."""
        made = {name: view.made for name, view in self.views.items()} if finished else {}
        paths = {"metrics": metrics, "published": self.published, "out": self.out, "template": self.template,
                 "captions": self.captions}  # fmt: skip
        how = {"config": dict(self.config.values), "measured": [str(folder) for folder in self.measured],
               "name": self.name, "note": self.config["note"], "options": self.config["tables"],
               "step_seconds": self.step_seconds,
               "studies": [{"stage": study.stage, "corpus": study.corpus, "folder": str(study.folder)}
                           for study in self.studies]}  # fmt: skip
        return {**self.gathered, **{key: str(path) for key, path in paths.items()}, **how, "made": made}


def run_of(values: Config, corpus: str, prior: str, seed: int) -> Run:
    """A run of a configuration, planned there or not."""
    mirror = mirror_folder(values["data"]["mirror"])
    config.resolve(values, corpus, prior, seed)  # names that are unknown are said first
    return _run(values, _corpus(values, corpus, mirror), (corpus, prior, seed))


def _corpus(values: Config, name: str, mirror: Path | None) -> Corpus:
    settings = with_inputs(config.corpus_settings(values, name))
    digest_of_data = data_digest(with_files_at_hand(settings, mirror))
    return Corpus(name, settings, digest_of_data, code_digest("data", [settings["source"]]), values["data"]["mirror"])


def _run(values: Config, corpus: Corpus, key: tuple[str, str, int]) -> Run:
    spec = config.resolve(values, *key)
    context = RunContext(values.name, run_digests(spec, corpus.digest), config.differs(values, *key))
    return Run(spec, context, corpus.folder, evaluation_digest(spec))


def told_of(run: Run) -> dict[str, Any]:
    """What `gather` is given of a run."""
    spec = run.spec
    names = {"corpus": spec.corpus, "kind": spec.kind, "prior": spec.prior.name, "seed": spec.seed}
    people = {"label": spec.prior.label, "role": spec.prior.role}
    return names | people | {"folder": str(run.folder), "evaluation": run.evaluation, "digests": run.context.digests}


def _whole_splits(runs: Iterable[Run], corpus: str) -> list[str]:
    """The splits of which a corpus' runs see every sequence: the limit that a source sets holds for no subset."""
    subset = next(run.spec.subset for run in runs if run.spec.corpus == corpus)
    whole = [split for split in ("valid", "test") if getattr(subset, split) is None]
    return whole if subset.max_length is None else []

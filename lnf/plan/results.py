"""A plan: every job of a configuration. Where its results lie is said in `lnf.plan.stages`.

A result is named by what made it: a digest in its path, so it is made once and never overwritten. What people look at
is copied to a fixed place, reports/out/NAME.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from lnf.plan import config
from lnf.plan.code_digests import sources
from lnf.plan.config import Config
from lnf.plan.digests import check_digest, check_paths, corpus_paths, data_digest, evaluation_digest, run_digests
from lnf.plan.jobs import SPEC, Job, job
from lnf.plan.needs import needs_of
from lnf.plan.options import changed
from lnf.plan.raw_files import mirror_folder, with_files_at_hand, with_inputs
from lnf.plan.run import Run
from lnf.plan.stages import CURVES, FIGURE_FORMS, STAGES, SWEEP, TABLE_FORMS, studies, tables_of
from lnf.spec import CHECKED_KINDS, KINDS, RunContext, Spec, class_path
from lnf.system.files import digest, sha256_of

VIEWS = ("tables", "figures", "exhibits", "page")
"""The stages that write what people look at."""


@dataclass(frozen=True)
class Plan:
    """All that a configuration asks for, and where it lies."""

    config: Config

    @property
    def name(self) -> str:
        """The configuration's name."""
        return self.config.name

    @cached_property
    def corpora(self) -> dict[str, Job]:
        """Name -> the job that prepares it, of every corpus that is trained on."""
        names = dict.fromkeys(key[0] for key in config.plan(self.config))
        return {name: corpus_of(self.config, name) for name in names}

    @cached_property
    def runs(self) -> list[Run]:
        """Every run, in the tables' order."""
        return [_run(self.config, self.corpora[key[0]], key) for key in config.plan(self.config)]

    @cached_property
    def first_seeds(self) -> list[Run]:
        """Of each corpus and prior, the run of its first seed."""
        return list({(run.spec.corpus, run.spec.prior.name): run for run in reversed(self.runs)}.values())[::-1]

    @cached_property
    def checks(self) -> dict[str, Job]:
        """Prior -> the job that holds it against the laws."""
        runs = {run.spec.prior.name: run for run in reversed(self.runs)}
        return {prior: self._check(run) for prior, run in runs.items()}

    def _check(self, run: Run) -> Job:
        """Points of a sweep whose mathematics is that of their prior share its check."""
        kinds, base = self.checked_kinds, self.config.base_of(run.spec.prior.name)
        one = replace(run, spec=run.spec.replace(prior=run.spec.prior.replace(name=base)))
        return job("check", self.name, check_digest(one.spec, kinds), {**one.to_dict(), "kinds": kinds},
                   modules=check_paths(one.spec, kinds), prior=base)  # fmt: skip

    @property
    def checked_kinds(self) -> list[str]:
        """The kinds of data on which a variant is held against the laws: text and music, and those of a user's own."""
        return [*CHECKED_KINDS, *(kind for kind in self.kinds if kind not in KINDS)]

    @cached_property
    def kinds(self) -> list[str]:
        """The kinds of the corpora that are trained on, in their order."""
        return list(dict.fromkeys(run.spec.kind for run in self.runs))

    @cached_property
    def trained(self) -> dict[str, Job]:
        """Digest of a run -> the job that trains it."""
        return {run.digest: self._train(run) for run in self.runs}

    @cached_property
    def evaluated(self) -> dict[str, Job]:
        """Digest of a run -> the job that evaluates it."""
        return {run.digest: self._evaluate(run) for run in self.runs}

    def needs(self, run: Run, stage: str) -> dict[str, Any]:
        """What a job of a stage that uses a run's model needs of a machine."""
        prepare = self.config["corpora"][run.spec.corpus]["prepare"]
        limits = [limit for limit in (run.spec.subset.max_length, prepare.get("max_length")) if limit]
        return needs_of(run.spec, min(limits, default=None), stage)

    def training_of(self, run: Run) -> Job:
        """The job that trains a run."""
        return self.trained[run.digest]

    def evaluation_of(self, run: Run) -> Job:
        """The job that evaluates a run."""
        return self.evaluated[run.digest]

    @cached_property
    def studies(self) -> list[Job]:
        """The analyses of trained models, and of flows themselves."""
        stages = [stage for stage in studies() if (stage.name == SWEEP) == bool(self.config.points)]
        return [found for stage in stages for found in resolve_name(str(stage.jobs))(stage.name, self)]

    @cached_property
    def gathered(self) -> Job:
        """The job that puts all metrics into one file."""
        arguments = {
            "runs": [told_of(run) for run in self.runs],
            "corpora": [self._seen(name) for name in self.corpora],
        }  # fmt: skip
        needed = [*self.corpora.values(), *self.evaluated.values(), *self.trained.values()]
        return job("gather", self.name, arguments, arguments, needed)

    def _seen(self, corpus: str) -> dict[str, Any]:
        """What `gather` is given of a corpus: its folder, and what its runs see of it."""
        spec = next(run.spec for run in self.runs if run.spec.corpus == corpus)
        parts = {"subset": spec.subset.model_dump(), "lengths": spec.lengths.model_dump()}
        splits = list(reversed(spec.evaluate.splits))
        whole = [split for split in _whole_splits(spec) if split in splits]
        return {"corpus": corpus, "data": str(self.corpora[corpus].folder), "splits": splits, "whole": whole, **parts}

    @property
    def metrics(self) -> Path:
        """The file of all metrics."""
        return self.gathered.files[0]

    @property
    def out(self) -> Path:
        """Where people look: the folder of all views."""
        return Path("reports", "out", self.name)

    @property
    def published(self) -> Path:
        """The paper's own numbers."""
        return self.config.root / "reports" / "paper.csv"

    @cached_property
    def views(self) -> dict[str, Job]:
        """Stage -> the job that writes it. The page is made of the others."""
        below = {"tables": self._tables(), "figures": self._figures(), "exhibits": self._exhibits()}
        return {**below, "page": self._page(below)}

    @cached_property
    def publishing(self) -> Job:
        """The job that copies all views to where people look."""
        views = {view.stage.shown_in: str(view.folder) for view in self.views.values()}
        sweeps = [study for study in self.studies if study.stage.name == SWEEP]
        views |= {f"{SWEEP}/{study.wildcards['corpus']}": str(study.folder) for study in sweeps}
        made_from = digest({"views": views, "code": sources().code_digest("publish")})
        arguments = {"views": views, "marker": f"published-{made_from}.json"}
        return job("publish", self.name, made_from, arguments, [*self.views.values(), *sweeps])

    @cached_property
    def jobs(self) -> list[Job]:
        """Every job."""
        of_runs = [one for run in self.runs for one in (self.trained[run.digest], self.evaluated[run.digest])]
        views = [self.gathered, *self.views.values(), self.publishing]
        checks = {one.folder: one for one in self.checks.values()}
        return [*self.corpora.values(), *checks.values(), *of_runs, *self.studies, *views]

    @property
    def specs(self) -> dict[Path, dict[str, Any]]:
        """File -> the specs of the jobs in its folder. Training and evaluation of a run share one."""
        found: dict[Path, dict[str, Any]] = {}
        for one in self.jobs:
            spec, file = one.spec, one.folder / SPEC
            spec["code"] = {**found.get(file, {}).get("code", {}), **spec["code"]}
            found[file] = spec
        return found

    def shown(self, metrics: Path, views: Mapping[str, Path]) -> dict[str, dict[str, Any]]:
        """Stage -> the arguments of each view of some metrics, the views being in those folders."""
        figures = {
            "metrics": str(metrics), "published": str(self.published), "runs": self.gathered.arguments["runs"],
            "studies": [{"stage": study.stage.name, "corpus": study.wildcards.get("corpus"),
                         "files": list(map(str, study.files))} for study in self.studies],
        }  # fmt: skip
        samples = {**self.gathered.arguments, "step_seconds": self.step_seconds}
        tables = {"metrics": str(metrics), "published": str(self.published), "options": self.config["tables"]}
        page = {
            **figures, "corpora": self.gathered.arguments["corpora"], "published_at": str(self.out),
            "name": self.name, "note": self.config["note"], "config": dict(self.config.values),
            "template": str(self.template), "captions": str(self.captions),
            "measured": list(map(str, self.measured)), "rows": list(self.config.variants),
            "views": {STAGES[stage].shown_in: str(folder) for stage, folder in views.items()},
        }  # fmt: skip
        return {"tables": tables, "figures": figures, "exhibits": samples, "page": page}

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
    def step_seconds(self) -> dict[str, float]:
        """Corpus -> seconds that a step of it lasts when it is played."""
        return {run.spec.corpus: run.spec.sample.step_seconds for run in reversed(self.runs)}

    def _train(self, run: Run) -> Job:
        inputs = [self.corpora[run.spec.corpus], self.checks[run.spec.prior.name]]
        return job("train", self.name, run.digest, run.to_dict(), inputs, modules=run.spec.paths,
                   resources=self.needs(run, "train"), **run.names)  # fmt: skip

    def _evaluate(self, run: Run) -> Job:
        inputs = [self.corpora[run.spec.corpus], self.trained[run.digest]]
        return job("evaluate", self.name, run.evaluation, run.to_dict(), inputs, modules=run.spec.paths,
                   resources=self.needs(run, "evaluate"), **run.names, run=run.digest)  # fmt: skip

    def _tables(self) -> Job:
        made_from = {"metrics": self.gathered.digest, "options": self.config["tables"],
                     "published": sha256_of(self.published)}  # fmt: skip
        files = [f"{table}.{form}" for table in tables_of(self.kinds).values() for form in TABLE_FORMS]
        arguments = self.shown(self.metrics, {})["tables"]
        return job("tables", self.name, made_from, arguments, [self.gathered], files=files)

    def _figures(self) -> Job:
        names = ["results", "nats", *(f"{name}-{corpus}" for corpus in self.corpora for name in CURVES)]
        drawn = [(study.stage, study.wildcards.get("corpus")) for study in self.studies]
        names += [name.format(corpus=corpus) for stage, corpus in drawn for name in stage.pictures]
        files = [f"{name}.{form}" for name in dict.fromkeys(names) for form in FIGURE_FORMS]
        code = [sources().code_digest("figures", [study.figure]) for study in studies() if study.figure]
        made_from = {"metrics": self.gathered.digest, "published": sha256_of(self.published), "drawn_by": code,
                     "studies": [[study.stage.name, study.digest] for study in self.studies]}  # fmt: skip
        inputs = [self.gathered, *self.trained.values(), *self.studies]
        return job("figures", self.name, made_from, self.shown(self.metrics, {})["figures"], inputs, files=files)

    def _exhibits(self) -> Job:
        made_from = {"metrics": self.gathered.digest, "step_seconds": self.step_seconds}
        inputs = [*self.corpora.values(), *self.evaluated.values()]
        return job("exhibits", self.name, made_from, self.shown(self.metrics, {})["exhibits"], inputs)

    def _page(self, views: Mapping[str, Job]) -> Job:
        kept = [path for folder in self.measured for path in sorted(folder.rglob("*.*")) if path.suffix != ".png"]
        words = [sha256_of(path) for path in (self.template, *sorted(self.captions.glob("*.rst")), *kept)]
        made_from = {"views": {stage: view.digest for stage, view in views.items()}, "words": words,
                     "config": dict(self.config.values)}  # fmt: skip
        arguments = self.shown(self.metrics, {stage: view.folder for stage, view in views.items()})["page"]
        return job("page", self.name, made_from, arguments, [self.gathered, *views.values()])


def run_of(values: Config, corpus: str, prior: str, seed: int) -> Run:
    """A run of a configuration, planned there or not."""
    config.resolve(values, corpus, prior, seed)  # names that are unknown are said first
    return _run(values, corpus_of(values, corpus), (corpus, prior, seed))


def corpus_of(values: Config, corpus: str) -> Job:
    """The job that prepares a corpus of a configuration."""
    mirror = mirror_folder(values["data"]["mirror"])
    settings = with_inputs(config.corpus_settings(values, corpus))
    made_from = data_digest(with_files_at_hand(settings, mirror))
    arguments = {"corpus": corpus, "settings": settings, "digest": made_from, "mirror": values["data"]["mirror"]}
    return job("prepare", values.name, made_from, arguments, modules=corpus_paths(settings), corpus=corpus)


def _run(values: Config, corpus: Job, key: tuple[str, str, int]) -> Run:
    spec = config.resolve(values, *key)
    context = RunContext(values.name, run_digests(spec, corpus.digest), config.differs(values, *key))
    return Run(spec, context, corpus.folder, evaluation_digest(spec))


def told_of(run: Run) -> dict[str, Any]:
    """What `gather` is given of a run."""
    spec = run.spec
    names = {"corpus": spec.corpus, "kind": spec.kind, "prior": spec.prior.name, "seed": spec.seed}
    people = {"label": _label(spec), "role": spec.prior.role}
    return names | people | {"folder": str(run.folder), "evaluation": run.evaluation, "digests": run.context.digests}


def _label(spec: Spec) -> str:
    """How tables name a variant, with the options that are not at their defaults."""
    given = spec.options.model_dump()
    shown = [text for part, name in spec.prior.parts.items() for text in changed(class_path(part, name), given[part])]
    return f"{spec.prior.label} ({', '.join(shown)})" if shown else spec.prior.label


def _whole_splits(spec: Spec) -> list[str]:
    """The splits of which a run sees every sequence: the limit that a source sets holds for no subset."""
    subset = spec.subset
    whole = [split for split in ("valid", "test") if getattr(subset, split) is None]
    return whole if subset.max_length is None else []

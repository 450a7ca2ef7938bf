"""The runs that may be kept of a configuration: those in a folder of results, those that were kept before, and those of
the same settings and data that another configuration keeps.

A run is recognised by its settings and its data, never by code: what is kept says which revision made it, and a result
of an older revision counts. A setting that came later counts at its neutral value.
"""

import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pandas import DataFrame

from lnf.errors import UserError
from lnf.plan.config import flatten
from lnf.plan.digests import train_identity
from lnf.plan.jobs import SPEC
from lnf.plan.origin import Identity, data_difference, prepared_data
from lnf.plan.results import told_of
from lnf.plan.run import Run
from lnf.report.frames import frame_of
from lnf.report.gather import rows_of_run
from lnf.report.measured.archive import Facts, place, read_kept, read_metrics_of
from lnf.report.metrics import METRICS
from lnf.spec import STORED_FORMAT, Spec, read_spec
from lnf.system.files import read_json, try_read_json
from lnf.system.provenance import git

RIGHT = "a run from a commit of this project would be right"
SHOWN = 3
"""Reasons that are given where there are several."""

EVALUATION = ("evaluate", "sample")
"""The sections of a spec that training does not depend on, but what is made of the model."""


@dataclass(frozen=True)
class Candidate:
    """A run of a configuration, in a folder of results or kept before: its facts and metrics."""

    folder: Path
    facts: Facts
    metrics: DataFrame

    @property
    def level(self) -> int:
        """2 with numbers, 1 if it diverged, 0 if it trains, was cut or is not evaluated."""
        statuses = set(self.metrics.status)
        return 2 if "ok" in statuses else 1 if "diverged" in statuses else 0

    @property
    def rank(self) -> tuple[int, int]:
        """What the better one of two has more of: its level, then, without a result, its epochs."""
        return self.level, 0 if self.level else self._epochs

    @property
    def order(self) -> tuple[tuple[int, int], float]:
        """Which of several is taken: the best, then the one that ended last."""
        return self.rank, float(self.facts.get("ended", 0.0))

    @property
    def _epochs(self) -> int:
        lines = self.folder / "state" / "history.jsonl"
        return int(self.facts.get("epochs", len(lines.read_bytes().splitlines()) if lines.exists() else 0))


@dataclass(frozen=True)
class Choice:
    """What is known of a planned run: the candidate in the results, and what was kept before, of another configuration
    perhaps, with the differences of the latter from the planned run (none: it is of it).
    """

    run: Run
    found: Candidate | None
    kept: Candidate | None
    differs: list[str]

    @property
    def stays(self) -> bool:
        """Whether what was kept before stays: it is of the planned run, and the results have nothing better."""
        if self.kept is None or self.differs:
            return False
        return self.found is None or self.found.rank < self.kept.rank

    @property
    def lost(self) -> bool:
        """Whether what was kept before is of another run, and no result as good takes its place."""
        if self.kept is None or not self.differs:
            return False
        return self.found is None or self.found.level < max(1, self.kept.level)

    @property
    def same(self) -> bool:
        """Whether the results have the very run that was kept before: the same model, as far trained."""
        if self.kept is None or self.found is None:
            return False
        return self.kept.facts["digests"] == self.found.facts["digests"] and self.kept.rank == self.found.rank


def choose(run: Run, data: Identity, results: Path, before: Path) -> Choice:
    """What is known of a planned run, whose data are `data`; `before` is what was kept of its configuration. Where that
    lacks the run, the same run as another configuration keeps it counts, if the results have nothing as good. Raises
    UserError if what is kept cannot be read.
    """
    found = max(_found(results, run, data), key=lambda one: one.order, default=None)
    kept = _kept(before, run)
    if kept is not None:
        return Choice(run, found, kept, _differences(kept.facts, run, data))
    others = (_kept(folder, run) for folder in sorted(before.parent.glob("*")) if folder != before)
    same = (one for one in others if one is not None and not _differences(one.facts, run, data))
    return Choice(run, found, next((one for one in same if found is None or found.rank < one.rank), None), [])


def _kept(configuration: Path, run: Run) -> Candidate | None:
    """The run of that corpus, prior and seed that is kept of a configuration."""
    folder = place(configuration, names_of(run))
    facts = read_kept(folder)
    return None if facts is None else Candidate(folder, facts, read_metrics_of(folder))


def names_of(run: Run) -> dict[str, Any]:
    """Corpus, prior and seed of a run."""
    return {"corpus": run.spec.corpus, "prior": run.spec.prior.name, "seed": run.spec.seed}


def _found(results: Path, run: Run, data: Identity) -> Iterator[Candidate]:
    """The runs below a folder of results that have a planned run's training settings and data."""
    for folder in sorted((results / Path(*run.place.parts[1:])).glob("*/")):
        facts = try_read_json(folder / "run.json") or try_read_json(folder / "state" / "run.json")
        if facts is None:
            continue
        job = try_read_json(folder / SPEC) or {}
        facts = facts if "data" in facts else {**facts, "data": _data_of(folder, results, job)}
        spec = read_spec(facts["spec"], facts.get("format"))
        if train_identity(spec) == train_identity(run.spec) and not data_difference(facts["data"], data):
            evaluation = _evaluation(folder, run, job)
            whose = {"folder": str(folder), "evaluation": evaluation, "digests": facts["digests"]}
            metrics = frame_of(rows_of_run({**told_of(run), **whose}, existing=True), METRICS)
            yield Candidate(folder, _of_the_plan(facts, spec, run), metrics)


def _of_the_plan(facts: Facts, spec: Spec, run: Run) -> Facts:
    """Facts with the evaluation of the plan: that of the time when the run was trained may have been another."""
    stored = spec.replace(evaluate=run.spec.evaluate, sample=run.spec.sample).to_dict()
    differs = {key: pair for key, pair in facts["differs_from_paper"].items() if not key.startswith(EVALUATION)}
    differs |= {key: pair for key, pair in run.context.differs.items() if key.startswith(EVALUATION)}
    return {**facts, "format": STORED_FORMAT, "spec": stored, "differs_from_paper": differs}


def _data_of(folder: Path, results: Path, job: Mapping[str, Any]) -> Identity:
    """The data of a run of an older revision, which did not say: those of its prepared corpus."""
    meta = results.absolute().parent / str(job.get("data", "")) / "meta.json"
    if not meta.is_file():
        raise UserError(f"measured: {folder}: does not say what its data are, and {meta} is not there")
    return prepared_data(read_json(meta))


def _evaluation(folder: Path, run: Run, job: Mapping[str, Any]) -> str:
    """The digest of an evaluation with the plan's samples and seed: today's, or the last that was asked for there."""
    if (folder / f"evaluation-{run.evaluation}.parquet").exists() or "spec" not in job:
        return run.evaluation
    asked = read_spec(job["spec"], job.get("format")).evaluate
    wanted = run.spec.evaluate
    same = (asked.samples, asked.seed) == (wanted.samples, wanted.seed)
    return str(job["evaluation"]) if same else run.evaluation


def _differences(kept: Facts, run: Run, data: Identity) -> list[str]:
    """The differences of a kept run from a planned one, in words: settings that change numbers, and data."""
    spec = read_spec(kept["spec"], kept.get("format"))
    theirs, ours = flatten(_identity(spec)), flatten(_identity(run.spec))
    keys = [key for key in {**theirs, **ours} if theirs.get(key) != ours.get(key)]
    part = data_difference(kept["data"], data)
    settings = [f"{key} {theirs.get(key)}, now {ours.get(key)}" for key in keys]
    return [*settings, f"other data ({part})"] if part else settings


def _identity(spec: Spec) -> dict[str, Any]:
    """All settings that the numbers of a run depend on."""
    return train_identity(spec) | {"evaluate": {"samples": spec.evaluate.samples, "seed": spec.evaluate.seed}}


def require_known(facts: Mapping[str, Any], root: Path) -> None:
    """Raise UserError unless the revision that a run recorded says what its sources were, and HEAD of `root` comes from
    it.
    """
    revision = str(facts["revision"])
    if revision.endswith("+") or revision == "unknown":
        problems = list(facts.get("unversioned", [])) or ["sources that were changed and not committed"]
        more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        _refuse(facts, f"{'; '.join(problems[:SHOWN])}{more}; {RIGHT}")
    try:
        git(root, "merge-base", "--is-ancestor", revision, "HEAD")
    except OSError:
        raise UserError("measured: git is not installed; it is asked whether the project's history has a run") from None
    except subprocess.CalledProcessError as problem:
        _refuse(facts, _reason(problem, root))


def _reason(problem: subprocess.CalledProcessError, root: Path) -> str:
    """Why git does not know a revision, and what helps."""
    said = str(problem.stderr or "").strip()
    if "not a git repository" in said:
        return f"{root} is no git repository, so that its history is not known; a clone of the project would be right"
    if git(root, "rev-parse", "--is-shallow-repository") == "true":
        return "this clone is shallow, so that its history may lack the revision; type: git fetch --unshallow"
    return f"a revision that is not in git's history; {RIGHT}"


def _refuse(facts: Mapping[str, Any], why: str) -> None:
    where = "/".join(str(facts[key]) for key in ("corpus", "prior", "seed"))
    raise UserError(f"measured: {where}: made by {facts['revision']}: {why}")

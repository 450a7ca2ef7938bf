"""The page's first words: which model has the least NLL, by how much, how sure that is, and what the bounds can show.

The models of the roles in CONTEST compete. A flow's NLL is a bound, which falls as K grows: it is taken at a K at which
it is flat (`lnf.studies.bounds`), by the gain that the study of bounds found on its sequences, for all seeds alike.
Without such a K the bound may be loose, and it is said what can be shown all the same.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.compute
from numpy.typing import NDArray

from lnf.report.outcomes import LIMIT, Error, Outcome, over_seeds, reach, together
from lnf.system.sealed import read_table
from lnf.units import nats_in

CONTEST = ("main", "independent")
"""Roles that are ranked: an ablation is held against its own model, and a picture's model is there to be seen."""

Run = Mapping[str, Any]
Bounds = Mapping[tuple[str, str], Sequence[Mapping[str, Any]]]
"""(corpus, prior) -> rows of bounds.parquet."""


@dataclass(frozen=True)
class Standing:
    """A model in the contest: its NLL on test, with K samples (None: exact), and what was gained by a K larger than the
    tables'. `tight`: the NLL is exact, or flat in K; else it is an upper limit of the model's own NLL.
    """

    outcome: Outcome
    nll: float
    k: int | None
    tight: bool
    gain: float = 0.0
    gain_error: Error | None = None

    @property
    def label(self) -> str:
        """The model's name."""
        return self.outcome.label

    @property
    def seeds(self) -> int:
        """How many seeds have a number."""
        return len(self.outcome.of("nll"))


@dataclass(frozen=True)
class Answer:
    """The contest on one corpus; `margin` is the next one's lag, `reach` half its 95 % interval (None if either model
    has only one seed, or the test sequences do not match).

    `limit` is the source's own NLL where it is known; `has_source` says whether there is one. `lower` are models that
    do not compete and have a lower number in the tables than the winner.
    """

    corpus: str
    unit: str
    winner: Standing
    runner_up: Standing | None
    margin: float
    reach: float | None
    limit: float | None
    has_source: bool
    lower: Sequence[Outcome] = ()

    @property
    def shows(self) -> str:
        """What the margin says of the models' own: about, at least, at most, or nothing, as bounds are tight or not."""
        tight = (self.winner.tight, self.runner_up is None or self.runner_up.tight)
        return {(True, True): "about", (False, True): "at least", (True, False): "at most"}.get(tight, "nothing")

    @property
    def verdict(self) -> str:
        """settled, if the interval is above 0 and the bounds can show it; else open."""
        sure = self.reach is not None and self.margin > self.reach
        return "settled" if sure and self.shows in ("about", "at least") else "open"


def answers(
    corpora: Mapping[str, Sequence[Outcome]], runs: Sequence[Run], bounds: Bounds, sources: Mapping[str, bool]
) -> Iterator[Answer]:
    """The answer on each corpus where a variant has a number; `sources` says which corpora have a known source."""
    for corpus, found in corpora.items():
        competing = [one for one in found if one.role in CONTEST and one.of("nll")]
        standings = [standing(one, bounds.get((corpus, one.prior), [])) for one in competing]
        ranked = sorted(standings, key=lambda one: one.nll)
        if ranked:
            mine = [run for run in runs if run["corpus"] == corpus]
            limit = next((one.mean("nll") for one in found if one.prior == LIMIT), None)
            aside = [one for one in found if one.trained and one.role not in CONTEST and one.of("nll")]
            least = _mean(ranked[0].outcome)
            lower = [one for one in aside if _mean(one) < least]
            yield _answer(ranked, mine, limit, sources.get(corpus, False), lower)


def standing(one: Outcome, rows: Sequence[Mapping[str, Any]]) -> Standing:
    """A model with its NLL at a K at which it is flat, if its study of bounds found one; else at the tables' K."""
    if one.k is None:
        return Standing(one, _mean(one), None, tight=True)
    last = max(rows, key=lambda row: int(row["k"]), default=None)
    if last is None or last.get("gain") is None or last["k"] < one.k:
        return Standing(one, _mean(one), one.k, tight=False)
    error = Error(last["gain_error"] ** 2, last["n"] - 1) if last["n"] > 1 else None
    return Standing(one, _mean(one) - last["gain"], last["k"], bool(last["flat"]), last["gain"], error)


def _answer(
    ranked: Sequence[Standing], runs: Sequence[Run], limit: float | None, has_source: bool, lower: Sequence[Outcome]
) -> Answer:
    winner, runner_up = ranked[0], ranked[1] if len(ranked) > 1 else None
    margin = runner_up.nll - winner.nll if runner_up else 0.0
    error = _error(winner, runner_up, runs) if runner_up else None
    sure = None if error is None else reach(error)
    return Answer(winner.outcome.corpus, winner.outcome.unit, winner, runner_up, margin, sure, limit, has_source, lower)


def _mean(one: Outcome) -> float:
    value = one.mean("nll")
    assert value is not None, "only models with a number are ranked"
    return value


def _error(winner: Standing, other: Standing, runs: Sequence[Run]) -> Error | None:
    """The error of the margin: over seeds, over test sequences (paired), and of the gains."""
    seeds = [over_seeds(one.outcome.of("nll")) for one in (winner, other)]
    ours, theirs = (_scores(one.outcome, runs) for one in (winner, other))
    if ours is None or theirs is None or len(ours[0]) != len(theirs[0]) or len(ours[0]) < 2:
        return None
    difference = ours[0] - theirs[0]
    nats = nats_in(winner.outcome.unit)
    over_sequences = math.sqrt(len(difference)) * float(difference.std(ddof=1)) / (ours[1] * nats)
    gains = [one.gain_error for one in (winner, other)]
    parts = [*seeds, Error(over_sequences**2, len(difference) - 1)]
    known = [one for one in parts if one is not None]
    return together([*known, *(one for one in gains if one is not None)]) if len(known) == len(parts) else None


def _scores(one: Outcome, runs: Sequence[Run]) -> tuple[NDArray[np.float64], int] | None:
    """(log p(x, T) of each sequence in nats, mean over seeds; sum of T + 1) of the split that is reported; None without
    files.
    """
    tables = [table for run in runs if run["prior"] == one.prior for table in _sequence_scores(run, one.split)]
    if not tables:
        return None
    scores = np.mean([table["log_prob"].to_numpy() for table in tables], axis=0)
    return scores, int(tables[0]["length"].to_numpy().sum()) + len(scores)


def _sequence_scores(run: Run, split: str) -> Iterator[pyarrow.Table]:
    path = Path(run["folder"], f"sequences-{run['evaluation']}.parquet")
    if path.exists():
        table = read_table(path)
        rows = table.filter(pyarrow.compute.equal(table["split"], split))
        if rows.num_rows:
            yield rows

"""The page's first words: which model won, by how much, how sure that is, and how far it is from the limit."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.compute
from numpy.typing import NDArray

from lnf.report.outcomes import LIMIT, Outcome
from lnf.system.parquet import read_table
from lnf.units import UNITS

CONTEST = ("main", "independent")
"""Roles that are ranked: an ablation is held against its own model, and a picture's model is there to be seen."""
SURE, LIKELY = 3.0, 2.0
"""Standard errors from which a difference counts as settled, or as likely."""

Run = Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """The contest on one corpus, by NLL on test; `margin` and `error` are of the next one's lag, in `unit`.

    `error` joins the standard error over test sequences, paired, with that over seeds; None if either model has only
    one seed, or the test sequences do not match. `limit` is the source's own NLL, where it is known.
    """

    corpus: str
    unit: str
    winner: Outcome
    runner_up: Outcome | None
    margin: float
    error: float | None
    limit: float | None

    @property
    def verdict(self) -> str:
        """settled | likely | open."""
        if self.error is None or self.error == 0:
            return "open"
        errors = self.margin / self.error
        return "settled" if errors >= SURE else "likely" if errors >= LIKELY else "open"


def answers(corpora: Mapping[str, Sequence[Outcome]], runs: Sequence[Run]) -> Iterator[Answer]:
    """The answer on each corpus where a variant has a number."""
    for corpus, found in corpora.items():
        ranked = sorted((one for one in found if one.role in CONTEST and one.of("nll")), key=_nll)
        if ranked:
            mine = [run for run in runs if run["corpus"] == corpus]
            limit = next((one.mean("nll") for one in found if one.prior == LIMIT), None)
            yield _answer(ranked, mine, limit)


def _answer(ranked: Sequence[Outcome], runs: Sequence[Run], limit: float | None) -> Answer:
    winner, runner_up = ranked[0], ranked[1] if len(ranked) > 1 else None
    margin = _nll(runner_up) - _nll(winner) if runner_up else 0.0
    error = _error(winner, runner_up, runs) if runner_up else None
    return Answer(winner.corpus, winner.unit, winner, runner_up, margin, error, limit)


def _nll(one: Outcome) -> float:
    value = one.mean("nll")
    assert value is not None, "only models with a number are ranked"
    return value


def _error(winner: Outcome, other: Outcome, runs: Sequence[Run]) -> float | None:
    seeds = [(one, len(one.of("nll"))) for one in (winner, other)]
    if any(n < 2 for _, n in seeds):
        return None
    over_seeds = sum(one.spread("nll") ** 2 / n for one, n in seeds)
    ours, theirs = (_scores(one.prior, runs) for one in (winner, other))
    if ours is None or theirs is None or len(ours[0]) != len(theirs[0]):
        return None
    difference = ours[0] - theirs[0]
    nats = UNITS[winner.kind][1]
    over_sequences = math.sqrt(len(difference)) * float(difference.std(ddof=1)) / (ours[1] * nats)
    return math.sqrt(over_seeds + over_sequences**2)


def _scores(prior: str, runs: Sequence[Run]) -> tuple[NDArray[np.float64], int] | None:
    """(log p(x, T) of each test sequence in nats, mean over seeds; sum of T + 1); None without files."""
    tables = [table for run in runs if run["prior"] == prior for table in _test_scores(run)]
    if not tables:
        return None
    scores = np.mean([table["log_prob"].to_numpy() for table in tables], axis=0)
    return scores, int(tables[0]["length"].to_numpy().sum()) + len(scores)


def _test_scores(run: Run) -> Iterator[pyarrow.Table]:
    path = Path(run["folder"], f"sequences-{run['evaluation']}.parquet")
    if path.exists():
        table = read_table(path)
        rows = table.filter(pyarrow.compute.equal(table["split"], "test"))
        if rows.num_rows:
            yield rows

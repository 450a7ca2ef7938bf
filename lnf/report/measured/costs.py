"""What the rows of a kept configuration cost, and what each closes of the gap between the paper's extremes.

The paper's LSTM is its best row on text and samples step by step; IAF / SCF is its row that samples all steps at once.
"""

from collections.abc import Iterator, Mapping
from statistics import mean, median
from typing import NamedTuple

from pandas import DataFrame

from lnf.report.frames import markdown, number, records
from lnf.report.measured.archive import Facts, Kept
from lnf.report.outcomes import SURE, Outcome, outcomes, over_seeds, reach, together

STEPWISE, PARALLEL = "lstm", "iaf_scf"
"""The rows between which the gap lies."""
SECONDS_A_MINUTE = 60
COLUMNS = ("corpus", "model", "parameters", "NLL, test", f"{SURE:.0%} interval", "unit", "K", "of the gap", "minutes")
LEGEND = (
    "Of the gap: the share of the distance from IAF / SCF to the LSTM by which a row's NLL is below that of IAF / SCF,"
    f" with the {SURE:.0%} interval of that difference over seeds; negative where it is above. Minutes of training: the"
    " median over seeds. Seconds of sampling B sequences of T steps: the median of the repeats, and their range, of the"
    " first seed of each row."
)


def costs(kept: Kept) -> list[str]:
    """Lines of a table: parameters, NLL, training and sampling time of each row; none without times of sampling."""
    speed = kept.speed
    if speed.empty:
        return []
    grid = sorted({(int(row.batch), int(row.length)) for row in records(speed)})
    batches = {batch: max(length for of, length in grid if of == batch) for batch, _ in grid}
    sampling = [f"seconds, B = {batch}, T = {length}" for batch, length in batches.items()]
    rows = markdown((*COLUMNS, *sampling), _rows(kept, batches))
    places = ", ".join(dict.fromkeys(speed["where"]))
    answers = [f"- {corpus}: {said}." for corpus, found in _by_prior(kept).items() if (said := _answer(found))]
    heading = "NLL by the interval of its difference over seeds:"
    return ["What each row costs:", "", *rows, "", f"{LEGEND} Sampling on {places}.", "",
            *([heading, "", *answers, ""] if answers else [])]  # fmt: skip


def _by_prior(kept: Kept) -> dict[str, dict[str, Outcome]]:
    """Corpus -> prior -> its result, of those that have one."""
    return {
        corpus: {one.prior: one for one in found if one.trained and one.mean("nll") is not None}
        for corpus, found in outcomes(kept.metrics).items()
    }


def _rows(kept: Kept, batches: Mapping[int, int]) -> Iterator[list[str]]:
    speed = kept.speed
    for corpus, by_prior in _by_prior(kept).items():
        for prior, one in by_prior.items():
            runs = [run for run in kept.facts if (run["corpus"], run["prior"]) == (corpus, prior)]
            seconds = speed[(speed.corpus == corpus) & (speed.prior == prior)]
            share = of_the_gap(one, by_prior)
            yield [*_loss(one, runs), "" if share is None else str(share), _minutes(runs),
                   *(_sampling(seconds, batch, length) for batch, length in batches.items())]  # fmt: skip


def _loss(one: Outcome, runs: list[Facts]) -> list[str]:
    error = over_seeds(one.of("nll"))
    interval = "one seed" if error is None else f"± {reach(error):.3f}, {len(one.of('nll'))} seeds"
    samples = "" if one.k is None else str(one.k)
    return [one.corpus, one.label, f"{runs[0]['parameters']:,}", number(one.mean("nll")), interval, one.unit, samples]


class Share(NamedTuple):
    """Of the gap, and half its interval; None with one seed."""

    value: float
    reach: float | None

    def __str__(self) -> str:
        return f"{self.value:+.0%}{', one seed' if self.reach is None else f' ± {self.reach:.0%}'}"

    @property
    def settled(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.reach is not None and abs(self.value) > self.reach


def of_the_gap(one: Outcome, rows: Mapping[str, Outcome]) -> Share | None:
    """The share of the gap that a row closes; None where there is no gap, it is not known, or it is the row's own."""
    if one.prior in (STEPWISE, PARALLEL) or not {STEPWISE, PARALLEL} <= rows.keys():
        return None
    far, near, values = (rows[PARALLEL].of("nll"), rows[STEPWISE].of("nll"), one.of("nll"))
    gap = mean(far) - mean(near)
    if gap <= 0:  # as on music: IAF / SCF is ahead already
        return None
    errors = [error for error in map(over_seeds, (far, values)) if error is not None]
    half = reach(together(errors)) / gap if len(errors) == 2 else None
    return Share((mean(far) - mean(values)) / gap, half)


def _answer(rows: Mapping[str, Outcome]) -> str:
    """Which rows close a part of the gap, and which widen it, as far as their intervals say."""
    shares = {one.label: share for one in rows.values() if (share := of_the_gap(one, rows)) is not None}
    closing = [label for label, share in shares.items() if share.settled and share.value > 0]
    widening = [label for label, share in shares.items() if share.settled and share.value < 0]
    open_ones = [label for label, share in shares.items() if not share.settled]
    parts = (("Below IAF / SCF", closing), ("Above it", widening), ("Undecided", open_ones))
    return ". ".join(f"{what}: {'; '.join(labels) or 'none'}" for what, labels in parts) if shares else ""


def _minutes(runs: list[Facts]) -> str:
    return f"{median(float(run['wall_seconds']) for run in runs) / SECONDS_A_MINUTE:.1f}"


def _sampling(speed: DataFrame, batch: int, length: int) -> str:
    here = records(speed[(speed.batch == str(batch)) & (speed.length == str(length))])
    return f"{float(here[0].seconds):.3g} ({float(here[0].low):.3g} to {float(here[0].high):.3g})" if here else ""

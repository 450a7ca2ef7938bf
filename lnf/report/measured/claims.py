"""What the paper claims, and what kept results say to it: reports/claims.csv, each row a piece of evidence."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from lnf.report.frames import mappings, markdown, read_csv, records
from lnf.report.measured.archive import Kept
from lnf.report.measured.leads import CONFIRMED, CONTRADICTED, NOT_RUN, UNDECIDED, Lead, sides
from lnf.report.outcomes import SURE, outcomes, over_seeds, reach

Result = tuple[str, str]
"""What was found, in words, and its verdict."""
VERDICTS = (CONFIRMED, CONTRADICTED, UNDECIDED, NOT_RUN)
SUMMARY = ("claim", "at the paper's settings", "at other settings")
EVIDENCE = ("claim", "configuration", "corpus", "what is compared", "found", "verdict")
HEAD = f"""## The paper's claims

Each piece of evidence (reports/claims.csv) is confirmed (contradicted) if its {SURE:.0%} interval over seeds, by
Student's t, lies above (below) its margin, else undecided; one seed decides nothing, nor does a bound that may be
loose. A claim has the verdict of its evidence; where pieces differ, each is counted. `ptb_reduced`, `ptb_small`,
`beyond_ptb`, `music_reduced` and `nade_reduced` are small networks and few epochs: what they say of the paper's models
is a hint. In `beyond_nade` and `nade_reduced` the notes of a step depend on each other in the flows and in the LSTM.
Claims 3, 4 and 6 on `ptb_reduced`, and all on `music_reduced` and `nade_reduced`, were written down before their runs,
the others after.
"""


@dataclass(frozen=True)
class Evidence:
    """A comparison in a configuration. `measure` is nll: NLL of `worse` exceeds that of `better` by at least `margin`,
    in the corpus' unit; kl_share: the KL's share of the ELBO of `better` is at least `margin`; or sampling: `better`
    samples one sequence faster than `worse`.
    """

    claim: str
    measure: str
    configuration: str
    corpus: str
    better: str
    worse: str
    margin: float


@dataclass(frozen=True)
class Finding:
    """What was found of a piece of evidence, in words, and its verdict."""

    evidence: Evidence
    compared: str
    found: str
    verdict: str
    at_paper_settings: bool


def read_claims(path: Path) -> list[Evidence]:
    """The rows of reports/claims.csv."""
    return [Evidence(**{**row, "margin": float(row["margin"] or 0)}) for row in mappings(read_csv(path))]


def findings(claims: Path, kept: Sequence[Kept]) -> list[Finding]:
    """What is kept says of each piece of evidence; nothing if no piece has a number."""
    by_name = {one.folder.name: one for one in kept}
    found = [finding(one, by_name.get(one.configuration)) for one in read_claims(claims)]
    return [] if all(one.verdict == NOT_RUN for one in found) else found


def claims_section(found: Sequence[Finding]) -> list[str]:
    """Lines: the verdict on each claim, and its evidence; none without evidence."""
    if not found:
        return []
    numbers = _numbers(found)
    rows = [
        [str(numbers[one.evidence.claim]), one.evidence.configuration, one.evidence.corpus, one.compared, one.found,
         one.verdict] for one in found
    ]  # fmt: skip
    return [HEAD, *claims_table(found), "", "The evidence:", "", *markdown(EVIDENCE, rows), ""]


def claims_table(found: Sequence[Finding]) -> list[str]:
    """Lines of a table: the verdict on each claim."""
    return markdown(
        SUMMARY,
        [
            [f"{number}. {claim}", *(_together(found, claim, paper) for paper in (True, False))]
            for claim, number in _numbers(found).items()
        ],
    )


def finding(evidence: Evidence, kept: Kept | None) -> Finding:
    """What a configuration says of a piece of evidence; "not run" if it is not kept, or lacks a number."""
    labels = {} if kept is None else dict(zip(kept.metrics.prior, kept.metrics.label, strict=True))
    better, worse = (labels.get(prior, prior) for prior in (evidence.better, evidence.worse))
    compare, judge = _MEASURES[evidence.measure]
    found, verdict = ("", NOT_RUN) if kept is None else judge(evidence, kept)
    at_paper_settings = kept is not None and kept.at_paper_settings
    return Finding(evidence, compare(better, worse, evidence.margin), found, verdict, at_paper_settings)


def _numbers(found: Sequence[Finding]) -> dict[str, int]:
    """Claim -> its number."""
    return {claim: number for number, claim in enumerate(dict.fromkeys(one.evidence.claim for one in found), 1)}


def _together(found: Sequence[Finding], claim: str, paper: bool) -> str:
    """The verdict of evidence of one sort: one word if all pieces say the same, else their numbers."""
    verdicts = Counter(
        re.split(r"[ ,]*[(,]", one.verdict)[0]
        for one in found
        if one.evidence.claim == claim and one.at_paper_settings == paper
    )
    if len(verdicts) < 2:
        return next(iter(verdicts), "")
    return ", ".join(f"{verdicts[word]} {word}" for word in VERDICTS if verdicts[word])


def _of_nll(better: str, worse: str, margin: float) -> str:
    by = f" by {margin:g}" if margin > 0 else f" or at most {-margin:g} above" if margin else ""
    return f"NLL of {better} below {worse}{by}"


def _nll(one: Evidence, kept: Kept) -> Result:
    measured = sides(kept.metrics)
    better, worse = (measured.get((one.corpus, prior)) for prior in (one.better, one.worse))
    if better is None or worse is None:
        return "", NOT_RUN
    lead = Lead(better, worse, one.margin)
    error = "" if lead.reach is None else f" ± {lead.reach:.3f}"
    found = f"{lead.mean:+.3f}{error}, {len(better.values)} and {len(worse.values)} seeds"
    return found, lead.verdict


def _of_kl_share(better: str, _: str, margin: float) -> str:
    return f"KL of {better} at least {margin:.0%} of its ELBO"


def _kl_share(one: Evidence, kept: Kept) -> Result:
    mine = [row for row in outcomes(kept.metrics).get(one.corpus, ()) if row.prior == one.better]
    shares = [kl / elbo for row in mine for kl, elbo in zip(row.of("kl"), row.of("elbo"), strict=True)]
    if not shares:
        return "", NOT_RUN
    error = over_seeds(shares)
    if error is None:
        return f"{mean(shares):.1%}, one seed", UNDECIDED
    gap, width = mean(shares) - one.margin, reach(error)
    verdict = UNDECIDED if abs(gap) <= width else CONFIRMED if gap > 0 else CONTRADICTED
    return f"{mean(shares):.1%} ± {width:.1%}, {len(shares)} seeds", verdict


def _of_sampling(better: str, worse: str, _: float) -> str:
    return f"{better} samples one sequence faster than {worse}"


def _sampling(one: Evidence, kept: Kept) -> Result:
    alone = kept.speed[(kept.speed.corpus == one.corpus) & (kept.speed.batch == "1")]
    times = {(row.prior, int(row.length)): row for row in records(alone)}
    lengths = sorted(length for prior, length in times if prior == one.better and (one.worse, length) in times)
    return _crossing({length: (times[one.better, length], times[one.worse, length]) for length in lengths})


def _crossing(pairs: Mapping[int, tuple[Any, Any]]) -> Result:
    """From which length on the ranges of the repeats lie apart; length -> the times of both, shortest first."""
    if not pairs:
        return "", NOT_RUN
    ratios = {length: float(worse.seconds) / float(better.seconds) for length, (better, worse) in pairs.items()}
    short, long = min(pairs), max(pairs)
    found = f"{ratios[short]:.2f} times as fast at T = {short}, {ratios[long]:.2f} at T = {long}"
    slower = [length for length, (better, worse) in pairs.items() if float(better.high) >= float(worse.low)]
    if long not in slower:
        since = min(length for length in pairs if length > max(slower, default=0))
        return found, f"{CONFIRMED}, from T = {since} on"
    better, worse = pairs[long]
    return found, CONTRADICTED if float(worse.high) < float(better.low) else UNDECIDED


_MEASURES = {
    "nll": (_of_nll, _nll),
    "kl_share": (_of_kl_share, _kl_share),
    "sampling": (_of_sampling, _sampling),
}
"""Measure -> what it compares, in words, and what is found."""

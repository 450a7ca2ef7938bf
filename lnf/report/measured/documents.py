"""The documents that show what is kept: the README's block, and docs/results.md."""

import re
from collections import Counter
from collections.abc import Iterator
from math import isnan
from pathlib import Path
from typing import Any

import pandas
from pandas import DataFrame

from lnf.plan.stages import tables_of
from lnf.report.frames import markdown, number, records
from lnf.report.measured.archive import Kept, all_kept, hours_of
from lnf.report.measured.cells import cells_section, outcomes_table
from lnf.report.measured.claims import claims_section, claims_table, findings
from lnf.report.measured.costs import costs
from lnf.report.measured.literature import literature_section
from lnf.report.measured.precision import precision_section
from lnf.report.measured.rankings import rankings
from lnf.report.measured.tries import tries_section
from lnf.report.measured.verdicts import LEGEND, verdict
from lnf.report.outcomes import SURE
from lnf.report.page.listing import machine_of
from lnf.report.tables import QUANTITY, VARIANT, read_published, summarise
from lnf.system.files import replacing

BLOCK = re.compile(r"(<!-- measured -->\n).*?(<!-- /measured -->)", re.DOTALL)
HEADINGS = ("corpus", "model", "NLL, test", "unit", "K", "sd", "seeds", "published", "verdict")
OTHERS = ("NLL given T, test", "NLL, valid", "NLL given T, valid")
BEST = ("configuration", "corpus", "model", "NLL, test", "unit", "K", "seeds", "published", "hours of training")
RUNS = ("corpus", "model", "seed", "status", "epochs", "best", "valid loss", "hours", "revision", "machine")
SETTINGS = ("setting that is not the paper's", "here", "paper", "of")
RANKINGS = (
    "corpus",
    "better in the paper",
    "worse",
    "its lead",
    "our lead",
    f"{SURE:.0%} interval",
    "seeds",
    "verdict",
)
CLAIMS = f"""\
What the paper claims, and what is found here: confirmed or contradicted where the {SURE:.0%} interval over seeds
settles it. Other settings are small networks and few epochs, which give a hint, or another emission.
"""
ELSEWHERE = "With settings that are not the paper's, the best row of each configuration and corpus:\n"
REST = (
    "\nThe paper's cells and claims, other published models, all that was measured: [docs/results.md](docs/results.md)."
)
HEAD = f"""# Measured results

`make measured CONFIG=...` keeps what a configuration measured in reports/measured/NAME and writes this page; a test
makes it again from the kept files. NLL counts the length and is divided by the sum of T + 1, as in the paper; NLL given
T does not, and is divided by the sum of T. Nats a step for music, bits a character for text; K importance samples a
sequence, none where the model is exact. The NLL of a flow is a bound at the K that is given: its own NLL may be lower.

{LEGEND}

A ranking of the paper is confirmed (contradicted) if the {SURE:.0%} interval of our difference lies above (below) 0, by
the seeds of both rows; an exact NLL below a bound decides nothing. Rankings of a row with one seed are left out.
"""


def show(root: Path) -> None:
    """Write docs/results.md and the README's block of a project."""
    readme = root / "README.md"
    _write(root / "docs" / "results.md", results_page(root))
    _write(readme, with_block(readme.read_text(encoding="utf-8"), root))


def with_block(readme: str, root: Path) -> str:
    """A README with its block made again: how the paper's cells and claims came out, one figure and the rows that were
    measured at the paper's settings, the best row of the paper's models with other settings; without such, every
    configuration.
    """
    kept, published = all_kept(root), read_published(root / "reports" / "paper.csv")
    at_paper = [one for one in kept if one.at_paper_settings]
    claims = findings(root / "reports" / "claims.csv", kept)
    lines = outcomes_table(kept, published) if at_paper else []
    lines += [CLAIMS, *claims_table(claims), ""] if claims else []
    lines += [_picture(one) + "\n" for one in at_paper[:1]]
    for one in at_paper or kept:
        lines += [_setting(one), "", *markdown(HEADINGS, _measured(one, published)), ""]
    others = [one for one in kept if one not in at_paper and one.of_paper_models] if at_paper else []
    best = [row for one in others for row in _best(one, published)]
    lines += [ELSEWHERE, *markdown(BEST, best)] if best else []
    block = "\n".join([*lines, REST, ""]) if kept else ""
    return BLOCK.sub(lambda found: found[1] + block + found[2], readme)


def results_page(root: Path) -> str:
    """docs/results.md: every kept configuration with its cells and its runs, and what was tried."""
    reports = root / "reports"
    kept, published = all_kept(root), read_published(reports / "paper.csv")
    lines = [HEAD, *cells_section(kept, published), *precision_section(kept)]
    lines += claims_section(findings(reports / "claims.csv", kept))
    lines += literature_section(reports / "literature.csv", published, kept)
    for one in kept:
        note = one.plan["note"]
        lines += [f"## {one.plan['name']}", "", *([note, ""] if note else []), _setting(one), ""]
        lines += [*markdown((*HEADINGS, *OTHERS), _cells(one, published)), ""]
        lines += [*_rankings(one, published), *costs(one), *_bounds(one)]
        lines += [*markdown(RUNS, _runs(one)), "", *_differences(one), *_data(one)]
    for path in sorted((reports / "tries").glob("*.csv")):
        lines += [*tries_section(path), ""]
    return "\n".join(lines)


def rows_of(kept: Kept, published: DataFrame) -> list[list[str]]:
    """The measured NLL on test of each corpus and model, under HEADINGS."""
    return [row[: len(HEADINGS)] for row in _cells(kept, published)]


def _cells(kept: Kept, published: DataFrame) -> Iterator[list[str]]:
    """Under HEADINGS and OTHERS, each corpus and model once."""
    # Its base is a row of another table too.
    tables = sorted(tables_of(kept.metrics.kind.unique()), key=lambda table: table == "ablation")
    cells = pandas.concat([summarise(table, kept.metrics, published) for table in tables])
    cells = cells.drop_duplicates([*VARIANT, *QUANTITY])
    for _, mine in cells.groupby(VARIANT, sort=False):
        here = {(cell.split, cell.metric): cell for cell in records(mine)}
        yield _cell_row(here, verdict(here["test", "nll"]) if kept.comparable else "")


def _cell_row(cells: dict[tuple[str, str], Any], found: str) -> list[str]:
    nll = cells["test", "nll"]
    value = number(nll.mean) if nll.status == "ok" else f"{number(nll.mean)} {nll.status}".strip()
    recalled = "†" if nll.published_mark == "memory" else ""
    published = "" if nll.published is None else f"{nll.published:.2f}{recalled}"
    others = [cells["test", "nll_given_length"], cells["valid", "nll"], cells["valid", "nll_given_length"]]
    samples = "" if nll.k is None else str(nll.k)
    return [nll.corpus, nll.label, value, nll.unit, samples, number(nll.sd), str(nll.n), published, found,
            *(number(cell.mean) for cell in others)]  # fmt: skip


def _runs(kept: Kept) -> Iterator[list[str]]:
    for facts in kept.facts:
        yield [facts["corpus"], facts["label"], str(facts["seed"]), facts["status"],
               f"{facts['epochs']} of {facts['spec']['train']['epochs']}", str(facts.get("best_epoch", "")),
               number(facts.get("best_valid_loss")), f"{hours_of([facts]):.2f}",
               f"`{facts['revision'][:12]}`", machine_of(facts)]  # fmt: skip


def _rankings(kept: Kept, published: DataFrame) -> list[str]:
    """Which of the paper's rankings are confirmed, of models that are the paper's; none that one seed leaves open."""
    if not kept.comparable:
        return []
    lines = []
    for one in rankings(kept.metrics, published):
        lead = one.lead
        if lead.reach is None:
            continue
        seeds = f"{len(lead.better.values)}, {len(lead.worse.values)}"
        leads = [f"{one.published:.2f}{'†' if one.recalled else ''}", f"{lead.mean:+.3f}", f"± {lead.reach:.3f}", seeds]
        lines.append([one.corpus, lead.better.label, lead.worse.label, *leads, lead.verdict])
    if not lines:
        return []
    counts = Counter(line[-1] for line in lines)
    words = ", ".join(f"{count} {word}" for word, count in counts.items())
    return [f"Rankings of the paper ({words}):", "", *markdown(RANKINGS, lines), ""]


def _bounds(kept: Kept) -> list[str]:
    """The NLL on test of each model, a column for each number of importance samples."""
    rows = kept.bounds
    if rows.empty:
        return []
    nll = rows.astype({"nll": float}).pivot(index=VARIANT, columns="k", values="nll")
    nll = nll.reindex(index=rows.set_index(VARIANT).index.unique(), columns=rows.k.unique())
    labels = _labels(kept.metrics)
    lines = [
        [corpus, labels[prior], *map(_or_empty, values)]
        for (corpus, prior), values in zip(nll.index, nll.values.tolist(), strict=True)
    ]
    table = markdown(["corpus", "model", *(f"K = {k}" for k in nll.columns)], lines)
    return ["NLL on test by importance samples, the first seed of each:", "", *table, ""]


def _or_empty(value: float) -> str:
    return number(None if isnan(value) else value)


def _labels(metrics: DataFrame) -> dict[str, str]:
    """Prior -> its label."""
    return dict(zip(metrics.prior, metrics.label, strict=True))


def _setting(kept: Kept) -> str:
    plan, facts = kept.plan, kept.facts
    statuses = Counter(one["status"] for one in facts)
    missing = len(plan["runs"]) - len(facts)
    counts = [f"{count} {status}" for status, count in statuses.items()] + ([f"{missing} not run"] if missing else [])
    how = "the paper's settings" if kept.at_paper_settings else "settings that differ from the paper's"
    place = f"reports/measured/{kept.folder.name}"
    runs = f"{len(plan['runs'])} runs ({', '.join(counts)}), {hours_of(facts):.2f} hours of training"
    return f"Configuration `{plan['name']}`, {how}; {runs}. Files: {place}."


def _differences(kept: Kept) -> list[str]:
    """A table of each setting that is not the paper's: the values that runs have, and which rows have them."""
    found: dict[tuple[str, str, str], dict[str, None]] = {}
    for facts in kept.facts:
        for key, (ours, paper) in facts["differs_from_paper"].items():
            found.setdefault((f"`{key}`", str(ours), str(paper)), {})[facts["label"]] = None
    all_labels = {facts["label"] for facts in kept.facts}
    rows = [
        [*setting, "all" if labels.keys() == all_labels else "; ".join(labels)]
        for setting, labels in sorted(found.items())
    ]
    return [*markdown(SETTINGS, rows), ""] if rows else []


def _data(kept: Kept) -> list[str]:
    files = {name: sha256 for facts in kept.facts for name, sha256 in facts["data"]["raw"].items()}
    raw = [f"{name} `{sha256}`" for name, sha256 in files.items()]
    return [f"Raw files by sha256: {', '.join(raw)}.", ""] if raw else []


def _measured(kept: Kept, published: DataFrame) -> list[list[str]]:
    """The rows that have a number."""
    return [row for row in rows_of(kept, published) if row[2][:1].isdigit()]


def _best(kept: Kept, published: DataFrame) -> list[list[str]]:
    """Under BEST, the row of the lowest NLL of each corpus, of those that are not the paper's at its settings."""
    others = [facts for facts in kept.facts if facts["differs_from_paper"] or facts["role"] == "beyond"]
    names = {(facts["corpus"], facts["label"]) for facts in others}
    rows = [row for row in _measured(kept, published) if (row[0], row[1]) in names]
    best: dict[str, list[str]] = {}
    for row in sorted(rows, key=lambda row: float(row[2].split()[0])):
        best.setdefault(row[0], row)
    hours = f"{hours_of(kept.facts):.2f}"
    return [
        [f"`{kept.folder.name}`", corpus, model, nll, unit, samples, seeds, known, hours]
        for corpus, model, nll, unit, samples, _, seeds, known, _ in best.values()
    ]


def _picture(kept: Kept) -> str:
    name = kept.folder.name
    shown = f"Results of configuration {name}: each variant's NLL, ELBO, reconstruction and KL on test"
    return f"![{shown}](reports/measured/{name}/figures/results.png)"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as scratch:
        scratch.write_text(text, encoding="utf-8")

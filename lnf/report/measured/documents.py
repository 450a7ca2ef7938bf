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
from lnf.report.measured.archive import (
    BOUNDS,
    at_paper_settings,
    beside_published,
    hours_of,
    of_paper_models,
    read_facts,
    read_kept_metrics,
    read_plan,
    read_texts,
)
from lnf.report.measured.cells import cells_section
from lnf.report.measured.claims import claims_section
from lnf.report.measured.costs import costs
from lnf.report.measured.literature import literature_section
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
RUNS = ("corpus", "model", "seed", "status", "epochs", "best", "valid loss", "hours", "revision", "machine")
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
the seeds of both rows; an exact NLL below a bound decides nothing.
"""


def show(root: Path) -> None:
    """Write docs/results.md and the README's block of a project."""
    readme = root / "README.md"
    _write(root / "docs" / "results.md", results_page(root))
    _write(readme, with_block(readme.read_text(encoding="utf-8"), root))


def kept_folders(root: Path) -> list[Path]:
    """What is kept in a project: what has the paper's settings first."""
    found = sorted(path.parent for path in (root / "reports" / "measured").glob("*/plan.json"))
    return sorted(found, key=lambda folder: not at_paper_settings(folder))


def with_block(readme: str, root: Path) -> str:
    """A README with its block made again: one figure and the rows that were measured at the paper's settings, the best
    row of the paper's models with other settings; without such, every configuration.
    """
    folders, published = kept_folders(root), root / "reports" / "paper.csv"
    at_paper = [folder for folder in folders if at_paper_settings(folder)]
    lines = [_picture(folder) + "\n" for folder in at_paper[:1]]
    for folder in at_paper or folders:
        lines += [_setting(folder), "", *markdown(HEADINGS, _measured(folder, published)), ""]
    lines += [_best(folder, published) for folder in folders if folder not in at_paper and of_paper_models(folder)]
    block = "\n".join([*lines, REST, ""]) if folders else ""
    return BLOCK.sub(lambda found: found[1] + block + found[2], readme)


def results_page(root: Path) -> str:
    """docs/results.md: every kept configuration with its cells and its runs, and what was tried."""
    reports = root / "reports"
    published, measured = reports / "paper.csv", reports / "measured"
    folders = kept_folders(root)
    lines = [HEAD, *cells_section(folders, published), *claims_section(reports / "claims.csv", measured)]
    lines += literature_section(reports / "literature.csv", published, measured)
    for folder in folders:
        plan = read_plan(folder)
        lines += [f"## {plan['name']}", "", *([plan["note"], ""] if plan["note"] else []), _setting(folder), ""]
        lines += [*markdown((*HEADINGS, *OTHERS), _cells(folder, published)), ""]
        lines += [*_rankings(folder, published), *costs(folder), *_bounds(folder)]
        lines += [*markdown(RUNS, _runs(folder)), "", *_differences(folder), *_data(folder)]
    for path in sorted((root / "reports" / "tries").glob("*.csv")):
        lines += [*tries_section(path), ""]
    return "\n".join(lines)


def rows_of(folder: Path, published: Path) -> list[list[str]]:
    """The measured NLL on test of each corpus and model, under HEADINGS."""
    return [row[: len(HEADINGS)] for row in _cells(folder, published)]


def _cells(folder: Path, published: Path) -> Iterator[list[str]]:
    """Under HEADINGS and OTHERS, each corpus and model once."""
    metrics, known, judged = read_kept_metrics(folder), read_published(published), beside_published(folder)
    # Its base is a row of another table too.
    tables = sorted(tables_of(metrics.kind.unique()), key=lambda table: table == "ablation")
    cells = pandas.concat([summarise(table, metrics, known) for table in tables])
    cells = cells.drop_duplicates([*VARIANT, *QUANTITY])
    for _, mine in cells.groupby(VARIANT, sort=False):
        here = {(cell.split, cell.metric): cell for cell in records(mine)}
        yield _cell_row(here, verdict(here["test", "nll"]) if judged else "")


def _cell_row(cells: dict[tuple[str, str], Any], found: str) -> list[str]:
    nll = cells["test", "nll"]
    value = number(nll.mean) if nll.status == "ok" else f"{number(nll.mean)} {nll.status}".strip()
    recalled = "†" if nll.published_mark == "memory" else ""
    published = "" if nll.published is None else f"{nll.published:.2f}{recalled}"
    others = [cells["test", "nll_given_length"], cells["valid", "nll"], cells["valid", "nll_given_length"]]
    samples = "" if nll.k is None else str(nll.k)
    return [nll.corpus, nll.label, value, nll.unit, samples, number(nll.sd), str(nll.n), published, found,
            *(number(cell.mean) for cell in others)]  # fmt: skip


def _runs(folder: Path) -> Iterator[list[str]]:
    for facts in read_facts(folder):
        yield [facts["corpus"], facts["label"], str(facts["seed"]), facts["status"],
               f"{facts['epochs']} of {facts['spec']['train']['epochs']}", str(facts.get("best_epoch", "")),
               number(facts.get("best_valid_loss")), f"{hours_of([facts]):.2f}",
               f"`{facts['revision'][:12]}`", machine_of(facts)]  # fmt: skip


def _rankings(folder: Path, published: Path) -> list[str]:
    """Which of the paper's rankings are confirmed, of models that are the paper's."""
    if not beside_published(folder):
        return []
    lines = []
    for one in rankings(read_kept_metrics(folder), read_published(published)):
        lead = one.lead
        seeds = f"{len(lead.better.values)}, {len(lead.worse.values)}"
        reach = "one seed" if lead.reach is None else f"± {lead.reach:.3f}"
        leads = [f"{one.published:.2f}{'†' if one.recalled else ''}", f"{lead.mean:+.3f}", reach, seeds]
        lines.append([one.corpus, lead.better.label, lead.worse.label, *leads, lead.verdict])
    if not lines:
        return []
    counts = Counter(line[-1] for line in lines)
    words = ", ".join(f"{count} {word}" for word, count in counts.items())
    return [f"Rankings of the paper ({words}):", "", *markdown(RANKINGS, lines), ""]


def _bounds(folder: Path) -> list[str]:
    """The NLL on test of each model, a column for each number of importance samples."""
    rows = read_texts(folder / "bounds.csv", BOUNDS)
    if rows.empty:
        return []
    nll = rows.astype({"nll": float}).pivot(index=VARIANT, columns="k", values="nll")
    nll = nll.reindex(index=rows.set_index(VARIANT).index.unique(), columns=rows.k.unique())
    labels = _labels(read_kept_metrics(folder))
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


def _setting(folder: Path) -> str:
    plan, facts = read_plan(folder), read_facts(folder)
    statuses = Counter(one["status"] for one in facts)
    missing = len(plan["runs"]) - len(facts)
    counts = [f"{count} {status}" for status, count in statuses.items()] + ([f"{missing} not run"] if missing else [])
    how = "the paper's settings" if at_paper_settings(folder) else "settings that differ from the paper's"
    place = f"reports/measured/{folder.name}"
    runs = f"{len(plan['runs'])} runs ({', '.join(counts)}), {hours_of(facts):.2f} hours of training"
    return f"Configuration `{plan['name']}`, {how}; {runs}. Files: {place}."


def _differences(folder: Path) -> list[str]:
    """Each setting that is not the paper's, with the values that runs have."""
    found: dict[str, Counter[str]] = {}
    for facts in read_facts(folder):
        for key, (ours, paper) in facts["differs_from_paper"].items():
            found.setdefault(f"`{key}` {ours} ({paper})", Counter())[facts["label"]] += 1
    runs = Counter(facts["label"] for facts in read_facts(folder))
    words = [text if set(labels) == set(runs) else f"{text} for {', '.join(labels)}" for text, labels in found.items()]
    return [f"Settings, and the paper's in brackets: {'; '.join(words)}.", ""] if words else []


def _data(folder: Path) -> list[str]:
    files = {name: sha256 for facts in read_facts(folder) for name, sha256 in facts["data"]["raw"].items()}
    raw = [f"{name} `{sha256}`" for name, sha256 in files.items()]
    return [f"Raw files by sha256: {', '.join(raw)}.", ""] if raw else []


def _measured(folder: Path, published: Path) -> list[list[str]]:
    """The rows that have a number."""
    return [row for row in rows_of(folder, published) if row[2][:1].isdigit()]


def _best(folder: Path, published: Path) -> str:
    """A line with the row of the lowest NLL of each corpus."""
    best: dict[str, list[str]] = {}
    for row in sorted(_measured(folder, published), key=lambda row: float(row[2].split()[0])):
        best.setdefault(row[0], row)
    found = [f"{row[1]} on {row[0]}, {row[2]} {row[3]} (published: {row[7]})" for row in best.values()]
    return f"- {_setting(folder)}" + (f" Best: {'; '.join(found)}." if found else "")


def _picture(folder: Path) -> str:
    place = f"reports/measured/{folder.name}/figures/results.png"
    return (
        f"![Results of configuration {folder.name}: each variant's NLL, ELBO, reconstruction and KL on test]({place})"
    )


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as scratch:
        scratch.write_text(text, encoding="utf-8")

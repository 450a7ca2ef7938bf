"""Measured results that are kept with the sources: reports/measured/NAME, and the block of the README made of it."""

import csv
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lnf.errors import UserError
from lnf.plan.results import Plan
from lnf.report.gather import read_metrics
from lnf.report.page.runs import runs_of, setting
from lnf.system.files import read_json, replacing, write_json

KEPT = ("tables/*.md", "tables/*.csv", "figures/results.png")
BLOCK = re.compile(r"(<!-- measured -->\n).*?(<!-- /measured -->)", re.DOTALL)
HEADINGS = ("corpus", "model", "NLL, test", "unit", "sd", "seeds", "published")


def keep_measured(plan: Plan) -> None:
    """Copy a finished plan's tables and its figure of results to reports/measured/NAME, and show them in the README.

    Raises UserError if the plan's views are not finished.
    """
    missing = next((path for view in plan.views.values() for path in view.files if not path.exists()), None)
    if missing is not None:
        raise UserError(f"measured: {plan.name}: {missing}: not there; finish the workflow first")
    folder = plan.config.root / "reports" / "measured" / plan.name
    shutil.rmtree(folder, ignore_errors=True)
    for pattern in KEPT:
        for path in plan.out.glob(pattern):
            target = folder / path.relative_to(plan.out)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    rows = read_metrics(plan.metrics)
    lines = runs_of(plan.gathered["runs"], rows, plan.out)
    labels = {row["prior"]: row["label"] for row in rows}
    names = {"name": plan.name, "metrics": plan.metrics.parent.name, "labels": labels}
    write_json(folder / "provenance.json", {**setting(lines), **names})
    readme = plan.config.root / "README.md"
    with replacing(readme) as scratch:
        scratch.write_text(with_block(readme.read_text(encoding="utf-8"), folder), encoding="utf-8")
    print(f"lnf: {plan.name}: kept in {folder}, shown in {readme}", flush=True)


def with_block(readme: str, folder: Path) -> str:
    """The README with its block of measured results made anew from a folder of reports/measured."""
    rows = (f"| {' | '.join(row)} |" for row in (HEADINGS, ["---"] * len(HEADINGS), *rows_of(folder)))
    block = "\n".join([*rows, "", *_figure(folder), "", _provenance(folder), ""])
    return BLOCK.sub(lambda found: found[1] + block + found[2], readme)


def rows_of(folder: Path) -> Iterator[list[str]]:
    """The measured NLL on test of each corpus and model, under HEADINGS."""
    seen = set()
    for table in ("text", "music", "ablation"):
        for row in _cells(folder / "tables" / f"{table}.csv"):
            name = (row["corpus"], row["prior"])
            if (row["split"], row["metric"]) == ("test", "nll") and name not in seen:
                seen.add(name)
                yield _row(row, folder)


def _row(row: Mapping[str, str], folder: Path) -> list[str]:
    numbers = [f"{float(row[key]):.3f}" if row[key] else "" for key in ("mean", "sd")]
    value = numbers[0] if row["status"] == "ok" else row["status"]
    mark = "†" if row["published_mark"] == "memory" else ""
    published = f"{float(row['published']):.2f}{mark}" if row["published"] else ""
    return [row["corpus"], _labels(folder)[row["prior"]], value, row["unit"], numbers[1], row["n"], published]


def _labels(folder: Path) -> dict[str, str]:
    labels: dict[str, str] = read_json(folder / "provenance.json")["labels"]
    return labels


def _cells(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _figure(folder: Path) -> Iterator[str]:
    place = f"reports/measured/{folder.name}/figures/results.png"
    yield f"![Results of configuration {folder.name}: each variant's NLL, ELBO, reconstruction and KL on test]({place})"


def _provenance(folder: Path) -> str:
    facts: dict[str, Any] = read_json(folder / "provenance.json")
    revisions = ", ".join(
        f"`{revision[:12]}{'+' if revision.endswith('+') else ''}`" for revision in facts["revisions"]
    )
    machines = "; ".join(facts["machines"])
    runs = sum(facts["statuses"].values())
    return (
        f"Configuration `{facts['name']}`, {runs} runs, {facts['hours']:.2f} hours of training,"
        f" revision {revisions}, on {machines}. All tables:"
        f" [reports/measured/{folder.name}/tables](reports/measured/{folder.name}/tables)."
    )

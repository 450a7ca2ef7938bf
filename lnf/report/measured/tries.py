"""Settings that were tried before there were sweeps, and scored on valid: a section of docs/results.md."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lnf.report.frames import mappings, markdown, number, read_csv

HEADINGS = ("name", "settings", "status", "NLL, valid", "valid loss", "best", "epochs", "hours", "revision")


def tries_section(path: Path) -> Iterator[str]:
    """The section of one table of tries, reports/tries/NAME.csv."""
    rows = mappings(read_csv(path))
    settings = [json.loads(row["settings"]) for row in rows]
    shared = dict.fromkeys(
        key for key, value in settings[0].items() if all(other.get(key, ...) == value for other in settings)
    )
    model = " ".join(rows[0][key] for key in ("corpus", "prior", "seed"))
    yield f"## Tried: {path.stem}"
    yield ""
    yield f"Of reports/tries/{path.stem}.yaml, scored on valid, test was not read. All: {model},"
    yield f"{_settings(settings[0], shared) or 'the settings of the corpus'}."
    yield ""
    own = [[key for key in one if key not in shared] for one in settings]
    yield from markdown(
        HEADINGS, [_try_row(row, _settings(*each)) for row, *each in zip(rows, settings, own, strict=True)]
    )


def _settings(values: Mapping[str, Any], keys: Iterable[str]) -> str:
    return ", ".join(f"`{key}` {values[key]}" for key in keys)


def _try_row(row: Mapping[str, str], settings: str) -> list[str]:
    nll, loss = (number(float(row[key])) if row[key] else "" for key in ("valid_nll", "valid_loss"))
    revision = f"`{row['revision'][:12]}`" if row["revision"] else ""
    return [row["name"], settings, row["status"], nll, loss, row["best_epoch"], row["epochs"], row["hours"], revision]

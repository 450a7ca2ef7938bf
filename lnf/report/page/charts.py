"""The figures as the page holds them: drawn for a wide and for a narrow window, and the numbers behind their marks."""

import html
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lnf.report.figures.inline import shown
from lnf.report.frames import mappings, read_csv

FOLDED = ("converged", "overfitted", "kl", "toy")
"""Kinds of figures that the page shows on request."""


def charts(captions: Path, folder: Path) -> list[dict[str, Any]]:
    """Each figure that is there, in the order of the captions: name, title (the caption's first sentence), caption,
    whether it is folded, `wide` and `narrow` SVG, and the columns and rows of its table.
    """
    found = []
    for caption in sorted(captions.glob("*.rst")):
        kind = caption.stem.partition("-")[2]  # the number before it gives the order
        text = " ".join(caption.read_text(encoding="utf-8").split())
        first = _first_sentence(text)
        for table in sorted(folder.glob(f"{kind}*.csv")):
            where = table.stem.removeprefix(kind).lstrip("-")
            title = first.rstrip(".") + (f" ({where})" if where else "")
            drawn = {form: _titled(table.with_suffix(f".{end}"), title) for form, end in _FORMS.items()}
            names = {"name": table.stem, "title": title, "caption": text.removeprefix(first).strip()}
            found.append({**names, "folded": kind in FOLDED, **drawn, **_table(table)})
    return found


_FORMS = {"wide": "svg", "narrow": "narrow.svg"}


def _first_sentence(text: str) -> str:
    ends = [text.find(end) for end in (". ", "? ") if end in text]
    return text[: min(ends) + 1] if ends else text


def _titled(path: Path, title: str) -> str:
    """An SVG element with its name for screen readers."""
    return path.read_text(encoding="utf-8").replace("<svg ", f'<svg role="img" aria-label="{html.escape(title)}" ', 1)


def _table(path: Path) -> dict[str, Any]:
    if path.stat().st_size <= 1:  # a figure without a mark
        return {"columns": [], "rows": []}
    frame = read_csv(path)
    return {"columns": list(frame.columns), "rows": list(map(list, map(_cells, mappings(frame))))}


def _cells(row: dict[str, str]) -> Iterator[str]:
    """The values as they are read: numbers with four digits."""
    for name, value in row.items():
        yield shown(float(value)) if name in ("value", "sd") and value else value

"""How tables and numbers are written in Markdown."""

from collections.abc import Iterable, Sequence


def table_lines(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table; what is in its cells stays as it is."""
    return [_line(cells) for cells in (headings, ["---"] * len(headings), *rows)]


def number(value: float | None) -> str:
    """Three decimals; nothing for None."""
    return "" if value is None else f"{value:.3f}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("\\", "\\\\").replace("|", "\\|") for cell in cells) + " |"

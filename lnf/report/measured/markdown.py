"""How the documents write tables and numbers."""

from collections.abc import Iterable, Sequence


def table_lines(headings: Sequence[str], rows: Iterable[list[str]]) -> list[str]:
    """The lines of a table in Markdown."""
    return [f"| {' | '.join(row)} |" for row in (headings, ["---"] * len(headings), *rows)]


def number(value: float | None) -> str:
    """Three decimals; nothing for None."""
    return "" if value is None else f"{value:.3f}"

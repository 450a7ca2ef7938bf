"""Tables for people: cells as Markdown, or as LaTeX with booktabs."""

from collections.abc import Mapping, Sequence
from typing import Any

from lnf.report.cells import BASE, NAMES, Cell
from lnf.report.markdown import table_lines

TITLES = {
    "text": "Text",
    "ablation": "Ablation",
    "music": "Polyphonic music",
}
LEGEND = (
    "Mean ± standard deviation (n-1) over n seeds [published value; † recalled, not read again]. Lower is better. "
    "NLL, ELBO, reconstruction, KL and length (-log p(T)) are divided by the sum of T + 1, and NLL and ELBO include "
    "the length; NLL given T does not, and is divided by the sum of T."
)


def render(form: str, table: str, cells: Sequence[Cell], others: Sequence[Cell], options: Mapping[str, Any]) -> str:
    """The table as a text in the form md or tex: a block for each corpus and split."""
    blocks = []
    for corpus in dict.fromkeys(cell.corpus for cell in cells):
        for split in options["splits"]:
            here = [cell for cell in [*others, *cells] if (cell.corpus, cell.split) == (corpus, split)]
            rows = [_row(variant, cells, options["decimals"], table) for variant in _by_prior(here)]
            blocks.append((f"{corpus}, {split} ({here[0].unit})", rows))
    return (_markdown if form == "md" else _latex)(TITLES[table], _headings(table), blocks)


def _headings(table: str) -> list[str]:
    difference = ["NLL - AF / AF"] if table == "ablation" else []
    return ["model", "estimate", *NAMES.values(), *difference, "n", "status"]


def _by_prior(cells: Sequence[Cell]) -> list[dict[str, Cell]]:
    """For each prior, metric -> cell."""
    priors: dict[str, dict[str, Cell]] = {}
    for cell in cells:
        priors.setdefault(cell.prior, {})[cell.metric] = cell
    return list(priors.values())


def _row(variant: Mapping[str, Cell], cells: Sequence[Cell], decimals: int, table: str) -> list[str]:
    first = next(iter(variant.values()))
    nll = variant["nll"]
    row = [first.label, _estimate(nll), *(_value(variant.get(metric), decimals) for metric in NAMES)]
    if table == "ablation":
        row.append(_difference(nll, cells, decimals))
    return [*row, str(nll.n), nll.status]


def _estimate(cell: Cell) -> str:
    """What stands in the NLL column: nll (K=30) or nll (exact)."""
    if cell.estimator is None:
        return ""
    return f"nll (K={cell.k})" if cell.k is not None else f"nll ({cell.estimator})"


def _value(cell: Cell | None, decimals: int) -> str:
    if cell is None:
        return ""
    parts = []
    if cell.mean is not None:
        parts.append(f"{cell.mean:.{decimals}f}")
    if cell.sd is not None:
        parts.append(f"± {cell.sd:.{decimals}f}")
    if cell.published is not None:
        parts.append(f"[{cell.published.value:.2f}{'†' if cell.published.mark == 'memory' else ''}]")
    return " ".join(parts)


def _difference(cell: Cell, cells: Sequence[Cell], decimals: int) -> str:
    base = [other for other in cells if other.prior == BASE and _same_place(other, cell)]
    if cell.prior == BASE or cell.mean is None or not base or base[0].mean is None:
        return ""
    return f"{cell.mean - base[0].mean:+.{decimals}f}"


def _same_place(one: Cell, other: Cell) -> bool:
    return (one.corpus, one.split, one.metric) == (other.corpus, other.split, other.metric)


_TEX = str.maketrans({
    "_": r"\_", "%": r"\%", "&": r"\&", "#": r"\#", "$": r"\$", "{": r"\{", "}": r"\}", "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "±": r"$\pm$", "†": r"$^\dagger$", "[": "{[}",
})  # fmt: skip
Block = tuple[str, list[list[str]]]


def _markdown(title: str, headings: list[str], blocks: Sequence[Block]) -> str:
    lines = [f"# {title}", "", LEGEND if blocks else "No run of this table is planned.", ""]
    for name, rows in blocks:
        lines += [f"## {name}", "", *table_lines(headings, rows), ""]
    return "\n".join(lines)


def _latex(title: str, headings: list[str], blocks: Sequence[Block]) -> str:
    lines = [f"% {title}. Needs the package booktabs.", f"% {_tex(LEGEND)}"]
    for name, rows in blocks:
        lines += ["", rf"\begin{{tabular}}{{l{'l' * (len(headings) - 1)}}}", r"\toprule"]
        lines += [rf"\multicolumn{{{len(headings)}}}{{l}}{{{_tex(name)}}} \\", r"\midrule"]
        lines += [_tex_row(headings), r"\midrule", *map(_tex_row, rows), r"\bottomrule", r"\end{tabular}"]
    return "\n".join(lines) + "\n"


def _tex_row(cells: Sequence[str]) -> str:
    return " & ".join(map(_tex, cells)) + r" \\"


def _tex(text: str) -> str:
    """Text with LaTeX's special characters escaped. A bracket after a row's end would be read as its argument."""
    return text.translate(_TEX)

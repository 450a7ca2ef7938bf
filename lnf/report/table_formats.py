"""Tables for people: cells as Markdown, or as LaTeX with booktabs."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas
from pandas import DataFrame

from lnf.kinds.base import kind_of
from lnf.report.frames import markdown, records
from lnf.system.files import replacing

LIMIT_S = 120
NO_DATE = {"SOURCE_DATE_EPOCH": "0", "FORCE_SOURCE_DATE": "1"}
"""The same tables give the same bytes."""
PAGE = r"""\documentclass{article}
\usepackage[a4paper,landscape,margin=1cm]{geometry}
\usepackage{booktabs}
\pdftrailerid{}
\begin{document}\scriptsize\setlength{\tabcolsep}{3pt}\noindent
%s
\end{document}
"""

BASE = "af_af"
"""The row that ablations are compared with."""
NAMES = {
    "nll": "NLL",
    "nll_given_length": "NLL given T",
    "elbo": "ELBO",
    "reconstruction": "reconst.",
    "kl": "KL",
    "length": "length",
}
"""Metric -> heading of its column."""
LEGEND = (
    "Mean ± standard deviation (n-1) over n seeds [published value; † recalled, not read again]. Lower is better. "
    "NLL, ELBO, reconstruction, KL and length (-log p(T)) are divided by the sum of T + 1, and NLL and ELBO include "
    "the length; NLL given T does not, and is divided by the sum of T."
)
Block = tuple[str, DataFrame]
"""A heading, and texts under the columns of a table."""


def render(form: str, table: str, cells: DataFrame, others: DataFrame, options: Mapping[str, Any]) -> str:
    """The table as a text in the form md or tex: a block for each corpus and split."""
    blocks = []
    for corpus in cells.corpus.unique():
        for split in options["splits"]:
            here = pandas.concat([cell[(cell.corpus == corpus) & (cell.split == split)] for cell in (others, cells)])
            if here.empty:
                continue
            rows = DataFrame(_rows(here, options["decimals"], table), columns=_headings(table))
            blocks.append((f"{corpus}, {split} ({here.unit.iloc[0]})", rows))
    return (_markdown if form == "md" else _latex)(title_of(table), blocks)


def title_of(table: str) -> str:
    """The heading of a table: `ablation`, or the kind of its data."""
    return "Ablation" if table == "ablation" else kind_of(table).title or type(kind_of(table)).__name__


def _headings(table: str) -> list[str]:
    difference = ["NLL - AF / AF"] if table == "ablation" else []
    return ["model", "estimate", *NAMES.values(), *difference, "n", "status"]


def _rows(cells: DataFrame, decimals: int, table: str) -> list[list[str]]:
    """The texts of one corpus and split, a row for each variant."""
    by_prior = {
        prior: {cell.metric: cell for cell in records(mine)} for prior, mine in cells.groupby("prior", sort=False)
    }
    base = by_prior[BASE]["nll"].mean if BASE in by_prior else None
    rows = []
    for prior, variant in by_prior.items():
        nll = variant["nll"]
        difference = [] if table != "ablation" else [_difference(nll.mean, None if prior == BASE else base, decimals)]
        values = [_value(variant.get(metric), decimals) for metric in NAMES]
        rows.append([nll.label, _estimate(nll), *values, *difference, str(nll.n), nll.status])
    return rows


def _estimate(nll: Any) -> str:
    """How the NLL is estimated: nll (K=30) or nll (exact)."""
    if nll.estimator is None:
        return ""
    return f"nll (K={nll.k})" if nll.k is not None else f"nll ({nll.estimator})"


def _value(cell: Any, decimals: int) -> str:
    if cell is None:
        return ""
    parts = []
    if cell.mean is not None:
        parts.append(f"{cell.mean:.{decimals}f}")
    if cell.sd is not None:
        parts.append(f"± {cell.sd:.{decimals}f}")
    if cell.published is not None:
        parts.append(f"[{cell.published:.2f}{'†' if cell.published_mark == 'memory' else ''}]")
    return " ".join(parts)


def _difference(mean: float | None, base: float | None, decimals: int) -> str:
    return "" if mean is None or base is None else f"{mean - base:+.{decimals}f}"


def _markdown(title: str, blocks: Sequence[Block]) -> str:
    lines = [f"# {title}", "", LEGEND if blocks else "No run of this table is planned.", ""]
    for name, rows in blocks:
        lines += [f"## {name}", "", *markdown(list(rows.columns), rows.values.tolist()), ""]
    return "\n".join(lines)


def _latex(title: str, blocks: Sequence[Block]) -> str:
    lines = [f"% {title}. Needs the package booktabs.", f"% {LEGEND}"]
    for name, rows in blocks:
        style = rows.style.hide(axis="index").format(escape="latex").format_index(escape="latex", axis="columns")
        lines += ["", r"\noindent " + name.replace("_", r"\_"), "", style.to_latex(hrules=True).rstrip()]
    return "\n".join(lines) + "\n"


def write_pdf(tables: Sequence[Path], out: Path) -> None:
    """Compile tables (.tex files that need booktabs alone) to `out`; does nothing without pdflatex.

    A failure is one line: the .tex files are there anyway.
    """
    out.unlink(missing_ok=True)  # another plan's
    pdflatex = shutil.which("pdflatex")
    if pdflatex is None:
        return
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch, "tables.tex")
        body = "\n\\bigskip\n\n".join(path.read_text(encoding="utf-8") for path in tables)
        source.write_text(PAGE % body, encoding="utf-8")
        command = [pdflatex, "-interaction=batchmode", "-halt-on-error", "-output-directory", scratch, str(source)]
        try:
            done = (
                subprocess.run(
                    command, capture_output=True, check=False, timeout=LIMIT_S, env=os.environ | NO_DATE
                ).returncode
                == 0
            )
        except subprocess.TimeoutExpired:
            done = False
        if not done:
            print(f"lnf: {out}: pdflatex failed on the tables' .tex files; the rest is there", flush=True)
            return
        with replacing(out) as ready:
            shutil.copy(source.with_suffix(".pdf"), ready)

"""A PDF of the LaTeX tables, where a TeX is installed."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

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

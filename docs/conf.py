"""Sphinx: the documentation as a site (`make docs`). Pages of the project that lie elsewhere are read from there."""

import os
import re
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
REPORTS = ROOT / "reports" / "out"
ELSEWHERE = {
    "index": "README.md",
    "contributing": "CONTRIBUTING.md",
    "changes": "CHANGELOG.md",
    "executor": "snakemake_executor_plugin_ray/README.md",
}
"""Page -> the file whose text comes first on it."""
LINK = re.compile(r"\]\(([^):#]+)(#[^)]*)?\)")
LABELLED = re.compile(r"(Arguments|References|Axes|Attributes): (\S.*)")

project = "lnf"
author = "The lnf authors"
version = release = version_of("lnf")
extensions = [
    "myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode", "sphinxcontrib.mermaid",
]  # fmt: skip
html_theme = "furo"
html_title = f"lnf {version}"
html_extra_path = [str(REPORTS)] if REPORTS.exists() else []  # NAME/report.html of each workflow that ran here
reports = sorted(path.parent.name for path in REPORTS.glob("*/report.html"))
exclude_patterns = ["benchmarks"]
myst_fence_as_directive = ["mermaid"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("source-read", read)
    app.connect("autodoc-process-docstring", as_paragraphs)


def read(_: Any, page: str, source: list[str]) -> None:
    """Put the file that a page is of before it, and lead links to such files to their pages."""
    if page in ELSEWHERE:
        source[0] = (ROOT / ELSEWHERE[page]).read_text(encoding="utf-8") + "\n" + source[0]
    if page == "index" and reports:
        links = [f'- <a href="{name}/report.html">{name}</a>' for name in reports]
        source[0] += "\n".join(["\n## Reports of workflows that ran here\n", *links, ""])
    base = (ROOT / ELSEWHERE[page]).parent if page in ELSEWHERE else (ROOT / "docs" / page).parent
    here = (ROOT / "docs" / page).parent
    source[0] = LINK.sub(lambda link: f"]({_from(here, base / link[1])}{link[2] or ''})", source[0])


def _from(here: Path, target: Path) -> str:
    """A file as a page in the folder `here` names it: by its page, where it has one."""
    pages = {(ROOT / path).resolve(): ROOT / "docs" / f"{page}.md" for page, path in ELSEWHERE.items()}
    target = pages.get(target.resolve(), target.resolve())
    return Path(os.path.relpath(target, here)).as_posix()


def as_paragraphs(_: Any, __: str, ___: str, ____: Any, _____: Any, lines: list[str]) -> None:
    """Docstrings as reStructuredText: what follows a label is a paragraph, and a bar is a bar."""
    found: list[str] = []
    for line in lines:
        labelled = LABELLED.fullmatch(line)
        if labelled:
            found += ["", f"**{labelled[1]}**: {labelled[2]}"]
        elif found and found[-1] and not line.startswith(">>>") and "**: " in "".join(found[-3:]):
            found.append(line.strip())
        else:
            found.append(line)
    lines[:] = [line if line.lstrip().startswith(">>>") else line.replace("|", "\\|") for line in found]

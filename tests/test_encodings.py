"""Every text file and every pipe of ours is UTF-8, whatever the machine's locale."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lnf.plan.config import ROOT
from tests.patience import LIMIT_S

SOURCES = sorted((ROOT / "lnf").rglob("*.py"))
TEXT_CALLS = {"read_text", "write_text"}
ASCII = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""}
"""A machine whose Python takes text for ASCII."""


def unnamed(tree: ast.AST) -> Iterator[int]:
    """Lines of calls that open text, or a pipe as text, without saying which encoding."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            keys = {keyword.arg for keyword in node.keywords}
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            modes = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
            text = name in TEXT_CALLS or "text" in keys or "universal_newlines" in keys
            text |= name in ("open", "fdopen") and _is_text(node, modes)
            if text and "encoding" not in keys:
                yield node.lineno


def _is_text(node: ast.Call, modes: list[str]) -> bool:
    """Whether `open` opens text: not os.open with flags, not a mode with b, not another module's open."""
    owner = node.func.value if isinstance(node.func, ast.Attribute) else None
    if isinstance(owner, ast.Name) and owner.id == "os" and getattr(node.func, "attr", "") == "open":
        return False
    if isinstance(owner, ast.Attribute) and owner.attr == "ipc":
        return False
    return not any("b" in mode for mode in modes if len(mode) <= 3)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_text_without_an_encoding(path: Path) -> None:
    assert list(unnamed(ast.parse(path.read_text(encoding="utf-8")))) == []


def test_the_search_finds_what_it_looks_for() -> None:
    code = "p.read_text()\np.write_text(x)\nopen(p)\np.open('w')\nrun(c, text=True)\np.open('rb')\nos.open(p, 1)\n"
    assert list(unnamed(ast.parse(code))) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "command",
    [["lnf", "tables", "--configfile"], ["snakemake", "-n", "--cores", "1", "--configfile"]],
    ids=lambda c: c[0],
)
def test_a_machine_without_utf_8_plans_and_shows(tmp_path: Path, command: list[str]) -> None:
    """With a label and a note that ASCII lacks."""
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(
        "name: tiny\nnote: naïve ∞\nselect: {corpora: [markov], priors: [lstm]}\ntoy: null\nspeed: null\n",
        encoding="utf-8",
    )
    where = ["--snakefile", str(ROOT / "Snakefile")] if command[0] == "snakemake" else []
    environment = os.environ | ASCII | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", *command, str(overlay), *where],
        cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8", errors="replace", timeout=LIMIT_S,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    if command[0] == "lnf":
        page = (tmp_path / "reports" / "out" / "tiny" / "report.html").read_text(encoding="utf-8")
        assert "naïve ∞" in page

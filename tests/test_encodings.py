"""Files and pipes are UTF-8, whatever the machine's locale (ruff checks that each call names its encoding)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lnf.plan.config import ROOT
from tests.patience import LIMIT_S

pytestmark = pytest.mark.processes

ASCII = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""}
"""A machine whose Python takes text for ASCII."""


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

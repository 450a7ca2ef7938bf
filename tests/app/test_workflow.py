"""The DAG, by dry runs of Snakemake in a folder of its own."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lnf.plan.config import ROOT

REPORTS = ("reports/paper.csv", "reports/captions", "reports/templates")
PARTS = ("Snakefile", "config.yaml", "rules", "workflow", "profiles", "lnf", *REPORTS)
MINE = """\
\"\"\"A variant with a rule of its own.\"\"\"

prior("mine", label="Mine", time="af", hidden="scf", transform="affine")


use rule train as train_mine with:
    wildcard_constraints:
        prior="mine",
    threads: 2


ruleorder: train_mine > train
"""


def dry_run(folder: Path, *arguments: str, root: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "snakemake", "-n", "--cores", "2", "--snakefile", str(root / "Snakefile")]
    command += ["--directory", str(folder), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def jobs(done: "subprocess.CompletedProcess[str]") -> dict[str, int]:
    assert done.returncode == 0, done.stderr
    text = done.stdout + done.stderr
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", text, re.MULTILINE) if name != "total"}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the project, to be spoilt."""
    root = tmp_path / "copy"
    for part in PARTS:
        source, target = ROOT / part, root / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    return root


def overlay(folder: Path, text: str) -> str:
    path = folder / "overlay.yaml"
    path.write_text(text)
    return str(path)


def test_the_paper_is_planned_whole_and_nothing_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    counts = jobs(dry_run(folder))
    once = {
        "toy": 1,
        "bounds": 20,
        "speed": 5,
        "modes": 1,
        "gather": 1,
        "tables": 1,
        "figures": 1,
        "samples": 1,
        "page": 1,
        "publish": 1,
        "all": 1,
    }
    assert counts == once | {"prepare": 5, "check": 9, "train": 73, "evaluate": 73}
    assert {path.name for path in folder.iterdir()} <= {".snakemake"}


def test_the_demo_is_planned(tmp_path: Path) -> None:
    counts = jobs(dry_run(tmp_path, "--configfile", str(ROOT / "workflow" / "configs" / "demo.yaml")))
    assert (counts["train"], counts["evaluate"], counts["prepare"], counts["check"]) == (27, 27, 2, 9)


def test_a_mistake_is_one_line_before_any_job(tmp_path: Path) -> None:
    done = dry_run(tmp_path, "--configfile", overlay(tmp_path, "defaults: {train: {epocs: 3}}\n"))
    assert done.returncode == 1
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("lnf: ")]
    assert lines == ["lnf: config: defaults.train.epocs: unknown key; did you mean defaults.train.epochs?"]
    assert "Traceback" not in done.stderr


def test_results_below_a_regular_file(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("")
    done = dry_run(tmp_path)
    assert done.returncode == 1
    assert "lnf: results: is a regular file, and results/paper/ptb/lstm/0/" in done.stderr
    assert "Traceback" not in done.stderr


def test_two_files_one_prior(copy: Path) -> None:
    shutil.copy(copy / "rules" / "priors" / "af_af.smk", copy / "rules" / "priors" / "mine.smk")
    done = dry_run(copy, root=copy)
    assert done.returncode == 1
    assert "lnf: prior af_af: declared in both af_af.smk and mine.smk; give one another name" in done.stderr
    assert "Traceback" not in done.stderr


def test_one_more_rule_file_is_one_more_row(copy: Path) -> None:
    (copy / "rules" / "priors" / "mine.smk").write_text(MINE)
    counts = jobs(dry_run(copy, root=copy))
    assert (counts["train"], counts["train_mine"], counts["evaluate"], counts["check"]) == (73, 15, 88, 10)

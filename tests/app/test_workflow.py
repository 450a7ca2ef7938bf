"""The DAG, by dry runs of Snakemake in a folder of its own."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lnf.app.workflow import Workflow, begin
from lnf.plan import config
from lnf.plan.config import ROOT
from lnf.plan.results import Plan
from lnf.plan.stages import STAGES

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


@pytest.mark.processes
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
        "exhibits": 1,
        "page": 1,
        "publish": 1,
        "all": 1,
    }
    assert counts == once | {"prepare": 5, "check": 9, "train": 73, "evaluate": 73}
    assert {path.name for path in folder.iterdir()} <= {".snakemake"}


@pytest.mark.processes
def test_the_demo_is_planned(tmp_path: Path) -> None:
    counts = jobs(dry_run(tmp_path, "--configfile", str(ROOT / "workflow" / "configs" / "demo.yaml")))
    assert (counts["train"], counts["evaluate"], counts["prepare"], counts["check"]) == (32, 32, 2, 14)


@pytest.mark.processes
def test_a_mistake_is_one_line_before_any_job(tmp_path: Path) -> None:
    done = dry_run(tmp_path, "--configfile", overlay(tmp_path, "defaults: {train: {epocs: 3}}\n"))
    assert done.returncode == 1
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("lnf: ")]
    assert lines == ["lnf: config: defaults.train.epocs: unknown key; did you mean defaults.train.epochs?"]
    assert "Traceback" not in done.stderr


@pytest.mark.processes
def test_results_below_a_regular_file(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("")
    done = dry_run(tmp_path)
    assert done.returncode == 1
    assert "lnf: results: is a regular file, and results/paper/ptb/lstm/0/" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.processes
def test_two_files_one_prior(copy: Path) -> None:
    shutil.copy(copy / "rules" / "priors" / "af_af.smk", copy / "rules" / "priors" / "mine.smk")
    done = dry_run(copy, root=copy)
    assert done.returncode == 1
    assert "lnf: prior af_af: declared in both af_af.smk and mine.smk; give one another name" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.processes
def test_one_more_rule_file_is_one_more_row(copy: Path) -> None:
    (copy / "rules" / "priors" / "mine.smk").write_text(MINE)
    counts = jobs(dry_run(copy, root=copy))
    assert (counts["train"], counts["train_mine"], counts["evaluate"], counts["check"]) == (73, 15, 88, 10)


SMALL = {"select": {"corpora": ["markov"], "priors": ["lstm", "af_af"], "seeds": [0]}, "name": "small"}


def planned(**changes: Any) -> Plan:
    """The plan of a small configuration."""
    return Plan(config.load(config.merge(config.read([]), {**SMALL, **changes})))


class Wildcards(dict[str, str]):
    """Snakemake's, as far as rules use them."""


def test_the_snakemake_of_a_job_sees_what_the_workflow_planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    flow = Workflow.of_plan(planned())
    monkeypatch.setattr("lnf.tracking.follow.start", lambda *_: None)
    flow.start()
    again = begin({}, str(ROOT), None, is_job=True)
    for view in ("name", "patterns", "files", "declarations", "studies", "folders"):
        assert getattr(again, view) == getattr(flow, view), view
    for job in flow.jobs:
        stage, wildcards = job.stage.name, Wildcards(job.wildcards)
        assert again.output(stage) == flow.output(stage) and again.log_of(job) == flow.log_of(job)
        assert again.inputs(stage, wildcards, STAGES, []) == flow.inputs(stage, wildcards, STAGES, [])
        assert (tmp_path / job.folder / "spec.json").exists()
        if job.resources:
            asked = {name: ask(wildcards) for name, ask in flow.resources(stage).items() if callable(ask)}
            assert asked == {name: ask(wildcards) for name, ask in again.resources(stage).items() if callable(ask)}


@pytest.mark.parametrize(("mlflow", "mirrored"), [({"models": "all"}, ["all"]), (None, [])])
def test_results_are_mirrored_unless_the_configuration_says_null(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mlflow: dict[str, str] | None, mirrored: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    begun: list[str] = []
    monkeypatch.setattr("lnf.tracking.follow.start", lambda *told: begun.append(told[-1]))
    Workflow.of_plan(planned(mlflow=mlflow)).start()
    assert begun == mirrored


def test_a_job_without_a_plan_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        begin({}, str(ROOT), None, is_job=True)
    assert "lnf: .lnf/plan.json: no such file in" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("gpus", "asked"),
    [(0, (0, 0, 0)), (0.5, (1, 50, 0)), (1, (1, 100, 0)), (1.5, (2, 75, 0)), ("auto", (1, 25, 1))],
)
def test_a_share_of_a_gpu_in_whole_numbers(gpus: float | str, asked: tuple[int, int, int]) -> None:
    resources = {"gpus": gpus, "memory_gb": 1.5}
    model = {"hidden": 32}
    flow = Workflow.of_plan(planned(overrides={"all": {"resources": resources, "model": model}}))
    (job,) = [job for job in flow.jobs if job.stage.name == "train" and job.wildcards["prior"] == "lstm"]
    found = {name: ask(Wildcards(job.wildcards)) for name, ask in flow.resources("train").items() if callable(ask)}
    assert (found["gpu"], found["ray_gpu_percent"], found["ray_gpu_if_any"]) == asked and found["mem_mb"] == 1536


def test_a_run_with_more_threads_than_cores_is_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Snakemake would give it fewer, and its last bits would be others. On a cluster its node decides."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lnf.tracking.follow.start", lambda *_: None)
    plan = planned(overrides={"all": {"resources": {"cpus": 8}}})
    with pytest.raises(SystemExit):
        Workflow.of_plan(plan, 2).start()
    assert "lnf: markov/lstm/0: resources.cpus: 8: must be at most 2, as --cores says" in capsys.readouterr().err
    assert not (tmp_path / ".lnf").exists()
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    Workflow.of_plan(plan, 2).start()


@pytest.mark.parametrize("folder", ["/venv", "/a b/{py}/it's $HOME"])
def test_a_job_is_started_by_this_python_wherever_it_is(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", f"{folder}/bin/python")
    flow = Workflow.of_plan(Plan(config.load(config.read())))
    line = flow.command("{params.stage}").replace(":q", "")
    formatted = line.format(params=SimpleNamespace(stage="check", spec="spec.json"), log="job.log")
    words = [f"{folder}/bin/python", "-m", "lnf", "check", "spec.json", ">", "job.log", "2>&1"]
    assert shlex.split(formatted) == words

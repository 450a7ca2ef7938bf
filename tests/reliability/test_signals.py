"""Signals: a run that is asked to stop leaves its state at its next step; all is gone in seconds; the rest goes on."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lnf.plan.run import Run
from lnf.runs.training import train_run
from lnf.system.files import write_json
from lnf.system.signals import LIMIT_S
from tests.patience import LIMIT_S as PATIENCE_S
from tests.patience import finish, wait_for
from tests.pipeline import ROOT, Project
from tests.reliability.case import Case
from tests.specs import tiny_spec
from tests.tiny_corpus import prepared

KIND = "Signals"
INTERRUPTED = "interrupted; the same command goes on where it stopped"
SAME = "nothing: each run has left its state at its next step, and goes on to the same bytes"
TERMINATED = Case(
    f"SIGTERM, SIGHUP or Ctrl-C to `lnf run` (a scheduler's limit, `docker stop`): all gone in at most {LIMIT_S:.0f} s",
    INTERRUPTED,
    SAME,
    proved="tests/reliability/test_signals.py::test_a_workflow_that_is_terminated_goes_on",
)
TWICE = Case(
    "Ctrl-C twice",
    INTERRUPTED,
    "what was trained since the last state, minutes; the same bytes",
    proved="tests/reliability/test_signals.py::test_twice_ends_at_once",
)
ALONE = Case(
    "SIGTERM to `lnf train SPEC`",
    "tiny/af_scf/0: stopped in epoch …; the same command goes on from there",
    SAME,
    proved="tests/reliability/test_signals.py::test_a_single_run_that_is_terminated_goes_on",
)
KILLED = Case(
    "kill -9 of Snakemake, a Ray worker, Ray itself",
    "the last workflow here was killed; unlocking, and going on where it stopped",
    "what was trained since the last state, minutes; the same bytes",
    proved="tests/end_to_end/test_kills.py::test_whatever_is_killed_the_same_command_goes_on_to_the_same_bytes",
)
ROWS = [TERMINATED, TWICE, ALONE, KILLED]
FOREVER = {"select__priors": ["af_scf"], "overrides__priors__af_scf__train": {"epochs": 100000, "elbo_samples": 2}}


def training(project: Project, **changes: object) -> "subprocess.Popen[str]":
    """A workflow whose one run has epochs behind it, of which this workflow made one at least."""
    project.overlay(**changes)
    before = project.epochs("af_scf")
    workflow = project.workflow(**changes)
    wait_for(lambda: project.worker("train") is not None and project.epochs("af_scf") > max(before, 1), workflow)
    return workflow


@pytest.mark.e2e
def test_a_workflow_that_is_terminated_goes_on(finished: Project, untrained: Project) -> None:
    """By one signal, then by another: it ends in the bytes of a run that was left alone."""
    only = {"select__priors": ["af_scf"]}
    for number in (signal.SIGTERM, signal.SIGHUP):
        workflow = training(untrained.without("mlflow"), **only)
        seen = untrained.epochs("af_scf")
        os.kill(workflow.pid, number)
        out, _ = workflow.communicate(timeout=PATIENCE_S)
        assert workflow.returncode == 128 + number, out
        TERMINATED.assert_seen(out)
        wait_for(lambda: not untrained.processes())
        state = untrained.result("af_scf", "state")
        assert (state / "step.pt").exists() and not (state / "error.json").exists()
        assert untrained.epochs("af_scf") >= seen
    finish(untrained.workflow(**only))
    for file in ("history.parquet", "evaluation"):
        assert untrained.result("af_scf", file).read_bytes() == finished.result("af_scf", file).read_bytes()


@pytest.mark.e2e
def test_twice_ends_at_once(untrained: Project) -> None:
    """Though its step never ends: the run is stopped, as by a step that takes minutes."""
    workflow = training(untrained.without("mlflow"), **FOREVER)
    worker = untrained.worker("train")
    assert worker is not None and workflow.stdout is not None
    os.kill(worker, signal.SIGSTOP)
    os.kill(workflow.pid, signal.SIGINT)
    while "stopping" not in workflow.stdout.readline():
        assert workflow.poll() is None
    os.kill(workflow.pid, signal.SIGINT)
    out, _ = workflow.communicate(timeout=PATIENCE_S)
    assert workflow.returncode == 130
    TWICE.assert_seen(out)
    wait_for(lambda: not untrained.processes())


@pytest.mark.processes
def test_a_single_run_that_is_terminated_goes_on(tmp_path: Path) -> None:
    data = prepared(tmp_path)
    spec = tiny_spec("af_scf", epochs=60)
    run = Run.from_dict({"spec": spec.to_dict()}, data)
    for name in ("whole", "cut"):
        write_json(tmp_path / name / "spec.json", run.to_dict())
    train_run(spec, data, tmp_path / "whole", run.context)
    command = [sys.executable, "-m", "lnf", "train", "cut/spec.json"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    history = tmp_path / "cut" / "state" / "history.jsonl"
    wait_for(lambda: history.exists() and len(history.read_text(encoding="utf-8").splitlines()) >= 2, process)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    ALONE.assert_seen(said)
    assert (tmp_path / "cut" / "state" / "step.pt").exists()
    train_run(spec, data, tmp_path / "cut", run.context)
    assert (tmp_path / "cut" / "history.parquet").read_bytes() == (tmp_path / "whole" / "history.parquet").read_bytes()

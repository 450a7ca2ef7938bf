"""One workflow per folder: the living are respected, the dead unlocked, Ctrl-C is Snakemake's."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from lnf.app import alone, snakemake_process
from lnf.app.snakemake_output import retell
from lnf.errors import UserError
from lnf.system.files import read_json, write_json
from lnf.system.processes import process_identity
from tests.patience import LIMIT_S, wait_for

ROOT = Path(__file__).resolve().parents[2]
SNAKEFILE = """
rule train:
    output: "done"
    shell: "touch begun; sleep {seconds}; touch {{output}}"
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a workflow of one job that lasts an hour."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Snakefile").write_text(SNAKEFILE.format(seconds=3600))
    return tmp_path


def attend(project: Path, *ignored: int) -> "subprocess.Popen[bytes]":
    """A launcher, in a process group of its own as under a terminal, whose job has begun."""

    def ignore() -> None:
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)

    code = "import sys; from lnf.app.snakemake_process import *; sys.exit(attend(snakemake([], '1')).status)"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, process_group=0, preexec_fn=ignore)
    wait_for(lambda: ((project / "begun").exists() and alone.RECORD.exists()) or process.poll() is not None)
    assert process.poll() is None
    return process


@pytest.mark.e2e
def test_a_killed_workflow_is_unlocked_and_a_living_one_respected(project: Path) -> None:
    command = snakemake_process.snakemake([], "1")
    first = attend(project)
    with pytest.raises(UserError, match="another workflow is at work"):
        alone.require_alone(command)
    owner = int(read_json(alone.RECORD)["owner"].partition(":")[0])
    os.kill(owner, signal.SIGKILL)
    assert first.wait(LIMIT_S) != 0
    os.killpg(owner, signal.SIGKILL)  # the job itself outlives a killed Snakemake
    assert any(alone.LOCKS.glob("*"))
    alone.require_alone(command)
    assert not any(alone.LOCKS.glob("*"))
    (project / "Snakefile").write_text(SNAKEFILE.format(seconds=0))
    assert snakemake_process.planned(command) == (1, 0)
    assert snakemake_process.attend(command).status == 0
    assert snakemake_process.planned(command) is None


def test_ctrl_c_is_waited_for(project: Path) -> None:
    process = attend(project)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(LIMIT_S) == 130
    assert not any(alone.LOCKS.glob("*"))  # Snakemake came to its own end


def test_what_nohup_and_a_background_job_ignore_stays_so_and_sigterm_is_heard(project: Path) -> None:
    process = attend(project, signal.SIGINT, signal.SIGHUP)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    assert process.wait(LIMIT_S) == 128 + signal.SIGTERM  # the first that it heard
    assert not any(alone.LOCKS.glob("*"))  # Snakemake, told by a SIGINT of ours, came to its own end


def test_the_lock_of_an_unknown_workflow_is_left_alone(project: Path) -> None:
    alone.LOCKS.mkdir(parents=True)
    (alone.LOCKS / "0.input.lock").touch()
    with pytest.raises(UserError, match="--unlock"):
        alone.require_alone(snakemake_process.snakemake([], "1"))


def test_a_workflow_that_was_started_by_hand_is_seen(project: Path) -> None:
    by_hand = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)", "snakemake"])
    try:
        with pytest.raises(UserError, match=f"process {by_hand.pid}"):
            alone.require_alone(snakemake_process.snakemake([], "1"))
        by_hand.kill()
        by_hand.wait()
        write_json(alone.RECORD, {"owner": process_identity(os.getpid()), "host": socket.gethostname()})
        with pytest.raises(UserError, match=f"process {os.getpid()}"):
            alone.require_alone(snakemake_process.snakemake([], "1"))
    finally:
        by_hand.kill()
        by_hand.wait()


def test_a_wrong_snakefile_ends_with_its_own_words(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (project / "Snakefile").write_text("import sys\nprint('lnf: config: bad', file=sys.stderr)\nsys.exit(1)\n")
    with pytest.raises(SystemExit) as ended:
        snakemake_process.planned(snakemake_process.snakemake([], "1"))
    assert ended.value.code == 1 and "lnf: config: bad" in capfd.readouterr().err


def test_what_the_machine_refuses_snakemake_is_one_line() -> None:
    """Another traceback is Snakemake's own, and stays."""
    refused = ["Traceback (most recent call last):", '  File "a.py", line 1, in b', "OSError: [Errno 28] No space left"]
    other = ["Traceback (most recent call last):", '  File "a.py", line 1, in b', "KeyError: 1"]
    told = list(retell(["Building DAG of jobs...", *refused, *other, "the end"], lambda: False))
    assert told == ["lnf: snakemake: OSError: [Errno 28] No space left", *other, "the end"]

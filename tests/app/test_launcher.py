"""One workflow per folder: the living are respected, the dead unlocked, Ctrl-C is Snakemake's."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from lnf.app import launcher
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


def attend(project: Path) -> "subprocess.Popen[bytes]":
    """A launcher, in a process group of its own as under a terminal, whose job has begun."""
    code = "import sys; from lnf.app.launcher import *; sys.exit(attend(snakemake([], '1'))[0])"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, process_group=0)
    wait_for(lambda: ((project / "begun").exists() and launcher.RECORD.exists()) or process.poll() is not None)
    assert process.poll() is None
    return process


@pytest.mark.e2e
def test_a_killed_workflow_is_unlocked_and_a_living_one_respected(project: Path) -> None:
    command = launcher.snakemake([], "1")
    first = attend(project)
    with pytest.raises(UserError, match="another workflow is at work"):
        launcher.require_alone(command)
    os.kill(int(read_json(launcher.RECORD)["owner"].partition(":")[0]), signal.SIGKILL)
    assert first.wait(LIMIT_S) != 0
    os.killpg(first.pid, signal.SIGKILL)  # the job itself outlives a killed Snakemake
    assert any(launcher.LOCKS.glob("*"))
    launcher.require_alone(command)
    assert not any(launcher.LOCKS.glob("*"))
    (project / "Snakefile").write_text(SNAKEFILE.format(seconds=0))
    assert launcher.planned(command) == (1, 0)
    assert launcher.attend(command)[0] == 0
    assert launcher.planned(command) is None


def test_ctrl_c_is_waited_for(project: Path) -> None:
    process = attend(project)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(LIMIT_S) == 130
    assert not any(launcher.LOCKS.glob("*"))  # Snakemake came to its own end


def test_the_lock_of_an_unknown_workflow_is_left_alone(project: Path) -> None:
    launcher.LOCKS.mkdir(parents=True)
    (launcher.LOCKS / "0.input.lock").touch()
    with pytest.raises(UserError, match="--unlock"):
        launcher.require_alone(launcher.snakemake([], "1"))


def test_a_workflow_that_was_started_by_hand_is_seen(project: Path) -> None:
    by_hand = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)", "snakemake"])
    try:
        with pytest.raises(UserError, match=f"process {by_hand.pid}"):
            launcher.require_alone(launcher.snakemake([], "1"))
        by_hand.kill()
        by_hand.wait()
        write_json(launcher.RECORD, {"owner": process_identity(os.getpid()), "host": socket.gethostname()})
        with pytest.raises(UserError, match=f"process {os.getpid()}"):
            launcher.require_alone(launcher.snakemake([], "1"))
    finally:
        by_hand.kill()
        by_hand.wait()


def test_a_wrong_snakefile_ends_with_its_own_words(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (project / "Snakefile").write_text("import sys\nprint('lnf: config: bad', file=sys.stderr)\nsys.exit(1)\n")
    with pytest.raises(SystemExit) as ended:
        launcher.planned(launcher.snakemake([], "1"))
    assert ended.value.code == 1 and "lnf: config: bad" in capfd.readouterr().err

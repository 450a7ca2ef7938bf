"""One workflow per folder: the living are respected, the dead unlocked, Ctrl-C is Snakemake's."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lnf.app import workflow_lock
from lnf.app.launcher import again
from lnf.errors import UserError
from lnf.system import processes
from lnf.system.locks import holder
from tests.patience import LIMIT_S, wait_for

ROOT = Path(__file__).resolve().parents[2]
SNAKEFILE = """
from lnf.app import workflow_lock
onstart:
    workflow_lock.take_or_inherit()
rule train:
    output: "done"
    shell: ": > begun; sleep {seconds}; touch {{output}}"
"""
"""The shell itself says that it has begun: one that waits for `touch` survives a signal that `touch` survives."""
COMMAND = [sys.executable, "-m", "snakemake", "--cores", "1"]
ATTEND = """
import sys
from lnf.app import workflow_lock
from lnf.app.launcher import attend, snakemake
with workflow_lock.held() as lock:
    workflow_lock.unlock(lock, snakemake([], "1"))
    status = attend(snakemake([], "1"), lock).status
sys.exit(status)
"""


@pytest.mark.parametrize(
    ("configfiles", "command"),
    [
        ([], "make run"),
        (["mine.yaml"], "make run CONFIG=mine.yaml"),
        (["demo.yaml", "my own.yaml"], "lnf run --configfile demo.yaml 'my own.yaml'"),
    ],
)
def test_the_next_command_names_every_overlay(configfiles: list[str], command: str) -> None:
    assert again([Path(name) for name in configfiles]) == command


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a workflow of one job that lasts an hour."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Snakefile").write_text(SNAKEFILE.format(seconds=3600))
    return tmp_path


def start(*command: str, ignored: tuple[int, ...] = ()) -> "subprocess.Popen[str]":
    """A process in a process group of its own, as under a terminal."""

    def ignore() -> None:
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)

    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, process_group=0,
        preexec_fn=ignore,
    )  # fmt: skip


def attended(project: Path, *ignored: int) -> "subprocess.Popen[str]":
    """A launcher whose job has begun."""
    process = start(sys.executable, "-c", ATTEND, ignored=ignored)
    wait_for((project / "begun").exists, process)
    return process


def at_work() -> int:
    """The process that is at work here."""
    known = holder(workflow_lock.LOCK)
    assert known is not None
    return int(known.identity.partition(":")[0])


@pytest.mark.e2e
def test_a_killed_workflow_is_unlocked_and_a_living_one_respected(project: Path) -> None:
    first = attended(project)
    owner = at_work()
    with (
        pytest.raises(UserError, match=rf"another workflow is at work in .* \(process {owner}\)"),
        workflow_lock.held(),
    ):
        pass
    by_hand = subprocess.run([*COMMAND, "--nolock"], env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True)
    assert by_hand.returncode != 0 and b"another workflow is at work" in by_hand.stderr
    os.kill(owner, signal.SIGKILL)
    assert first.wait(LIMIT_S) != 0
    os.killpg(owner, signal.SIGKILL)  # the job itself outlives a killed Snakemake
    assert any(workflow_lock.SNAKEMAKES.glob("*"))
    (project / "Snakefile").write_text(SNAKEFILE.format(seconds=0))
    second = start(sys.executable, "-c", ATTEND)
    out, _ = second.communicate(timeout=LIMIT_S)
    assert second.returncode == 0 and "lnf: the last workflow here was killed; unlocking" in out
    assert (project / "done").exists() and not any(workflow_lock.SNAKEMAKES.glob("*"))


@pytest.mark.e2e
def test_a_launcher_that_is_killed_leaves_the_lock_with_its_snakemake(project: Path) -> None:
    launcher = attended(project)
    owner = at_work()
    launcher.kill()
    launcher.wait()
    with pytest.raises(UserError, match=rf"process {owner}\)"), workflow_lock.held():
        pass
    os.killpg(owner, signal.SIGKILL)

    def free() -> bool:
        try:
            with workflow_lock.held():
                return True
        except UserError:
            return False

    wait_for(free)


@pytest.mark.processes
def test_ctrl_c_is_waited_for(project: Path) -> None:
    process = attended(project)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(LIMIT_S) == 130
    assert not any(workflow_lock.SNAKEMAKES.glob("*"))  # Snakemake came to its own end


@pytest.mark.processes
def test_what_nohup_and_a_background_job_ignore_stays_so_and_sigterm_is_heard(project: Path) -> None:
    process = attended(project, signal.SIGINT, signal.SIGHUP)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    assert process.wait(LIMIT_S) == 128 + signal.SIGTERM  # the first that it heard
    assert not any(workflow_lock.SNAKEMAKES.glob("*"))  # Snakemake, told by a SIGINT of ours, came to its own end


@pytest.mark.parametrize(
    ("last", "named"),
    [
        (None, "an unknown workflow"),
        (processes.Holder("1:1", "elsewhere", "another-boot", "pid:[1]"), "a workflow on elsewhere"),
        (processes.Holder("1:1"), "a workflow on another host"),
    ],
)
def test_the_lock_of_a_workflow_that_may_live_elsewhere_is_left_alone(
    project: Path, last: processes.Holder | None, named: str
) -> None:
    workflow_lock.SNAKEMAKES.mkdir(parents=True)
    (workflow_lock.SNAKEMAKES / "0.input.lock").touch()
    if last is not None:
        workflow_lock.LOCK.parent.mkdir()
        workflow_lock.LOCK.write_text(str(last), encoding="utf-8")
    with (
        pytest.raises(UserError, match=f"is locked by {named}; if it is dead, type: .* --unlock"),
        workflow_lock.held() as lock,
    ):
        workflow_lock.unlock(lock, COMMAND)
    assert (workflow_lock.SNAKEMAKES / "0.input.lock").exists()


def test_a_number_in_the_environment_is_no_lock(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that was inherited from another workflow names a descriptor that is another file, or none."""
    for value in ("1", "999", "x"):
        monkeypatch.setenv(workflow_lock.INHERITED, value)
        lock = workflow_lock.take_or_inherit()
        assert lock is not None and workflow_lock.INHERITED not in os.environ
        lock.release()


HOLD = """
import time
from lnf.app import workflow_lock
with workflow_lock.held():
    print("held", flush=True)
    time.sleep(3600)
"""
UNSHARE = ["unshare", "--map-root-user", "--pid", "--fork", "--mount-proc"]


@pytest.mark.processes
def test_a_workflow_in_another_container_of_the_same_name_is_respected(project: Path) -> None:
    """Two namespaces of process numbers, one host name, one folder: each sees other processes, and the same lock."""
    assert shutil.which("unshare"), "unshare (util-linux) is needed"
    first = start(*UNSHARE, sys.executable, "-c", HOLD)
    assert first.stdout is not None and first.stdout.readline() == "held\n"
    second = start(*UNSHARE, sys.executable, "-c", HOLD)
    out, _ = second.communicate(timeout=LIMIT_S)
    known = holder(workflow_lock.LOCK)
    assert second.returncode != 0 and "another workflow is at work" in out
    assert known is not None and not known.seen and known.may_live and known.of_this_machine
    os.killpg(first.pid, signal.SIGKILL)
    third = start(*UNSHARE, sys.executable, "-c", HOLD)
    assert third.stdout is not None and third.stdout.readline() == "held\n"
    os.killpg(third.pid, signal.SIGKILL)

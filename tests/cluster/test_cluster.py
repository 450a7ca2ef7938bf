"""Ray as a user meets it, with real processes: workers, clients, heads and owners that are killed in the middle.

One workflow (a sleeping owner process and its head) serves the tests that leave it alive.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from lnf.cluster.head import MARK, Head, client_environment
from lnf.system.files import read_json
from lnf.system.locks import run_lock
from lnf.system.processes import alive, marked, owner_folder, process_identity
from tests.patience import LIMIT_S, finish, wait_for

pytestmark = pytest.mark.ray

ROOT = Path(__file__).resolve().parents[2]


class Workflow:
    """A project folder, an owner process and the clients that work for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.owner = subprocess.Popen(["sleep", "1000"])
        self.identity = process_identity(self.owner.pid)
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "LNF_"))}
        self.environment |= {"LNF_OWNER": self.identity, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "7"}

    def client(self, entry: str, run: str, **values: Any) -> "subprocess.Popen[str]":
        """Start a client."""
        settings = [f"{key}={json.dumps(value)}" for key, value in values.items()]
        command = [sys.executable, "-m", "tests.cluster.ray_client", entry, run, *settings]
        return subprocess.Popen(
            command, cwd=self.folder, env=self.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def run(self, entry: str, run: str, **values: Any) -> "subprocess.CompletedProcess[str]":
        """Run a client to its end."""
        process = self.client(entry, run, **values)
        out, err = process.communicate(timeout=LIMIT_S)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    @property
    def head(self) -> Head:
        """What the address file says."""
        return Head(**read_json(self.folder / owner_folder("ray", self.identity) / "head.json"))

    def steps(self, run: str) -> list[list[str]]:
        """(step, pid) of each line of a `steps` job."""
        path = self.folder / run / "steps"
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def open_gate(self, run: str) -> None:
        """Let a held job come to its end."""
        (self.folder / run / "gate").touch()

    def close(self) -> None:
        """End the owner and wait until nothing of its head is left."""
        mark, supervisor = self.head.mark, self.head.supervisor
        self.owner.kill()
        self.owner.wait()
        wait_for(lambda: not alive(supervisor) and not marked(MARK, mark))


@pytest.fixture(scope="module")
def workflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workflow]:
    """One workflow for all tests that leave its owner alive."""
    workflow = Workflow(tmp_path_factory.mktemp("project"))
    yield workflow
    workflow.close()


def kill_part(mark: str, name: str) -> None:
    """kill -9 one process of a head by a part of its command line."""
    (part,) = [p for p in marked(MARK, mark) if name in " ".join(p.cmdline()[:5])]
    part.kill()


def test_a_run_gets_the_project_folder_its_threads_and_a_normal_priority(workflow: Workflow) -> None:
    assert workflow.run("environment", "env", cpus=2).returncode == 0
    facts = read_json(workflow.folder / "env" / "environment.json")
    assert facts == {"cwd": str(workflow.folder), "threads": "2", "nice": os.nice(0)}


def test_the_head_is_private(workflow: Workflow) -> None:
    workflow.run("trivial", "private")
    assert workflow.head.address.startswith("127.0.0.1:")
    folder = workflow.folder / owner_folder("ray", workflow.identity)
    assert (folder / "token").stat().st_mode & 0o077 == 0
    assert Path(workflow.head.folder).stat().st_mode & 0o077 == 0
    ours = {process.pid for process in marked(MARK, workflow.head.mark)}
    open_to_all = [c for c in psutil.net_connections("inet") if c.pid in ours and c.status == psutil.CONN_LISTEN]
    assert open_to_all and all(c.laddr.ip in ("127.0.0.1", "::ffff:127.0.0.1") for c in open_to_all)


def test_errors_of_a_run_arrive_and_are_not_retried(workflow: Workflow) -> None:
    wrong = workflow.run("wrong", "wrong")
    assert (wrong.returncode, wrong.stderr) == (1, "lnf: train.epochs: -1 in wrong: must be positive\n")
    broken = workflow.run("broken", "broken")
    assert broken.returncode == 1
    assert "Traceback" in broken.stderr and "in broken" in broken.stderr
    assert broken.stderr.splitlines()[-1] == "lnf: toy/af_af/0: train failed: ZeroDivisionError: by design"
    assert (workflow.folder / "broken" / "attempts").read_text() == "x"


def test_a_request_that_no_node_can_hold_is_refused_in_one_line(workflow: Workflow) -> None:
    refused = workflow.run("trivial", "big", cpus=1000)
    assert refused.returncode == 1 and len(refused.stderr.splitlines()) == 1
    assert "no node can hold cpus 1000, gpus 0, memory 0.5 GB; there are cpus" in refused.stderr


def test_a_killed_worker_is_replaced_and_the_run_resumes(workflow: Workflow) -> None:
    client = workflow.client("steps", "retried", count=10, held=True)
    wait_for(lambda: len(workflow.steps("retried")) >= 3)
    os.kill(int(workflow.steps("retried")[-1][1]), signal.SIGKILL)
    workflow.open_gate("retried")
    out = finish(client)
    done = workflow.steps("retried")
    assert [step for step, _ in done] == [str(n) for n in range(10)]
    assert len({pid for _, pid in done}) == 2
    lines = [line for line in out.splitlines() if line.startswith("toy/af_af/0 epoch ")]
    assert lines and "/10 nll 8.31 left " in lines[0]
    assert len((workflow.folder / "retried" / "changes").read_text()) >= 2
    assert not (workflow.folder / "retried" / "state" / "worker.train.json").exists()


@pytest.mark.e2e
def test_a_killed_client_takes_its_worker_along_and_no_other(workflow: Workflow) -> None:
    killed, other = workflow.client("steps", "killed", count=1000), workflow.client("steps", "other", count=20)
    wait_for(lambda: workflow.steps("killed") and workflow.steps("other"))
    worker = process_identity(int(workflow.steps("killed")[0][1]))
    killed.kill()
    killed.communicate()
    wait_for(lambda: not alive(worker))
    finish(other)
    assert len({pid for _, pid in workflow.steps("other")}) == 1


@pytest.mark.e2e
def test_a_waiting_run_says_so_once(workflow: Workflow) -> None:
    cpus = os.cpu_count()
    first = workflow.client("steps", "first", count=2, held=True, cpus=cpus)
    wait_for(lambda: workflow.steps("first"))
    second = workflow.client("trivial", "second", cpus=cpus)
    assert second.stdout is not None
    assert second.stdout.readline().startswith("toy/af_af/0 train waits for cpus")
    workflow.open_gate("first")
    finish(first)
    assert "waits" not in finish(second)


@pytest.mark.e2e
@pytest.mark.parametrize("part", ["raylet/raylet", "gcs/gcs_server", "ray.scripts", "supervisor"])
def test_a_run_survives_the_death_of_the_head(workflow: Workflow, part: str) -> None:
    run = part.replace("/", "_")
    client = workflow.client("steps", run, count=14, held=True)
    wait_for(lambda: len(workflow.steps(run)) >= 3)
    before = workflow.head
    if part == "supervisor":
        os.kill(int(before.supervisor.partition(":")[0]), signal.SIGKILL)
    else:
        kill_part(before.mark, part)
    workflow.open_gate(run)
    out = finish(client)
    assert "the Ray head died; going on with a new one" in out
    assert [step for step, _ in workflow.steps(run)] == [str(n) for n in range(14)]
    assert workflow.head.mark != before.mark
    wait_for(lambda: not marked(MARK, before.mark) and not Path(before.folder).exists())


@pytest.mark.e2e
def test_nothing_is_left_when_the_owner_is_gone_and_a_new_one_gets_its_own_head(tmp_path: Path) -> None:
    old = Workflow(tmp_path)
    client = old.client("steps", "run", count=30, held=True)
    wait_for(lambda: len(old.steps("run")) >= 2)
    dying = old.head
    old.owner.kill()
    old.owner.wait()
    new = Workflow(tmp_path)  # at once
    assert new.run("trivial", "next").returncode == 0
    assert new.head.mark != dying.mark
    assert client.wait(LIMIT_S) != 0 and "is gone" in client.communicate()[1]
    wait_for(lambda: not alive(dying.supervisor) and not marked(MARK, dying.mark))
    assert not Path(dying.folder).exists() and not (tmp_path / owner_folder("ray", old.identity)).exists()
    new.close()
    assert not list((tmp_path / ".lnf" / "ray").iterdir())


def test_the_users_cluster_is_proved_joined_and_left_alone(
    workflow: Workflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow.run("trivial", "warm")
    head = workflow.head
    monkeypatch.chdir(workflow.folder)
    theirs = client_environment(workflow.identity, head)
    guest = Workflow(tmp_path)
    guest.environment |= {k: v for k, v in theirs.items() if k.startswith("RAY_")} | {"RAY_ADDRESS": head.address}
    joined = guest.run("environment", "env")
    assert joined.returncode == 0, joined.stderr
    assert read_json(tmp_path / "env" / "environment.json")["cwd"] == str(tmp_path)
    assert len(list((tmp_path / owner_folder("ray", guest.identity)).glob("proved-*"))) == 1
    guest.owner.kill()
    guest.owner.wait()
    time.sleep(1.5)
    assert alive(head.supervisor) and not list(tmp_path.glob(".lnf/ray/*/head.json"))


def test_an_address_where_nothing_listens_is_refused_in_one_line(tmp_path: Path) -> None:
    guest = Workflow(tmp_path)
    guest.environment |= {"RAY_ADDRESS": "127.0.0.1:1", "RAY_AUTH_MODE": "disabled"}
    refused = guest.run("trivial", "run")
    guest.owner.kill()
    guest.owner.wait()
    assert refused.returncode == 1 and refused.stderr.startswith("lnf: RAY_ADDRESS: cannot join 127.0.0.1:1")
    assert len(refused.stderr.splitlines()) == 1


def test_a_run_directory_has_one_writer(tmp_path: Path) -> None:
    lines = ["import pathlib, sys, time", "from lnf.system.locks import run_lock",
             "with run_lock(pathlib.Path(sys.argv[1])):",
             "    print(1, flush=True)", "    time.sleep(3600)"]  # fmt: skip
    holder = subprocess.Popen([sys.executable, "-c", "\n".join(lines), str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE)
    assert holder.stdout is not None and holder.stdout.readline()
    with pytest.raises(Exception, match=f"process {holder.pid} holds"), run_lock(tmp_path, wait_s=0.3):
        pass
    holder.kill()
    holder.wait()
    with run_lock(tmp_path, wait_s=LIMIT_S):  # the dead hold nothing
        pass

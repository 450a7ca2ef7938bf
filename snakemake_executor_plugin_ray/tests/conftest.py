"""Workflows of a stranger's, each in a folder of its own, run by Snakemake's console script."""

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

SNAKEMAKE = Path(sysconfig.get_path("scripts"), "snakemake")
RAY = Path(sysconfig.get_path("scripts"), "ray")
PATIENCE_S = 240.0
"""The end of what would hang; nothing is decided by how long it takes."""


def wait_for(true: Callable[[], object], what: str = "") -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, f"waited for {what or true}"
        time.sleep(0.1)


class Workflow:
    """A folder with a Snakefile, and the processes that work for it, known by a variable of their environment."""

    def __init__(self, folder: Path, snakefile: str) -> None:
        self.folder, self.mark = folder, secrets.token_hex(8)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "Snakefile").write_text(snakefile, encoding="utf-8")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "SNAKEMAKE_"))}
        self.environment = kept | {"WORKFLOW_MARK": self.mark, "SPT_NOENV": "1"}

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start Snakemake with the plugin, in a process group of its own, as under a terminal."""
        command = [str(SNAKEMAKE), "--executor", "ray", "--jobs", "100", "--cores", "2", *arguments]
        return subprocess.Popen(
            command, cwd=self.folder, env=self.environment, text=True, process_group=0,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def run(self, *arguments: str, status: int = 0) -> str:
        """Run Snakemake to its end; what it said."""
        process = self.start(*arguments)
        out, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == status, out + self.log("driver.log")
        return out

    def log(self, name: str) -> str:
        """A log of the plugin's."""
        path = self.folder / ".snakemake" / "ray_logs" / name
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def read(self, name: str) -> str:
        """A file's text; empty while it is not there."""
        path = self.folder / name
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def processes(self) -> list[psutil.Process]:
        """All that lives because of this workflow."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("WORKFLOW_MARK") == self.mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def named(self, part: str) -> psutil.Process:
        """The one process with a text in its command line."""
        (found,) = [process for process in self.processes() if part in " ".join(process.cmdline()[:4])]
        return found

    def close(self) -> None:
        """Leave nothing behind, whatever a failed test left."""
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                process.kill()


@pytest.fixture
def workflow(tmp_path: Path) -> Iterator[Callable[[str], Workflow]]:
    """Makes a workflow of a Snakefile's text, in a folder whose name holds what a shell reads."""
    made: list[Workflow] = []

    def make(snakefile: str) -> Workflow:
        made.append(Workflow(tmp_path / "a stranger's $project", snakefile))
        return made[-1]

    yield make
    for one in made:
        one.close()


class Cluster:
    """Ray nodes of a user's own, on this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "token").write_text(secrets.token_hex(32), encoding="utf-8")
        (folder / "token").chmod(0o600)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        self.environment = kept | {
            "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(folder / "token"), "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1",
        }  # fmt: skip
        self.nodes: list[subprocess.Popen[str]] = []
        self.address = ""

    def add(self, *options: str, prefix: tuple[str, ...] = ()) -> "subprocess.Popen[str]":
        """Start a node; the first one is the head."""
        head = ["--head", "--port=0", f"--temp-dir={self.folder}/r"]
        place = [f"--address={self.address}"] if self.nodes else head
        common = ["--block", "--disable-usage-stats", "--object-store-memory=80000000", "--include-log-monitor=false",
                  "--node-ip-address=127.0.0.1"]  # fmt: skip
        if not self.nodes:
            common.append("--include-dashboard=false")
        said = self.folder / f"node{len(self.nodes)}.log"
        with said.open("wb") as log:
            process = subprocess.Popen(
                [*prefix, sys.executable, str(RAY), "start", *place, *common, *options],
                env=self.environment, start_new_session=True, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                text=True,
            )  # fmt: skip
        self.nodes.append(process)
        # One after the other: nodes that start at once in one folder take the same name for their sockets.
        wait_for(lambda: b"Ray runtime started" in said.read_bytes() or process.poll() is not None, "the node")
        assert process.poll() is None, said.read_text(encoding="utf-8")
        if not self.address:
            current = self.folder / "r" / "ray_current_cluster"
            wait_for(current.exists, "the head")
            self.address = current.read_text(encoding="utf-8").strip()
        return process

    def use(self, workflow: Workflow) -> Workflow:
        """Have a workflow run on this cluster."""
        workflow.environment |= {name: value for name, value in self.environment.items() if name.startswith("RAY_")}
        workflow.environment["RAY_ADDRESS"] = self.address
        return workflow

    def kill(self, node: "subprocess.Popen[str]") -> None:
        """Kill a node and all its processes."""
        with contextlib.suppress(psutil.Error):
            for process in [*psutil.Process(node.pid).children(recursive=True), psutil.Process(node.pid)]:
                with contextlib.suppress(psutil.Error):
                    process.kill()
        node.wait()

    def close(self) -> None:
        """End all nodes."""
        for node in reversed(self.nodes):
            self.kill(node)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """One node with four CPUs, a GPU that is said to be there, and two tapes."""
    with tempfile.TemporaryDirectory(prefix="rc") as folder:  # a short path, for Ray's sockets
        found = Cluster(Path(folder))
        found.add("--num-cpus=4", "--num-gpus=1", '--resources={"tape": 2}')
        yield found
        found.close()


@pytest.fixture
def nodes() -> Iterator[Cluster]:
    """A cluster to be changed."""
    with tempfile.TemporaryDirectory(prefix="rc") as folder:
        found = Cluster(Path(folder))
        yield found
        found.close()


def signal_group(process: "subprocess.Popen[str]", number: signal.Signals) -> None:
    """What a terminal or a scheduler does."""
    os.killpg(process.pid, number)


STEPS = """
rule all:
    input: expand("{n}.done", n=range(2))

rule steps:
    output: "{n}.done"
    resources: mem_mb=50
    shell: "exec {workflow.basedir:q}/steps.py {wildcards.n} {output:q}"
"""
SCRIPT = '''#!/usr/bin/env python3
"""Steps of a fifth of a second until a file says that it is enough. SIGINT is asked to be taken notice of."""
import os, pathlib, signal, sys, time
name, output = sys.argv[1:]
mine = pathlib.Path(f"{name}.running")
if mine.exists():
    stat = pathlib.Path(f"/proc/{mine.read_text()}/stat")
    if stat.exists() and stat.read_text().rpartition(")")[2].split()[0] not in "ZX":
        pathlib.Path("two at a time").touch()
mine.write_text(str(os.getpid()))
with open(f"{name}.starts", "a") as starts:
    starts.write(f"{os.getpid()}\\n")
def asked(*_):
    time.sleep(0.5)
    with open(f"{name}.asked", "a") as file:
        file.write("x")
    sys.exit(1)
signal.signal(signal.SIGINT, asked)
while not pathlib.Path("enough").exists():
    time.sleep(0.2)
pathlib.Path(output).touch()
'''


@pytest.fixture
def steps(workflow: Callable[[str], Workflow]) -> Workflow:
    """Two jobs that run until a file says that it is enough."""
    made = workflow(STEPS)
    script = made.folder / "steps.py"
    script.write_text(SCRIPT, encoding="utf-8")
    script.chmod(0o755)
    return made


def starts(workflow: Workflow, name: int) -> list[int]:
    """The processes that were started for a job."""
    return [int(line) for line in workflow.read(f"{name}.starts").splitlines()]


def both_run(workflow: Workflow) -> bool:
    return all(starts(workflow, name) for name in range(2))


def enough(workflow: Workflow) -> None:
    (workflow.folder / "enough").touch()

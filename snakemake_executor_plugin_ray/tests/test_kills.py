"""Processes that are really killed: nothing runs twice at a time, nothing is left, and what can go on does."""

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Cluster, Workflow, signal_group, wait_for

pytestmark = pytest.mark.ray

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
    """Two jobs that run until they are told that it is enough."""
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


@pytest.mark.parametrize("part", ["gcs_server", "raylet/raylet", "plugin_ray.driver", "ray::"])
def test_a_part_of_ray_is_killed(steps: Workflow, part: str) -> None:
    """All jobs end, each was started again after its first process was gone, and nothing is left."""
    process = steps.start()
    wait_for(lambda: both_run(steps))
    if part == "ray::":  # a worker, as Ray calls it
        worker = next(one for one in steps.processes() if one.cmdline() and one.cmdline()[0].startswith(part))
        worker.kill()
        wait_for(lambda: any(len(starts(steps, name)) == 2 for name in range(2)))
    else:
        steps.named(part).kill()
        wait_for(lambda: all(len(starts(steps, name)) == 2 for name in range(2)))
    enough(steps)
    out, _ = process.communicate(timeout=240)
    assert process.returncode == 0, out + steps.log("driver.log")
    assert all((steps.folder / f"{name}.done").exists() for name in range(2))
    assert not (steps.folder / "two at a time").exists()
    assert ("its worker died" if part == "ray::" else "Ray was lost") in out
    wait_for(lambda: not steps.processes(), "nothing to be left")


def test_snakemake_is_killed(steps: Workflow) -> None:
    process = steps.start()
    wait_for(lambda: both_run(steps))
    process.kill()
    process.wait()
    wait_for(lambda: not steps.processes(), "nothing to be left")
    enough(steps)
    steps.run("--unlock")
    steps.run("--rerun-incomplete")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_workflow_is_asked_to_stop(steps: Workflow, number: signal.Signals) -> None:
    """Each job is asked once, and ended by itself before Snakemake does."""
    process = steps.start()
    wait_for(lambda: both_run(steps))
    signal_group(process, number) if number == signal.SIGINT else process.send_signal(number)
    process.communicate(timeout=240)
    assert process.returncode != 0
    assert [steps.read(f"{name}.asked") for name in range(2)] == ["x", "x"]
    assert not list(steps.folder.glob("*.done")) and [len(starts(steps, name)) for name in range(2)] == [1, 1]
    wait_for(lambda: not steps.processes(), "nothing to be left")


def test_the_node_of_a_job_is_killed(steps: Workflow, nodes: Cluster) -> None:
    """On a cluster of three nodes: the jobs of the killed one are started on another, and the cluster stays."""
    nodes.add("--num-cpus=0")
    first = nodes.add("--num-cpus=1")
    second = nodes.add("--num-cpus=1")
    process = nodes.use(steps).start("--ray-wait-for-nodes", "200")
    wait_for(lambda: both_run(steps))
    nodes.add("--num-cpus=2")  # joins late
    nodes.kill(first)
    wait_for(lambda: any(len(starts(steps, name)) == 2 for name in range(2)))
    enough(steps)
    out, _ = process.communicate(timeout=240)
    assert process.returncode == 0, out + steps.log("driver.log")
    assert sorted(len(starts(steps, name)) for name in range(2)) == [1, 2]
    assert not (steps.folder / "two at a time").exists() and second.poll() is None


def test_a_cluster_is_stopped_under_its_jobs(steps: Workflow, nodes: Cluster) -> None:
    """The error says what was lost."""
    head = nodes.add("--num-cpus=2")
    process = nodes.use(steps).start()
    wait_for(lambda: both_run(steps))
    nodes.kill(head)
    out, _ = process.communicate(timeout=240)
    assert process.returncode == 1 and f"cannot join the Ray cluster at {nodes.address}" in out
    assert "Traceback" not in out
    wait_for(lambda: not [pid for name in range(2) for pid in starts(steps, name) if Path(f"/proc/{pid}").exists()])


BLIND = ("unshare", "--map-root-user", "--mount", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"')
"""A command in a namespace in which a folder is empty, as on a machine that does not share it."""


def test_a_node_without_the_folder_is_not_used(steps: Workflow, nodes: Cluster) -> None:
    """It is named once, in a line, before a job is lost there; jobs wait for another node."""
    if subprocess.run([*BLIND, "/mnt", "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("needs the right to make a mount namespace")
    enough(steps)
    nodes.add("--num-cpus=0")
    nodes.add("--num-cpus=2", prefix=(*BLIND, str(steps.folder)))
    process = nodes.use(steps).start("--ray-wait-for-nodes", "200")
    line = f"has another folder at {steps.folder}; share the workflow's; it is not used"
    heard = []
    assert process.stdout is not None
    for text in process.stdout:
        heard.append(text)
        if line in text:
            nodes.add("--num-cpus=2")
            break
    heard += process.communicate(timeout=240)[0]
    assert process.returncode == 0, "".join(heard)
    assert "".join(heard).count(line) == 1 and [len(starts(steps, name)) for name in range(2)] == [1, 1]

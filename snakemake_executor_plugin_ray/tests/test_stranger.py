"""A stranger's workflow: resources, groups, failures, environment, and when Ray is not needed."""

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Cluster, Workflow

pytestmark = pytest.mark.processes

STRANGER = """
rule all:
    input: "gpu.txt", "second.txt", "failed.txt"

rule gpu:
    output: "gpu.txt"
    resources: gpu=1, ray_gpu_percent=50, mem_mb=100
    threads: 3
    shell: "echo threads {threads}, device $CUDA_VISIBLE_DEVICES > {output:q}"

rule first:
    output: "first.txt"
    group: "pair"
    shell: "echo first > {output:q}"

rule second:
    input: "first.txt"
    output: "second.txt"
    group: "pair"
    shell: "cat {input:q} > {output:q}; echo second >> {output:q}"

rule failing:
    output: "failed.txt"
    shell: "echo started >> starts; echo 'no such luck' >&2; exit 3"
"""


def test_a_strangers_workflow(workflow: Callable[[str], Workflow], cluster: Cluster) -> None:
    """More threads than --cores, half a GPU, a group, and a job that fails twice, on a given cluster."""
    ours = cluster.use(workflow(STRANGER))
    out = ours.run("--keep-going", "--retries", "1", status=1)
    assert ours.read("gpu.txt") == "threads 3, device 0\n"
    assert ours.read("second.txt") == "first\nsecond\n"
    assert ours.read("starts") == "started\nstarted\n"
    assert "message: exit status 1: no such luck" in out and ".snakemake/ray_logs/failing.log" in out
    assert "no such luck" in ours.log("failing.log")
    assert cluster.nodes[0].poll() is None and "Traceback" not in out
    assert ours.processes() == [] and not (ours.folder / ".snakemake" / "ray_jobs").exists()


ASKING = """
rule all:
    input: "one"

rule one:
    output: "one"
    threads: {threads}
    resources: {resources}
    shell: "touch {{output:q}}"
"""


@pytest.mark.parametrize(
    ("threads", "resources", "words"),
    [
        (5, "mem_mb=100", "no node can hold 5 CPUs, 0.0977 GiB of memory; there are: 4 CPUs, "),
        (1, "gpu=2, mem_mb=100", "no node can hold 1 CPUs, 2 GPUs, 0.0977 GiB of memory; there are: 4 CPUs, 1 GPUs, "),
        (1, "tape=3, mem_mb=100", "3 tape; there are: 4 CPUs"),
    ],
)
def test_what_no_node_can_hold_is_one_line(
    workflow: Callable[[str], Workflow], cluster: Cluster, threads: int, resources: str, words: str
) -> None:
    ours = cluster.use(workflow(ASKING.format(threads=threads, resources=resources)))
    out = ours.run(status=1)
    assert f"message: {words}" in out or words in out
    assert "Traceback" not in out


def test_resources_that_no_node_declares_and_disks_are_not_asked_for(
    workflow: Callable[[str], Workflow], cluster: Cluster
) -> None:
    resources = "mem_mb=100, disk_mb=10**9, runtime=10**6, licence=7, tape=1, gpu=1, ray_gpu_if_any=1"
    cluster.use(workflow(ASKING.format(threads=1, resources=resources))).run()


ENVIRONMENT = """
envvars: "MINE"

rule all:
    output: "environment"
    shell: "env > {output:q}"
"""


def test_what_travels_to_a_cluster(workflow: Callable[[str], Workflow], cluster: Cluster) -> None:
    """The variables that the workflow declares and PYTHONPATH; no other, and nothing of Ray's."""
    ours = cluster.use(workflow(ENVIRONMENT))
    ours.environment |= {"MINE": "it's $mine", "OTHER": "not mine", "PYTHONPATH": "/where/mine/is"}
    ours.run()
    lines = ours.read("environment").splitlines()
    assert "MINE=it's $mine" in lines and "PYTHONPATH=/where/mine/is" in lines
    assert not [line for line in lines if line.startswith(("RAY_", "OTHER=", "WORKFLOW_MARK="))]


NO_RAY = "import pathlib\npathlib.Path('imported').touch()\nraise ImportError('no Ray here')\n"


def test_ray_is_not_started_where_nothing_is_to_be_done(workflow: Callable[[str], Workflow], tmp_path: Path) -> None:
    """Neither by a dry run, --lint, --unlock, a list of rules, nor by a workflow that is finished."""
    (tmp_path / "fake" / "ray").mkdir(parents=True)
    (tmp_path / "fake" / "ray" / "__init__.py").write_text(NO_RAY, encoding="utf-8")
    ours = workflow(ASKING.format(threads=1, resources="mem_mb=1"))
    ours.environment["PYTHONPATH"] = str(tmp_path / "fake")
    for arguments in (["--dry-run"], ["--unlock"], ["--list-rules"], ["--summary"]):
        ours.run(*arguments)
    ours.start("--lint").communicate()
    (ours.folder / "one").touch()
    assert "Nothing to be done" in ours.run()
    assert not (ours.folder / "imported").exists() and ours.log("driver.log") == ""
    assert "--ray-address" in ours.run("--help")


def test_immediate_submit_is_refused(workflow: Callable[[str], Workflow]) -> None:
    out = workflow(ASKING.format(threads=1, resources="mem_mb=1")).run("--immediate-submit", "--notemp", status=1)
    assert "does not support --immediate-submit" in out


@pytest.mark.parametrize("address", ["127.0.0.1:1", "[::1]:1", "nowhere.invalid:6379"])
def test_an_address_where_nothing_listens_is_one_line(workflow: Callable[[str], Workflow], address: str) -> None:
    out = workflow(ASKING.format(threads=1, resources="mem_mb=1")).run("--ray-address", address, status=1)
    assert f"message: cannot join the Ray cluster at {address}: " in out and "Traceback" not in out


def test_an_address_where_nothing_answers_is_one_line(tmp_path: Path) -> None:
    code = "from snakemake_executor_plugin_ray import driver; driver.JOIN_LIMIT_S = 1.0; driver.main()"
    with socket.create_server(("127.0.0.1", 0), backlog=100) as deaf:
        address = f"127.0.0.1:{deaf.getsockname()[1]}"
        request = json.dumps({"address": address}) + "\n"
        done = subprocess.run([sys.executable, "-c", code], input=request, capture_output=True, text=True, cwd=tmp_path)
    fault = json.loads(done.stdout)
    assert fault["message"] == f"cannot join the Ray cluster at {address}: no answer within 1 s" and fault["final"]

"""Clusters of several nodes, on this machine: one is killed, one joins late, one lacks the folder, all are gone."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Cluster, Workflow, both_run, enough, starts, wait_for

from snakemake_executor_plugin_ray import worker

pytestmark = pytest.mark.processes


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
    """The error says what was lost, after the time that Ray tries to reach it again, which is a minute by itself."""
    steps.environment["RAY_gcs_rpc_server_reconnect_timeout_s"] = "5"
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


def test_a_node_whose_python_lacks_snakemake_is_named(tmp_path: Path) -> None:
    """Looked at once for each node, before a job is started there."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True)
    (tmp_path / worker.PROOF).write_text("proof", encoding="utf-8")
    settings = {"folder": str(tmp_path), "records": str(tmp_path), "proof": "proof", "environment": {}}
    bare = str(tmp_path / "bare" / "bin" / "python")
    with pytest.raises(worker.Unusable, match=f"has no Snakemake for {bare}; install the same environment"):
        worker._look({**settings, "python": bare})
    worker._look({**settings, "python": sys.executable})
    assert len(list(tmp_path.glob(f"{worker.LOOKED}*"))) == 1

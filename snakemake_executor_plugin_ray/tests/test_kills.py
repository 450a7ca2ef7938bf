"""Processes that are really killed: nothing runs twice at a time, nothing is left, and what can go on does."""

import signal
import subprocess

import pytest
from conftest import Workflow, both_run, enough, signal_group, starts, wait_for

pytestmark = pytest.mark.processes


@pytest.mark.parametrize("part", ["gcs_server", "raylet/raylet", "ray::RuntimeEnvAgent", "plugin_ray.driver"])
def test_a_part_of_ray_is_killed(steps: Workflow, part: str) -> None:
    """All jobs are started again after their first processes are gone. (A raylet ends when its agent does.)"""
    process = steps.start()
    wait_for(lambda: both_run(steps))
    steps.named(part).kill()
    wait_for(lambda: all(len(starts(steps, name)) == 2 for name in range(2)))
    assert "Ray was lost" in all_ended(steps, process)


def test_a_worker_is_killed(steps: Workflow) -> None:
    """Its job alone is started again."""
    process = steps.start()
    wait_for(lambda: both_run(steps))
    steps.named("ray::steps n=0").kill()
    wait_for(lambda: len(starts(steps, 0)) == 2)
    said = all_ended(steps, process)
    assert "steps n=0: its worker died" in said and "Ray was lost" not in said
    assert len(starts(steps, 1)) == 1


def all_ended(steps: Workflow, process: "subprocess.Popen[str]") -> str:
    """Let the jobs end. Each has its output, no two processes of one lived at a time, and nothing is left."""
    enough(steps)
    out, _ = process.communicate(timeout=240)
    assert process.returncode == 0, out + steps.log("driver.log")
    assert all((steps.folder / f"{name}.done").exists() for name in range(2))
    assert not (steps.folder / "two at a time").exists()
    wait_for(lambda: not steps.processes(), "nothing to be left")
    return out


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

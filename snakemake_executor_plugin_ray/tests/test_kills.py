"""Processes that are really killed: nothing runs twice at a time, nothing is left, and what can go on does."""

import signal

import pytest
from conftest import Workflow, both_run, enough, signal_group, starts, wait_for

pytestmark = pytest.mark.ray


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

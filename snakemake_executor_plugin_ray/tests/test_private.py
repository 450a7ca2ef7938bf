"""A Ray that was started for a workflow: private to its user, and none of another workflow's business."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from conftest import STEPS, Workflow, both_run, enough, starts, wait_for

pytestmark = pytest.mark.processes

JOIN = "import ray, sys; ray.init(address=sys.argv[1], log_to_driver=False)"
FOREIGN = {"RAY_OVERRIDE_RESOURCES": '{"CPU": 0}', "RAY_AUTH_TOKEN": "another", "RAY_worker_niceness": "19"}
"""Variables of another Ray's, of which the workflow's takes no notice."""


@pytest.fixture
def other(steps: Workflow, tmp_path: Path) -> Iterator[Workflow]:
    """A second workflow, in a folder of its own."""
    made = Workflow(tmp_path / "other", STEPS)
    (made.folder / "steps.py").write_bytes((steps.folder / "steps.py").read_bytes())
    (made.folder / "steps.py").chmod(0o755)
    yield made
    made.close()


def test_a_local_ray_is_private_and_two_workflows_do_not_meet(steps: Workflow, other: Workflow, tmp_path: Path) -> None:
    steps.environment |= FOREIGN
    mine, theirs = steps.start(), other.start()
    wait_for(lambda: both_run(steps) and both_run(other))

    ours = {process.pid for process in steps.processes()}
    listening = [c for c in psutil.net_connections("inet") if c.pid in ours and c.status == psutil.CONN_LISTEN]
    assert listening and {c.laddr.ip for c in listening} <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}

    raylet = steps.named("raylet/raylet")
    token = Path(raylet.environ()["RAY_AUTH_TOKEN_PATH"])
    assert token.stat().st_mode & 0o077 == 0 and token.parent.stat().st_mode & 0o077 == 0
    (address,) = [word.partition("=")[2] for word in raylet.cmdline() if word.startswith("--gcs-address=")]
    bare = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    for mode in ("disabled", "token"):
        environment = bare | {"RAY_AUTH_MODE": mode, "RAY_AUTH_TOKEN": "a guess", "HOME": str(tmp_path)}
        environment["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # else Ray looks for 127.0.0.1 at another address
        command = [sys.executable, "-c", JOIN, address]
        refused = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=240)
        assert refused.returncode != 0 and "uthenticat" in refused.stderr, refused.stderr

    (job, _) = [starts(steps, name)[0] for name in range(2)]
    assert psutil.Process(job).nice() == os.nice(0)
    mine.kill()
    mine.wait()
    wait_for(lambda: not steps.processes(), "nothing to be left")
    assert both_run(other) and theirs.poll() is None
    enough(other)
    out, _ = theirs.communicate(timeout=240)
    assert theirs.returncode == 0, out
    assert [len(starts(other, name)) for name in range(2)] == [1, 1]

"""How long tests wait: for progress and not for a clock. The one limit here only ends what hangs.

LNF_PATIENCE stretches it, on a machine that is much slower or busier than most.
"""

import os
import subprocess
import time
from collections.abc import Callable
from typing import Any

LIMIT_S = 600.0 * float(os.environ.get("LNF_PATIENCE", "1"))


def wait_for(condition: Callable[[], Any], process: "subprocess.Popen[str] | None" = None) -> None:
    """Wait until `condition` holds; fail when `process`, which is to bring it about, ends before, or what hangs."""
    end = time.monotonic() + LIMIT_S
    while not condition():
        if process is not None and process.poll() is not None and not condition():
            raise AssertionError(f"ended too early: {process.communicate()[0]}")
        assert time.monotonic() < end, f"nothing came of it in {LIMIT_S:.0f} s"
        time.sleep(0.05)


def finish(process: "subprocess.Popen[str]", status: int = 0) -> str:
    """The output of a process that must end with `status`."""
    out, err = process.communicate(timeout=LIMIT_S)
    assert process.returncode == status, out + (err or "")
    return out

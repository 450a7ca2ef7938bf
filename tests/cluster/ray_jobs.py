"""Entries that tests run on Ray: each leaves a trace below `out` and resumes from it, as training does."""

import os
import time
from pathlib import Path

from lnf.errors import UserError
from lnf.system.files import write_json


def trivial(out: str) -> None:
    """Done at once."""
    Path(out, "done").write_text("1", encoding="utf-8")


def environment(out: str) -> None:
    """Writes what a run may rely on."""
    facts = {"cwd": os.getcwd(), "threads": os.environ["OMP_NUM_THREADS"], "nice": os.nice(0)}
    write_json(Path(out, "environment.json"), facts)


def wrong(out: str) -> None:
    """A mistake of the user's."""
    raise UserError(f"train.epochs: -1 in {Path(out).name}: must be positive")


def broken(out: str) -> None:
    """A defect."""
    attempts = Path(out, "attempts")
    attempts.write_text(attempts.read_text(encoding="utf-8") + "x" if attempts.exists() else "x", encoding="utf-8")
    raise ZeroDivisionError("by design")


def steps(out: str, count: int, held: bool = False, seconds: float = 0.2) -> None:
    """`count` steps, one line each in `out`/steps; goes on where the file ends.

    If `held`, the last step waits for the file `out`/gate, so that a test need not be quick.
    """
    path = Path(out, "steps")
    done = len(path.read_text(encoding="utf-8").splitlines()) if path.exists() else 0
    for step in range(done, count):
        time.sleep(seconds)
        while held and step == count - 1 and not Path(out, "gate").exists():
            time.sleep(seconds)
        with path.open("a", encoding="utf-8") as stream:
            stream.write(f"{step} {os.getpid()}\n")
        progress = {"epoch": step, "message": f"epoch {step + 1}/{count} nll 8.31"}
        write_json(Path(out, "state", "progress.json"), progress | {"seconds_left": (count - step) * seconds})

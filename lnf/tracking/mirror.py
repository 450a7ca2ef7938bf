"""A background process per workflow that mirrors run directories to MLflow, so that MLflow delays no run.

Importing MLflow and opening its database costs 3 s of a CPU: here it is paid once a workflow instead of once a run.
`request` drops a note in `.lnf/mirror/OWNER/` and starts the process if there is none; it follows the notes until the
owner is gone, and then once more. Notes that could not be followed, because MLflow was away or the process was killed,
are kept, and the next workflow's process goes on with them. A note that is lost is made good by
`python -m lnf sync NAME`.
"""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

from lnf.system.files import digest, read_json, try_read_json, write_json
from lnf.system.machine_faults import sentence
from lnf.system.processes import alive, owner, owner_folder, process_identity

LOG = Path(".lnf", "mirror.log")
NOTES = Path(".lnf", "mirror")
EVERY_S = 5.0
RETRY_S = 30.0
LAST_PASS_S = 60
NICE = 10


def request(run_dir: Path) -> None:
    """Ask for `run_dir`, or the folder of a report, to be mirrored soon. Costs milliseconds and waits for nothing.

    What the machine refuses here, on a full disk for instance, is told once and costs the run nothing.
    """
    try:
        _request(run_dir)
    except OSError as problem:
        _tell(f"lnf: MLflow is told by `lnf sync NAME`: {sentence(problem) or problem}")


@cache
def _tell(line: str) -> None:
    print(line, flush=True)


def _request(run_dir: Path) -> None:
    identity = owner()
    folder = owner_folder("mirror", identity)
    write_json(folder / f"{digest(str(run_dir))}.note", {"run": str(run_dir)})
    if not running(identity):
        with LOG.open("ab") as log:
            subprocess.Popen(
                [sys.executable, "-m", "lnf.tracking.mirror", identity],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip


def running(identity: str) -> bool:
    """Whether the mirror process of an owner is at work."""
    said = try_read_json(owner_folder("mirror", identity) / "process.json")
    return said is not None and alive(said["process"])


def wait(identity: str, seconds: float) -> None:
    """Wait for the mirror of an owner that is gone to finish, but not longer than `seconds`."""
    end = time.monotonic() + seconds
    while running(identity) and time.monotonic() < end:
        time.sleep(0.1)


def stop(identity: str) -> None:
    """End the mirror of an owner, which may be waiting for a server; its notes are kept."""
    said = try_read_json(owner_folder("mirror", identity) / "process.json")
    if said is not None and alive(said["process"]):
        os.kill(int(said["process"].partition(":")[0]), signal.SIGTERM)


def left() -> int:
    """How many runs and reports of this folder are yet to be mirrored."""
    return len({path.name for path in NOTES.glob("*/*.note")})


def follow(identity: str) -> None:
    """Mirror what is asked for, until the owner is gone and nothing is left to do."""
    folder = owner_folder("mirror", identity)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # two clients may start two
    except BlockingIOError:
        return
    write_json(folder / "process.json", {"process": process_identity(os.getpid())})
    os.nice(NICE)
    _adopt(folder)
    _serve(folder, identity)
    if not any(folder.glob("*.note")):
        shutil.rmtree(folder)


def _adopt(folder: Path) -> None:
    """Take over the notes that the mirrors of dead owners of this machine left."""
    mine = f"{socket.gethostname()}-"
    for other in NOTES.glob(f"{mine}*"):
        if other != folder and not alive(other.name.removeprefix(mine).replace("-", ":")):
            for note in other.glob("*.note"):
                os.replace(note, folder / note.name)
            shutil.rmtree(other)


def _serve(folder: Path, identity: str) -> None:
    from lnf.tracking import store  # MLflow's 2 s of imports come only when there is work

    retry_at, database, last = 0.0, None, False
    while not last:
        last = not alive(identity)
        if last:
            signal.alarm(LAST_PASS_S)  # ends this process: a server that hangs must not keep it for ever
        if database is not None and store.database_stamp() != database:
            # Deleted or replaced, but MLflow would go on writing to the old file.
            os.execv(sys.executable, [sys.executable, "-m", "lnf.tracking.mirror", identity])
        if (last or time.monotonic() >= retry_at) and not _pass(folder):
            retry_at = time.monotonic() + RETRY_S
        database = store.database_stamp()
        pause = time.monotonic() + EVERY_S
        while not last and time.monotonic() < pause and alive(identity):
            time.sleep(0.25)


def _pass(folder: Path) -> bool:
    """Mirror every run that a note names; False if MLflow could not be reached."""
    from lnf.tracking import sync

    for note in sorted(folder.glob("*.note")):
        run = Path(read_json(note)["run"])
        note.unlink()  # before reading the run: what changes from now on writes a new note
        if not sync.try_sync(run):
            write_json(note, {"run": str(run)})
            return False
    return True


if __name__ == "__main__":
    follow(sys.argv[1])

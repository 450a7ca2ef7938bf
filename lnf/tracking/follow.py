"""A background process per workflow that mirrors its results to MLflow, so that MLflow delays no run.

It follows the files: every few seconds it syncs the run folders of the plan that changed since it last did,
until the workflow is gone, and then once more. Its first look covers all of them, so that what an earlier workflow
could not mirror, or MLflow has lost, is made good. Importing MLflow and opening its database costs 3 s of a CPU: here
it is paid once a workflow. A file in `.lnf/mlflow` says how much is left.
"""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from lnf.system.files import read_json, sentence, try_read_json, write_json
from lnf.system.processes import alive, owner_folder, process_identity

LOG = Path(".lnf", "mlflow.log")
STATUS, PLANNED = "status.json", "planned.json"
EVERY_S = 5.0
RETRY_S = 30.0
LAST_LOOK_S = 60
NICE = 10
IN_A_ROW = 2
"""Failures after which MLflow is taken to be away."""

SHOWN = ("*.json", "*.parquet", "*.html", "state/*.json*")
NOT_SHOWN = ("progress.json", "mlflow.json")
Stamp = tuple[tuple[str, int, int], ...]
"""(name, time of change in ns, size) of the files of a folder that MLflow shows."""


def start(identity: str, name: str, folders: Iterable[Path], models: str = "first") -> None:
    """Start to follow a configuration's results, on the machine where its workflow `identity` is. Waits for nothing.

    `folders` are those of the runs that are planned: they supersede others of the same corpus, prior and seed.
    `models`: whether the models of first seeds are logged, or of all.

    What the machine refuses here, on a full disk for instance, is one line and no fault of the workflow.
    """
    try:
        planned = {"folders": list(map(str, folders)), "models": models}
        write_json(owner_folder("mlflow", identity) / PLANNED, planned, durable=False)
        with LOG.open("ab") as log:
            subprocess.Popen(
                [sys.executable, "-m", "lnf.tracking.follow", identity, name],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
    except OSError as problem:
        print(f"lnf: MLflow is not filled ({sentence(problem) or problem}); type later: lnf sync {name}", flush=True)


def running(identity: str) -> bool:
    """Whether the follower of a workflow is at work."""
    said = try_read_json(owner_folder("mlflow", identity) / STATUS)
    return said is not None and alive(said["process"])


def wait(identity: str, seconds: float) -> None:
    """Wait for the follower of a workflow that is gone to finish, but not longer than `seconds`."""
    end = time.monotonic() + seconds
    while running(identity) and time.monotonic() < end:
        time.sleep(0.1)


def stop(identity: str) -> None:
    """End the follower of a workflow, which may be waiting for a server; the next one makes good what it left."""
    said = try_read_json(owner_folder("mlflow", identity) / STATUS)
    if said is not None and alive(said["process"]):
        os.kill(int(said["process"].partition(":")[0]), signal.SIGTERM)


def left(identity: str) -> int:
    """How many runs and reports the follower of a workflow has not mirrored."""
    said = try_read_json(owner_folder("mlflow", identity) / STATUS)
    return 0 if said is None else int(said["left"])


def follow(identity: str, name: str) -> None:
    """Mirror what changes, until the workflow is gone, and once more after that."""
    folder = owner_folder("mlflow", identity)
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # Snakemake may begin twice in one process
    except BlockingIOError:
        return
    except OSError:  # a file system without locks: two do no harm, they are slower
        pass
    os.nice(NICE)
    _serve(_Follower(name, folder), identity, name)


def _serve(follower: "_Follower", identity: str, name: str) -> None:
    from lnf.tracking import mlflow_store  # MLflow's 2 s of imports come only when there is work

    follower.tell()
    retry_at, database, last = 0.0, None, False
    while not last:
        last = not alive(identity)
        if last:
            signal.alarm(LAST_LOOK_S)  # ends this process: a server that hangs must not keep it for ever
        if database is not None and mlflow_store.database_stamp() != database:
            # Deleted or replaced, but MLflow would go on writing to the old file.
            os.execv(sys.executable, [sys.executable, "-m", "lnf.tracking.follow", identity, name])
        if (last or time.monotonic() >= retry_at) and not follower.look():
            retry_at = time.monotonic() + RETRY_S
        database = mlflow_store.database_stamp()
        pause = time.monotonic() + EVERY_S
        while not last and time.monotonic() < pause and alive(identity):
            time.sleep(0.25)


class _Follower:
    """What was mirrored of a configuration's folders, and when they had last changed then."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self._folder = name, folder
        self._mirrored: dict[Path, Stamp] = {}

    def changed(self) -> dict[Path, Stamp]:
        """The folders that changed since they were mirrored, with the stamps of now."""
        from lnf.tracking.sync import folders_of

        planned = {Path(folder) for folder in read_json(self._folder / PLANNED)["folders"]}
        folders = [folder for folder in folders_of(self.name) if folder in planned or folder.parts[0] == "reports"]
        now = {folder: _stamp(folder) for folder in folders}
        return {folder: stamp for folder, stamp in now.items() if self._mirrored.get(folder) != stamp}

    def look(self) -> bool:
        """Mirror each folder that changed; False if one could not be mirrored, and is to be tried again."""
        from lnf.tracking.sync import try_sync

        failed = in_a_row = 0
        models = read_json(self._folder / PLANNED)["models"]
        for folder, stamp in self.changed().items():
            if try_sync(folder, models):
                self._mirrored[folder], in_a_row = stamp, 0
                continue
            failed, in_a_row = failed + 1, in_a_row + 1
            if in_a_row == IN_A_ROW:
                break
        self.tell()
        return not failed

    def tell(self) -> None:
        """Say how much is left."""
        status = {"process": process_identity(os.getpid()), "name": self.name, "left": len(self.changed())}
        write_json(self._folder / STATUS, status, durable=False)


def samples_marks(folder: Path) -> list[Path]:
    """The file that says whose samples are shown, of a run folder's place."""
    _, name, *place = folder.parts[:5]
    return list(Path("reports", "out", name, "samples", *place).glob("run.json"))


def _stamp(folder: Path) -> Stamp:
    return tuple(sorted(_stamps(folder)))


def _stamps(folder: Path) -> Iterator[tuple[str, int, int]]:
    for file in [file for pattern in SHOWN for file in folder.glob(pattern)] + samples_marks(folder):
        with suppress(FileNotFoundError):  # a run that ends removes its state
            if file.name not in NOT_SHOWN and not file.name.startswith("."):
                stat = file.stat()
                yield str(file), stat.st_mtime_ns, stat.st_size


if __name__ == "__main__":
    follow(sys.argv[1], sys.argv[2])

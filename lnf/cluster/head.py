"""One local Ray head per workflow: started on first need, watched by a supervisor, gone soon after its owner.

The owner is the snakemake process ($LNF_OWNER, see lnf.system.processes). The first client takes a lock and starts
`python -m lnf.cluster.head`, detached. That supervisor runs `ray start --head --block` on the loopback interface and
writes `.lnf/ray/OWNER/head.json`. When the owner or the head is gone it kills every process that carries the head's
mark. If the supervisor itself was killed, the kernel ends `ray start`, and the next client sweeps up the rest. With
RAY_ADDRESS set none of this happens. This file does not import Ray.
"""

import contextlib
import ctypes
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil

from lnf.errors import UserError
from lnf.system.files import try_read_json, write_json
from lnf.system.locks import locked
from lnf.system.processes import alive, kill_marked, marked, owner_folder, process_identity

MARK = "LNF_RAY_MARK"
PARTS = ("gcs/gcs_server", "raylet/raylet")
FOLDER_PREFIX = "lnf-ray-"
RAY_FOLDER = "r"  # below the private folder, because Ray opens its own to all users
START_LIMIT_S = 90.0
OBJECT_STORE_BYTES = 100 * 2**20  # runs exchange file names only; Ray's own default is a third of the memory
LONGEST_FOLDER = 40  # Ray puts sockets below it, whose paths may have 107 bytes
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h


@dataclass(frozen=True)
class Head:
    """A Ray head: where it listens, its private folder, the mark of its processes, who supervises it.

    `address` is empty while it starts. `supervisor` is empty for a cluster that is not ours ($RAY_ADDRESS).
    """

    address: str
    folder: str = ""
    mark: str = ""
    supervisor: str = ""

    @property
    def ours(self) -> bool:
        """Whether this workflow started it."""
        return self.supervisor != ""


def connect(identity: str) -> Head:
    """The head to use: the user's ($RAY_ADDRESS), or the one of the owner `identity`, started if there is none.

    Raises UserError if it does not start.
    """
    if address := os.environ.get("RAY_ADDRESS"):
        return Head(address)
    state = owner_folder("ray", identity)
    with locked(state / "lock", START_LIMIT_S + 10, "ray: another client is starting the local head"):
        head = _read(state)
        if head is not None and head.address and alive(head.supervisor):
            return head
        sweep()
        return _start(state, identity)


def lost(head: Head, identity: str) -> bool:
    """Whether a head of ours is dead or about to be. Always False for the user's own cluster."""
    return head.ours and (not alive(head.supervisor) or _read(owner_folder("ray", identity)) != head)


def wait_gone(identity: str, seconds: float) -> bool:
    """Wait for the head of an owner that is gone to be gone too; whether it is."""
    end = time.monotonic() + seconds
    while owner_folder("ray", identity).exists() and time.monotonic() < end:
        time.sleep(0.05)
    return not owner_folder("ray", identity).exists()


def whole(head: Head) -> bool:
    """Whether every part of a head of ours is a living process."""
    running = []
    for process in marked(MARK, head.mark):
        with contextlib.suppress(psutil.Error):  # ended meanwhile
            running.append("".join(process.cmdline()[:1]))
    return all(any(command.endswith(part) for command in running) for part in PARTS)


def client_environment(identity: str, head: Head) -> dict[str, str]:
    """The environment of a process that talks to `head`. The user's own variables are left alone on a cluster."""
    environment = dict(os.environ)
    if head.ours:
        environment |= _local_environment(owner_folder("ray", identity) / "token")
        environment.pop("RAY_AUTH_TOKEN", None)  # it would win over the token file
    return environment


def _local_environment(token: Path) -> dict[str, str]:
    return {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token.absolute()),
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # the one switch that keeps Ray on 127.0.0.1, on Linux too
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_worker_niceness": "0",
        "RAY_task_oom_retries": "3",
    }


def sweep() -> None:
    """Remove what heads of this machine left behind whose supervisor was killed."""
    for folder in owner_folder("ray", "x").parent.glob(owner_folder("ray", "").name + "*"):
        head = _read(folder)
        gone = not alive(folder.name.removeprefix(owner_folder("ray", "").name).replace("-", ":"))
        if head is not None and not alive(head.supervisor):
            _remove(folder, head)
            head = None
        if gone and head is None:
            shutil.rmtree(folder, ignore_errors=True)


def _read(state: Path) -> Head | None:
    said = try_read_json(state / "head.json")
    return None if said is None else Head(**said)


def _start(state: Path, identity: str) -> Head:
    """Start a supervisor and wait for its head. The caller holds the lock."""
    with (state / "head.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "lnf.cluster.head", identity],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    end = time.monotonic() + START_LIMIT_S
    while process.poll() is None and time.monotonic() < end:
        head = _read(state)
        if head is not None and head.address:
            return head
        time.sleep(0.05)
    process.terminate()  # nothing happens if it has ended by itself
    lines = [
        line for line in (state / "head.log").read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()
    ]
    raise UserError(f"ray: the local head did not start: {lines[-1] if lines else 'no output'} (see {state}/head.log)")


def supervise(identity: str) -> None:
    """Run a head for as long as the owner and the head live. Runs in a process of its own, in the project folder."""
    state = owner_folder("ray", identity)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if sys.platform == "linux":  # orphans of the head become ours, so that no defunct process stays where init is lazy
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX))
    head = Head("", str(folder), secrets.token_hex(16), process_identity(os.getpid()))
    try:
        write_json(state / "head.json", asdict(head))
        child = _ray_start(state, head)
        while child.poll() is None and alive(identity):
            if not head.address and (listening := folder / RAY_FOLDER / "ray_current_cluster").exists():
                head = replace(head, address=listening.read_text(encoding="utf-8").strip())
                write_json(state / "head.json", asdict(head))
            _wait(child, 1.0 if head.address else 0.05)
    finally:
        _remove(state, head)
        if not alive(identity):
            shutil.rmtree(state, ignore_errors=True)


def _ray_start(state: Path, head: Head) -> "subprocess.Popen[bytes]":
    if len(head.folder.encode()) > LONGEST_FOLDER:
        raise UserError(f"TMPDIR: {head.folder} is too long for Ray's sockets; set it to a shorter folder")
    token = state / "token"
    if not token.exists():  # all heads of one owner share it, for a client process reads it only once
        # Its own mode, not a umask, which workers would inherit: what they write is the user's to share.
        with os.fdopen(os.open(token, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
            stream.write(secrets.token_hex(32))
    environment = os.environ | _local_environment(token) | {MARK: head.mark}
    environment["SPT_NOENV"] = "1"  # else Ray's process titles overwrite the environment, and with it the mark
    for name in ("RAY_AUTH_TOKEN", "LNF_OWNER"):
        environment.pop(name, None)
    options = ["--head", "--block", "--node-ip-address=127.0.0.1", "--port=0", "--include-dashboard=false",
               "--disable-usage-stats", "--no-monitor", "--include-log-monitor=false",
               f"--object-store-memory={OBJECT_STORE_BYTES}", f"--temp-dir={head.folder}/{RAY_FOLDER}"]  # fmt: skip
    command = [sys.executable, "-c", "from ray.scripts.scripts import main; main()", "start", *options]
    return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, preexec_fn=_die_with_parent())


def _die_with_parent() -> Callable[[], None] | None:
    """What the child does before exec, so that the kernel ends it when the supervisor is killed (Linux only)."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _wait(child: "subprocess.Popen[bytes]", seconds: float) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(seconds)


def _remove(state: Path, head: Head) -> None:
    """Make the head unknown to clients, then end all its processes and remove its folder."""
    current = _read(state)
    if current is not None and current.supervisor == head.supervisor:
        (state / "head.json").unlink(missing_ok=True)
    kill_marked(MARK, head.mark)
    if Path(head.folder).name.startswith(FOLDER_PREFIX):
        shutil.rmtree(head.folder, ignore_errors=True)


if __name__ == "__main__":
    supervise(sys.argv[1])

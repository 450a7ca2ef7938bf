"""A Ray on this machine for one workflow: private, on the loopback interface, gone with the driver."""

import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

PREFIX = "snakemake-ray-"
LONGEST = 45
"""Bytes of the folder's path: Ray puts sockets below it, whose paths may have 107."""
OBJECT_STORE_BYTES = 80 * 2**20  # jobs exchange files, not objects; Ray's own default is a third of the memory


def private_folder() -> Path:
    """A new folder that only this user can read. Raises ValueError where its path is too long for Ray's sockets."""
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    if len(os.fsencode(folder)) > LONGEST:
        folder.rmdir()
        raise ValueError(f"TMPDIR: {folder} is too long for Ray's sockets; set TMPDIR to a shorter folder")
    return folder


def environment(folder: Path, inherited: Mapping[str, str]) -> dict[str, str]:
    """The environment of a local Ray: no variable of another Ray, a token of its own, the loopback interface."""
    token = folder / "token"
    with os.fdopen(os.open(token, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
        stream.write(secrets.token_hex(32))
    return without_ray(inherited) | {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # the one switch that keeps Ray on 127.0.0.1, on Linux too
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_worker_niceness": "0",
        "RAY_task_oom_retries": "0",
    }


def without_ray(variables: Mapping[str, str]) -> dict[str, str]:
    """Environment variables without those that Ray reads."""
    return {name: value for name, value in variables.items() if not name.startswith("RAY_")}


def sweep() -> None:
    """Remove the folders of drivers that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        pid = folder.name.removeprefix(PREFIX).partition("-")[0]
        with contextlib.suppress(OSError):
            if pid.isdecimal() and folder.stat().st_uid == os.getuid() and not _alive(int(pid)):
                shutil.rmtree(folder, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

"""Processes by identity (pid and start time), and the killing of all that carry a mark in their environment."""

import os
import socket
import time
from pathlib import Path

import psutil

from lnf.errors import UserError


def process_identity(pid: int) -> str:
    """`pid:start` of a living process, which no later process with the same pid shares.

    `start` is in clock ticks since boot where the kernel tells it (it does not move with the wall clock), else in
    milliseconds since 1970. Raises ProcessLookupError if there is no such process or only its exit status is left.
    """
    stat = Path(f"/proc/{pid}/stat")
    try:
        if Path("/proc/self/stat").exists():
            fields = (
                stat.read_text(encoding="utf-8").rpartition(")")[2].split()
            )  # the name before the bracket may hold anything
            state, start = fields[0], fields[19]
        else:
            process = psutil.Process(pid)
            state = "Z" if process.status() == psutil.STATUS_ZOMBIE else "R"
            start = str(round(process.create_time() * 1000))
    except (OSError, psutil.Error) as problem:
        raise ProcessLookupError(f"no process {pid}") from problem
    if state in "ZX":
        raise ProcessLookupError(f"process {pid} has ended")
    return f"{pid}:{start}"


def alive(identity: str) -> bool:
    """Whether the very process that `process_identity` named is still running on this machine."""
    try:
        return process_identity(int(identity.partition(":")[0])) == identity
    except ProcessLookupError:
        return False


def owner() -> str:
    """The identity of the workflow that this process works for: $LNF_OWNER (the Snakefile exports it), else itself.

    Raises UserError if $LNF_OWNER is malformed or names a process that is gone.
    """
    identity = os.environ.get("LNF_OWNER")
    if identity is None:
        return process_identity(os.getpid())
    pid, _, start = identity.partition(":")
    if not (pid.isdecimal() and start.isdecimal()):
        raise UserError(f"LNF_OWNER: {identity!r} is not PID:STARTTIME; unset it")
    if not alive(identity):
        raise UserError(f"LNF_OWNER: the workflow {identity} is gone; unset LNF_OWNER, or start the workflow again")
    return identity


def owner_folder(kind: str, identity: str) -> Path:
    """`.lnf/KIND/HOST-PID-START` below the working directory: what an owner keeps there. The host's name is in it,
    because a project folder may be shared by machines whose process numbers mean nothing to each other."""
    return Path(".lnf", kind, f"{socket.gethostname()}-{identity.replace(':', '-')}")


def marked(name: str, value: str) -> list[psutil.Process]:
    """The living processes of this user that have `name=value` in their environment, this one excepted."""
    found = []
    for process in psutil.process_iter():
        try:
            carries = process.pid != os.getpid() and process.environ().get(name) == value
            if carries and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):  # ended meanwhile, or another user's
            continue
    return found


def kill_marked(name: str, value: str, wait_s: float = 20.0) -> None:
    """Kill what `marked` finds until nothing is found, for children may be born meanwhile; at most `wait_s`."""
    end = time.monotonic() + wait_s
    while (found := marked(name, value)) and time.monotonic() < end:
        for process in found:
            try:
                process.kill()
            except psutil.Error:  # ended meanwhile
                continue
        psutil.wait_procs(found, timeout=1.0)
    while True:  # what has ended already and was left to this process
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                return
        except ChildProcessError:
            return

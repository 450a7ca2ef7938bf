"""Processes by identity (pid and start time), on this machine and on others that share a folder with it."""

import os
import resource
import socket
import sys
from dataclasses import dataclass
from pathlib import Path


def process_identity(pid: int) -> str:
    """`pid:start` of a living process, which no later process with the same pid shares.

    `start` is in clock ticks since boot where the kernel gives it (it does not move with the wall clock), else in
    milliseconds since 1970. Raises ProcessLookupError if there is no such process or only its exit status is left.
    """
    state, start = _from_proc(pid) if Path("/proc/self/stat").exists() else _without_proc(pid)
    if state in "ZX":
        raise ProcessLookupError(f"process {pid} has ended")
    return f"{pid}:{start}"


def _from_proc(pid: int) -> tuple[str, str]:
    """State and start of a process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError as problem:
        raise ProcessLookupError(f"no process {pid}") from problem
    fields = stat.rpartition(")")[2].split()  # the name before the bracket may hold anything
    return fields[0], fields[19]


def _without_proc(pid: int) -> tuple[str, str]:
    """The same on other systems; without psutil, which a single run can do without, no start."""
    try:
        import psutil
    except ImportError:
        os.kill(pid, 0)
        return "R", "0"
    try:
        process = psutil.Process(pid)
        return "Z" if process.status() == psutil.STATUS_ZOMBIE else "R", str(round(process.create_time() * 1000))
    except psutil.Error as problem:
        raise ProcessLookupError(f"no process {pid}") from problem


def alive(identity: str) -> bool:
    """Whether the very process that `process_identity` named is still running on this machine."""
    pid = identity.partition(":")[0]
    try:
        return pid.isdecimal() and process_identity(int(pid)) == identity
    except ProcessLookupError:
        return False


def owner_folder(kind: str, identity: str) -> Path:
    """`.lnf/KIND/HOST-PID-START` below the working directory: what an owner keeps there. The host's name is in it,
    because a project folder may be shared by machines whose process numbers mean nothing to each other."""
    return Path(".lnf", kind, f"{socket.gethostname()}-{identity.replace(':', '-')}")


@dataclass(frozen=True)
class Holder:
    """A process as other machines and containers identify it: its identity, its host's name, the start of its kernel,
    and its namespace of process numbers; empty where that is not known.
    """

    identity: str
    host: str = ""
    boot: str = ""
    namespace: str = ""

    @classmethod
    def of(cls, pid: int) -> "Holder":
        """A living process of this machine."""
        return cls(process_identity(pid), socket.gethostname(), _boot(), _namespace())

    @classmethod
    def parse(cls, text: str) -> "Holder":
        """A process from what `str` made of it."""
        return cls(*text.split(" ")[:4])

    def __str__(self) -> str:
        return " ".join([self.identity, self.host, self.boot, self.namespace])

    @property
    def name(self) -> str:
        """Its number and, if it runs elsewhere, where."""
        place = "" if self.seen else f" on {self.host or 'another host'}"
        return f"process {self.identity.partition(':')[0]}{place}"

    @property
    def seen(self) -> bool:
        """Whether this process sees it, if it lives: it has the same kernel and namespace."""
        return (self.host, self.boot, self.namespace) == (socket.gethostname(), _boot(), _namespace())

    @property
    def of_this_machine(self) -> bool:
        """Whether it ran on this kernel, or on a machine of this name."""
        return self.host == socket.gethostname() or (self.boot != "" and self.boot == _boot())

    @property
    def may_live(self) -> bool:
        """Whether it may be alive: nobody knows of one that is not seen."""
        return not self.seen or alive(self.identity)


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid").replace(" ", "")
    except OSError:
        return ""


def peak_bytes() -> int:
    """The most memory that this process had. On Linux `getrusage` counts what its parent had when it began."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = [line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

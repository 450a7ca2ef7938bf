"""Where a result comes from: revision, machine, versions."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

import torch

GIT_LIMIT_S = 60.0  # a repository on a file server may be slow; one that hangs must hold up no run
PACKAGES = ("torch", "numpy", "numba", "pyarrow", "ray", "snakemake", "mlflow")


def revision() -> str:
    """The git revision of the sources, with "+" if the working tree differs; "unknown" outside a checkout."""
    folder = Path(__file__).parent
    try:
        head = _git(folder, "rev-parse", "HEAD")
        return head + ("+" if _git(folder, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def machine() -> dict[str, str | int]:
    """Processor, cores that this process may use, memory in GiB, and the GPU if there is one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    facts: dict[str, str | int] = {"system": platform.platform(), "processor": _processor(), "cores": cores}
    if torch.cuda.is_available():
        facts["gpu"] = torch.cuda.get_device_name()
    return facts


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that a result may depend on; those not installed are left out."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=folder, check=True, capture_output=True, encoding="utf-8", errors="replace",
        timeout=GIT_LIMIT_S,
    ).stdout.strip()  # fmt: skip

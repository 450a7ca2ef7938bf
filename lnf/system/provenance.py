"""Where a result comes from: revision, machine, versions."""

import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

GIT_LIMIT_S = 60.0  # a repository on a file server may be slow; one that hangs must hold up no run
UNKNOWN = "unknown"
PACKAGES = ("torch", "numpy", "numba", "pyarrow", "ray", "snakemake", "mlflow")


@dataclass(frozen=True)
class Revision:
    """A commit, "unknown" without one, and why it does not say what the sources were; no problems: it does."""

    commit: str
    problems: list[str]

    @property
    def text(self) -> str:
        """The commit, with "+" if it has problems; "unknown" without one."""
        return f"{self.commit}+" if self.problems and self.commit != UNKNOWN else self.commit


def revision(root: Path, sources: Sequence[Path] | None = None) -> Revision:
    """The commit of the project in the folder `root`, and each of the `sources` that is not in it as it is here.

    It counts only if `root` is the top of the repository: another project's may lie above, and git's variables, which a
    hook sets, may name one. Without `sources`, all that git knows is compared.
    """
    try:
        top, commit = (git(root, "rev-parse", wanted) for wanted in ("--show-toplevel", "HEAD"))
        if Path(top).resolve() != root.resolve():
            return Revision(UNKNOWN, [f"{root} is in no git repository of its own: {top} is another project's"])
        return Revision(commit, list(_problems(root, sources)))
    except OSError:
        return Revision(UNKNOWN, ["git is not installed"])
    except subprocess.CalledProcessError as problem:
        said = problem.stderr.strip().splitlines() or [f"git ended with status {problem.returncode}"]
        return Revision(UNKNOWN, [f"{root}: {said[0]}"])
    except subprocess.SubprocessError as problem:
        return Revision(UNKNOWN, [f"git: {problem}"])


def _problems(root: Path, sources: Sequence[Path] | None) -> Iterator[str]:
    if sources is None:
        for name in filter(None, git(root, "diff", "--name-only", "-z", "HEAD").split("\0")):
            yield f"{name} differs from the commit"
        return
    inside = {path: path.resolve() for path in sources}
    names = {
        path: real.relative_to(root.resolve()).as_posix() for path, real in inside.items() if _is_below(real, root)
    }
    yield from (f"{path} is outside the project" for path in sources if path not in names)
    wanted = sorted(set(names.values()))
    asked = ["--", *wanted]
    known = set(git(root, "ls-tree", "-r", "--name-only", "-z", "HEAD", *asked).split("\0"))
    changed = set(git(root, "diff", "--name-only", "-z", "HEAD", *asked).split("\0"))
    yield from (f"{name} is not in the commit" for name in wanted if name not in known)
    yield from (f"{name} differs from the commit" for name in wanted if name in known & changed)


def _is_below(path: Path, folder: Path) -> bool:
    return path.is_relative_to(folder.resolve())


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


def git(folder: Path, *arguments: str) -> str:
    """What git says of the repository around a folder, whatever git's variables name. Raises FileNotFoundError without
    git, and CalledProcessError if it fails.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(
        ["git", "--literal-pathspecs", "-C", str(folder), *arguments], check=True, capture_output=True,
        encoding="utf-8", errors="replace", timeout=GIT_LIMIT_S, env={**environment, "GIT_OPTIONAL_LOCKS": "0"},
    )  # fmt: skip
    return done.stdout.strip()

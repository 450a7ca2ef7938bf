"""The wish that a run leave its state at its next step and stop, in the process that trains it."""

from pathlib import Path

_asked: set[Path] = set()


def ask_to_stop(run_dir: Path) -> None:
    """Have whatever trains this run in this process stop. A signal's handler may call it."""
    _asked.add(run_dir)


def asked_to_stop(run_dir: Path) -> bool:
    """Whether someone asked."""
    return run_dir in _asked


def take_back(run_dir: Path) -> None:
    """Let the run go on, when it is started again."""
    _asked.discard(run_dir)

"""The wish that a run leave its state at its next step and stop: a file, for it must reach a worker on any machine."""

from pathlib import Path


def ask_to_stop(run_dir: Path) -> None:
    """Have whatever trains this run stop."""
    _file(run_dir).parent.mkdir(parents=True, exist_ok=True)
    _file(run_dir).touch()


def asked_to_stop(run_dir: Path) -> bool:
    """Whether someone asked."""
    return _file(run_dir).exists()


def take_back(run_dir: Path) -> None:
    """Let the run go on, when it is started again."""
    _file(run_dir).unlink(missing_ok=True)


def _file(run_dir: Path) -> Path:
    return run_dir / "state" / "stop"

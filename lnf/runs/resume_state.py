"""A run's directory while it trains: resume state, history and progress, under RUN/state and never declared outputs.

epoch.pt       the state at the start of an epoch: what a diverging run goes back to
step.pt        a later state inside that epoch, written every few minutes
history.jsonl  one line an epoch      progress.json  for whoever watches      run.json  what is running
"""

import json
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lnf.system.files import replacing, write_json

State = dict[str, Any]
PROGRESS_SECONDS = 1.0


@dataclass
class RunState:
    """Files of RUN/state, for the run that the digests identify."""

    folder: Path
    digests: dict[str, str]
    last_progress: float = 0.0

    def resume(self, device: torch.device) -> State | None:
        """The latest state, or None; a state of other digests is discarded with one line."""
        epoch, step = self._read("epoch.pt", device), self._read("step.pt", device)
        state = step if step is not None and epoch is not None and step["epoch"] == epoch["epoch"] else epoch
        if state is None:
            return None
        if state["digests"] != self.digests:
            changed = ", ".join(key for key in self.digests if state["digests"].get(key) != self.digests[key])
            print(f"{self.folder}: the {changed} changed since this state was written; starting anew", flush=True)
            self.clear()
            return None
        return state

    def good(self, device: torch.device) -> State:
        """The state at the start of the current epoch."""
        state = self._read("epoch.pt", device)
        assert state is not None, "written before the first batch"
        return state

    def save(self, state: State, name: str) -> None:
        """Write epoch.pt or step.pt, and the history beside it; a new epoch.pt outdates any step.pt."""
        if name == "epoch.pt":
            (self.folder / "step.pt").unlink(missing_ok=True)
        with replacing(self.folder / name) as scratch:
            torch.save({**state, "digests": self.digests}, scratch)
        with replacing(self.folder / "history.jsonl") as scratch:
            scratch.write_text("".join(json.dumps(row) + "\n" for row in state["history"]), encoding="utf-8")

    def progress(self, values: dict[str, Any], at_once: bool = False) -> None:
        """Write progress.json, at most once a second."""
        now = time.monotonic()
        if at_once or now - self.last_progress >= PROGRESS_SECONDS:
            self.last_progress = now
            write_json(self.folder / "progress.json", values)

    def clear(self) -> None:
        """Remove the resume state; the lock and what a watcher reads stay."""
        for name in ("epoch.pt", "step.pt", "history.jsonl", "progress.json"):
            (self.folder / name).unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the folder: the run has finished."""
        doomed = self.folder.with_name(f".state.{os.getpid()}")
        self.folder.rename(doomed)
        shutil.rmtree(doomed)

    def _read(self, name: str, device: torch.device) -> State | None:
        path = self.folder / name
        if not path.exists():
            return None
        state: State = torch.load(path, map_location=device, weights_only=True)
        return state

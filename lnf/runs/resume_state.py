"""A run's directory while it trains: resume state, history and progress, under RUN/state and never declared outputs.

epoch.pt         the state at the start of an epoch: what a diverging run goes back to
epoch.before.pt  the one before it, should epoch.pt be damaged
step.pt          a later state inside the epoch, written every few minutes
history.jsonl  one line an epoch      progress.json  for the display           run.json  what is running
"""

import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from lnf.errors import UserError
from lnf.system.files import Damaged, replacing, tell, write_json
from lnf.system.sealed import read_document, write_document

State = dict[str, Any]
PROGRESS_SECONDS = 1.0
EPOCHS = ("epoch.pt", "epoch.before.pt")
"""States at the start of an epoch, the latest first."""


@dataclass
class RunState:
    """Files of RUN/state, for the run that the digests identify."""

    folder: Path
    digests: dict[str, str]
    began: float = field(default_factory=time.monotonic)
    last_progress: float = 0.0

    def resume(self, device: torch.device) -> State | None:
        """The latest whole state, or None; a damaged one, and one of other digests, is discarded with one line."""
        state = next(self._whole(("step.pt", *EPOCHS), device), None)
        if state is None:
            return None
        if state["digests"] != self.digests:
            changed = ", ".join(key for key in self.digests if state["digests"].get(key) != self.digests[key])
            print(f"{self.folder}: the {changed} changed since this state was written; starting again", flush=True)
            self.clear()
            return None
        return state

    def good(self, device: torch.device) -> State:
        """The state at the start of the current epoch, or of the one before if that one is damaged.

        Raises UserError if neither is whole.
        """
        for state in self._whole(EPOCHS, device):
            return state
        raise UserError(f"{self.folder}: no whole state is left; the same command starts from the beginning")

    def save(self, state: State, name: str) -> None:
        """Write epoch.pt or step.pt, and the history next to it. A new epoch.pt outdates any step.pt, and the one that
        it follows is kept.
        """
        if name == "epoch.pt":
            new = self.folder / "epoch.new.pt"
            write_document(new, {**state, "digests": self.digests})
            (self.folder / "step.pt").unlink(missing_ok=True)
            if (self.folder / name).exists():
                os.replace(self.folder / name, self.folder / "epoch.before.pt")
            os.replace(new, self.folder / name)
        else:
            write_document(self.folder / name, {**state, "digests": self.digests})
        with replacing(self.folder / "history.jsonl") as scratch:
            scratch.write_text("".join(json.dumps(row) + "\n" for row in state["history"]), encoding="utf-8")

    def progress(
        self, message: str, fraction: float | None, seconds: float | None = None, at_once: bool = False, **more: Any
    ) -> None:
        """Write progress.json, at most once a second.

        `fraction` of the work took `seconds`, or all the time since this object was made, and the rest is thought to
        take as long; None: nobody knows how much is done. `more` goes into the file.
        """
        now = time.monotonic()
        if not at_once and now - self.last_progress < PROGRESS_SECONDS:
            return
        self.last_progress = now
        values = {"message": message, **more}
        if fraction:
            used = now - self.began if seconds is None else seconds
            values |= {"fraction": fraction, "seconds_left": used * (1 - fraction) / fraction}
        write_json(self.folder / "progress.json", values, durable=False)

    def clear(self) -> None:
        """Remove the resume state; the lock and what a watcher reads stay."""
        for name in ("step.pt", *EPOCHS, "history.jsonl", "progress.json"):
            (self.folder / name).unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the folder: the run has finished."""
        doomed = self.folder.with_name(f".state.{os.getpid()}")
        self.folder.rename(doomed)
        shutil.rmtree(doomed)

    def _whole(self, names: Sequence[str], device: torch.device) -> Iterator[State]:
        """The states of these names that are there and whole; one line reports each that is damaged."""
        for name in names:
            try:
                yield read_document(self.folder / name, device, then="training goes on from the state before it")
            except FileNotFoundError:
                continue
            except Damaged as damaged:
                tell(damaged)

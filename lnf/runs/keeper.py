"""Keeps a training run: its files under RUN/state while it trains, requests to stop, progress.

epoch.pt         the state at the start of an epoch: what a diverging run goes back to
epoch.before.pt  the one before it, should epoch.pt be damaged
step.pt          a later state inside the epoch, written every few minutes
history.jsonl    one line an epoch      progress.json  for the display           run.json  what is running
monitor.jsonl    norms, seconds, memory (lnf.runs.monitor)
"""

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch

from lnf.errors import Stopped, UserError
from lnf.runs.monitor import Monitor
from lnf.runs.progress import ProgressFile, asked_to_stop, take_back
from lnf.runs.state import Saved, State
from lnf.runs.totals import Diverged
from lnf.system.files import Damaged, replacing, tell
from lnf.system.sealed import read_document, write_document

EPOCHS = ("epoch.pt", "epoch.before.pt")
"""States at the start of an epoch, the latest first."""


class Keeper:
    """Keeps the run in a folder; `digests` identify it, so that the state of another is not continued."""

    def __init__(self, run: Path, digests: Mapping[str, str]) -> None:
        self.run, self.folder, self.digests = run, run / "state", dict(digests)
        self.progress, self.monitor = ProgressFile(run), Monitor(run / "state")
        self._seconds_before = 0.0
        self._started = self._saved_at = time.monotonic()

    @property
    def seconds(self) -> float:
        """Wall time of the run so far, interruptions left out."""
        return self._seconds_before + time.monotonic() - self._started

    def resume(self, state: State) -> None:
        """Bring a new state to where the run was cut, or write it as the first."""
        saved = self.latest(state.device)
        if saved is None:
            self.save_epoch(state)
        else:
            state.load(saved)
            self._seconds_before, self._started = saved["seconds"], time.monotonic()
        self.monitor.begin()

    def save_epoch(self, state: State) -> None:
        """Write the state at the start of an epoch, and what was watched in the one before."""
        self.monitor.end_epoch(state.epoch - 1, state.steps, state.device)
        self.write({**state.saved(), "seconds": self.seconds}, "epoch.pt")

    def between_steps(self, state: State, norm: float) -> None:
        """A step was taken, by a gradient of that norm: save the state inside the epoch if its minutes have passed.
        Raises Stopped if the run was asked to stop.
        """
        self.monitor.step(norm)
        self.stop_if_asked(state)
        if time.monotonic() - self._saved_at > 60 * state.train.state_minutes:
            self._save_step(state)

    def stop_if_asked(self, state: State) -> None:
        """Save the state and raise Stopped, if the run was asked to stop."""
        if asked_to_stop(self.run):
            self._save_step(state)
            take_back(self.run)
            raise Stopped(f"{state.spec.key}: stopped in epoch {state.epoch + 1}; the same command goes on from there")

    def roll_back(self, state: State) -> None:
        """Back to the start of the epoch, with a smaller step. Raises Diverged when that was done too often."""
        if state.rollbacks >= state.train.max_rollbacks:
            raise Diverged
        self.monitor.begin()
        if state.go_back(self.good(state.device)):
            rate = state.plateau.learning_rate
            print(
                f"{state.spec.key}: epoch {state.epoch}: loss not finite; again with learning rate {rate:g}", flush=True
            )
            self.save_epoch(state)

    def report(self, state: State) -> None:
        """Write the progress, at most once a second."""
        epochs = state.train.epochs
        nll = state.history[-1]["valid_loss"] if state.history else state.totals.per_token("loss")
        fraction = (state.epoch + state.batch / state.batches) / epochs
        message = f"epoch {state.epoch + 1}/{epochs} loss {nll:.3f} nats"
        self.progress.write(message, fraction, self.seconds, epoch=state.epoch + 1)

    def latest(self, device: torch.device) -> Saved | None:
        """The latest whole state, or None; a damaged one, and one of other digests, is discarded with one line."""
        saved = next(self._whole(("step.pt", *EPOCHS), device), None)
        if saved is not None and saved["digests"] != self.digests:
            changed = ", ".join(key for key in self.digests if saved["digests"].get(key) != self.digests[key])
            print(f"{self.folder}: the {changed} changed since this state was written; starting again", flush=True)
            for name in ("step.pt", *EPOCHS, "history.jsonl", "monitor.jsonl", "progress.json"):
                (self.folder / name).unlink(missing_ok=True)
            return None
        return saved

    def good(self, device: torch.device) -> Saved:
        """The state at the start of the current epoch, or of the one before if that one is damaged.

        Raises UserError if neither is whole.
        """
        for saved in self._whole(EPOCHS, device):
            return saved
        raise UserError(f"{self.folder}: no whole state is left; the same command starts from the beginning")

    def write(self, saved: Saved, name: str) -> None:
        """Write epoch.pt or step.pt, and the history next to it. A new epoch.pt outdates any step.pt, and the one that
        it follows is kept.
        """
        sealed = {**saved, "digests": self.digests}
        if name == "epoch.pt":
            new = self.folder / "epoch.new.pt"
            write_document(new, sealed)
            (self.folder / "step.pt").unlink(missing_ok=True)
            if (self.folder / name).exists():
                os.replace(self.folder / name, self.folder / "epoch.before.pt")
            os.replace(new, self.folder / name)
        else:
            write_document(self.folder / name, sealed)
        with replacing(self.folder / "history.jsonl") as scratch:
            scratch.write_text("".join(json.dumps(row) + "\n" for row in saved["history"]), encoding="utf-8")

    def _save_step(self, state: State) -> None:
        self.write({**state.saved(), "seconds": self.seconds}, "step.pt")
        self._saved_at = time.monotonic()

    def _whole(self, names: Sequence[str], device: torch.device) -> Iterator[Saved]:
        """The states of these names that are there and whole; one line reports each that is damaged."""
        for name in names:
            try:
                yield read_document(self.folder / name, device, then="training goes on from the state before it")
            except FileNotFoundError:
                continue
            except Damaged as damaged:
                tell(damaged)

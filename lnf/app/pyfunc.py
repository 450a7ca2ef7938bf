"""A trained run as a model that `mlflow.pyfunc.load_model` loads, and whose `predict` draws sequences."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from lnf.kinds.base import kind_of
from lnf.kinds.piano import LOWEST_NOTE, Music
from lnf.models.base import Sampling
from lnf.runs import checkpoint, sampling


class Sampler:
    """Draws sequences from the model in a folder with model.pt."""

    def __init__(self, folder: Path) -> None:
        self.model, self.spec, _ = checkpoint.load(folder / "model.pt")

    def predict(self, model_input: Any, params: Mapping[str, Any] | None = None) -> list[Any]:
        """A sequence for each row of `model_input`, of the length that its column `length` says, else T ~ p(T).

        Texts; for music the MIDI notes that sound at each step; else lists of numbers. `params`: seed (0), temperature
        (1), greedy (False).
        Raises UserError for a length that the model does not know.
        """
        wish = {"seed": 0, "temperature": 1.0, "greedy": False, **(params or {})}
        rows = len(model_input)
        if "length" in getattr(model_input, "columns", ()):
            lengths = torch.tensor([int(length) for length in model_input["length"]])
        else:
            lengths = sampling.draw_lengths(self.model, rows, wish["seed"])
        how = Sampling(wish["temperature"], wish["greedy"])
        drawn = sampling.draw(self.model, lengths, wish["seed"], torch.device("cpu"), how)
        if self.model.vocabulary is not None:
            return self.model.texts(self.model.batch(drawn)) if drawn else []
        if not isinstance(kind_of(self.model.kind), Music):
            return [x.tolist() for x in drawn]
        return [[[LOWEST_NOTE + int(key) for key in step.nonzero()[0]] for step in x] for x in drawn]


def _load_pyfunc(path: str) -> Sampler:
    """MLflow's way in."""
    return Sampler(Path(path))

"""Golden vectors of the authors' code (tests/data/golden.npz) and their weights in our modules."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lnf.corpora.batches import CorpusShape, SequenceBatch
from lnf.models.base import SequenceModel, build_model
from lnf.spec import Spec
from tests.specs import tiny_spec

MAX_LENGTH = 9
ROWS = {
    "lstm": "lstm",
    "af_af": "af_af",
    "af_scf": "af_scf",
    "iaf_scf": "iaf_scf",
    "independent": "af_only",
    "af_af_affine": "af_af_affine",
    "af_none_nlsq": "af_none",
    "af_none_affine": "af_none_affine",
}
"""Row names of the file, and ours."""


@cache
def _file() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).parents[1] / "data" / "golden.npz") as data:
        return dict(data)


def entries() -> list[str]:
    """The entries `{text|music}.{row}` of the file."""
    return sorted({key.split("/")[0] for key in _file()})


@dataclass(frozen=True)
class Golden:
    """One entry: our model with the authors' weights, their inputs and their outputs (time first)."""

    model: SequenceModel
    batch: SequenceBatch
    inputs: dict[str, Tensor]
    expected: dict[str, Tensor]


def load(entry: str, dtype: torch.dtype) -> Golden:
    """Read an entry and put its weights into our modules."""
    kind, row = entry.split(".")
    arrays = {key.removeprefix(entry + "/"): value for key, value in _file().items() if key.startswith(entry + "/")}
    inputs, expected, weights = (
        {key.removeprefix(part): torch.from_numpy(value) for key, value in arrays.items() if key.startswith(part)}
        for part in ("input/", "expected/", "weights/")
    )
    width = weights["embedding.weight"].shape[0]
    shape = CorpusShape(kind, width, MAX_LENGTH, torch.zeros(MAX_LENGTH + 1))
    model = build_model(_spec(kind, row), shape).to(dtype)
    state = {name: value.to(dtype) for name, value in _ours(weights).items()}
    model.load_state_dict({**state, "log_p_length": model.log_p_length}, strict=True)
    mask_BT = torch.arange(8) < inputs["lengths"][:, None]
    x = inputs["x"].transpose(0, 1)
    batch = SequenceBatch(x.to(dtype) if kind == "music" else x, mask_BT)
    return Golden(model.eval(), batch, inputs, expected)


def _spec(kind: str, row: str) -> Spec:
    spec = tiny_spec(ROWS[row], kind=kind)
    layers = {"iaf_scf": 3, "af_none_nlsq": 1, "af_none_affine": 1}.get(row, 5)
    return spec.replace(model=spec.model.replace(latent=5, hidden=6, embedding=6, flow_layers=layers, flow_hidden=12))


def _ours(theirs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The authors' weights under our names; one-hot columns become rows of position tables."""
    ours: dict[str, Tensor] = {"emission.embedding": theirs["embedding.weight"]}
    for part, name in (("prior.lstm", "prior.context.lstm"), ("rnn", "lstm")):
        if f"{part}.weight_ih_l0" in theirs:
            ours |= _lstm(theirs, part, name, [""])
    for part in ("posterior.lstm", "decoder.lstm"):
        if f"{part}.weight_ih_l0" in theirs:
            ours |= _lstm(theirs, part, part, ["", "_reverse"])
    output = "decoder.output" if "decoder.output.0.weight" in theirs else "output"
    ours["emission.hidden.weight"] = theirs[f"{output}.0.weight"]
    ours["emission.hidden.bias"] = theirs[f"{output}.0.bias"]
    ours["emission.bias"] = theirs[f"{output}.1.bias"]
    for name in ("posterior.head.weight", "posterior.head.bias"):
        if name in theirs:
            ours[name] = theirs[name]
    return ours | _initial_state(theirs) | _flow(theirs)


def _initial_state(theirs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    if "prior.initial_state.0.weight" not in theirs:
        return {}
    return {
        "prior.context.initial_position.weight": theirs["prior.initial_state.0.weight"].T,
        "prior.context.initial_bias": theirs["prior.initial_state.0.bias"],
        "prior.context.initial_state.weight": theirs["prior.initial_state.2.weight"],
        "prior.context.initial_state.bias": theirs["prior.initial_state.2.bias"],
    }


def _flow(theirs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    ours: dict[str, Tensor] = {}
    independent = "prior.lstm.weight_ih_l0" not in theirs
    if "prior.head.weight" in theirs:
        ours["prior.flow.layers.0.context.weight"] = theirs["prior.head.weight"]
        ours["prior.flow.layers.0.bias"] = theirs["prior.head.bias"]
    for key, value in theirs.items():
        if not key.startswith("prior.flow."):
            continue
        _, _, layer, net, index, what = key.split(".")
        part = {"made": ["input", "hidden", "output"][int(index)] if net == "made" else ""}.get(net)
        part = part or ["input", "", "hidden", "", "output"][int(index)]
        prefix = f"prior.flow.layers.{layer}"
        if part == "input" and what == "weight":
            seen = 5 if net == "made" else 2
            ours[f"{prefix}.input.weight"] = value[:, :seen]
            ours[f"{prefix}.context.weight"] = value[:, seen:].T if independent else value[:, seen:]
        else:
            ours[f"{prefix}.{part}.{what}"] = value
    return ours


def _lstm(theirs: Mapping[str, Tensor], part: str, name: str, directions: list[str]) -> dict[str, Tensor]:
    ours: dict[str, Tensor] = {}
    for layer in range(2):
        for what in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            stacked = torch.stack([theirs[f"{part}.{what}_l{layer}{direction}"] for direction in directions])
            if what == "weight_ih" and layer == 0:
                inputs = stacked.shape[-1] - 2 * MAX_LENGTH
                ours[f"{name}.position.weight"] = stacked[:, :, inputs:].flatten(0, 1).T
                stacked = stacked[:, :, :inputs]
            ours[f"{name}.layers.{layer}.{what}"] = stacked
    return ours

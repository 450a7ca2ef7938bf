"""One measurement in a process of its own, from a line of JSON: seconds of each repetition, and the peak memory.

Run by path with another revision's lnf, it measures that one: it uses only what has long been there.
"""

import json
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch

from lnf.corpora.batches import CorpusShape, SequenceBatch, mask_of
from lnf.models.base import build_model
from lnf.models.objectives import objective
from lnf.spec import ModelSpec, Spec, TrainSpec
from lnf.system.processes import peak_bytes

PROFILED = 24
"""Operations that a profile shows."""
LEAST_S, MOST = 3.0, 50
"""Seconds that repetitions take together, so that a hiccup of the machine is no median, and how many there may be."""


def measure(asked: dict[str, Any]) -> dict[str, Any]:
    """{seconds: of each repetition, peak_mb, profile}. `asked`: spec, usual (defaults of its sections), shape, what,
    batch, samples, length, repeats (at least), threads, whether a GPU may take float32 as tfloat32, and whether one
    more repetition is profiled.
    """
    _settle(asked["threads"])
    torch.manual_seed(0)
    torch.set_float32_matmul_precision("high" if asked["tfloat32"] else "highest")
    spec, size = _spec(asked["spec"], asked["usual"]), asked["shape"]
    shape = CorpusShape(spec.kind, size["width"], size["max_length"], torch.full((size["max_length"] + 1,), -5.0))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = build_model(spec, shape).to(device)
    call = {"train": _training, "nll": _scoring, "sample": _sampling}[asked["what"]](model, spec, shape, asked, device)
    _seconds_of(call, device)  # warms up
    seconds: list[float] = []
    while len(seconds) < asked["repeats"] or (sum(seconds) < LEAST_S and len(seconds) < MOST):
        seconds.append(_seconds_of(call, device))
    peak = torch.cuda.max_memory_allocated(device) / 2**20 if device.type == "cuda" else peak_bytes() / 2**20
    profile = _profile(call, device) if asked["profile"] else None
    return {"seconds": seconds, "peak_mb": peak, "device": str(device), "profile": profile}


def _seconds_of(call: Callable[[], None], device: torch.device) -> float:
    start = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def _profile(call: Callable[[], None], device: torch.device) -> str:
    """Where the time of a call goes, by operation, as PyTorch's profiler sees it; it makes many small ones slower."""
    with torch.profiler.profile(activities=sorted(torch.profiler.supported_activities(), key=str)) as seen:
        call()
    table: str = seen.key_averages().table(sort_by=f"self_{device.type}_time_total", row_limit=PROFILED)
    return table


def _spec(values: dict[str, Any], usual: dict[str, Any]) -> Spec:
    """The spec. Another revision may lack a setting: where it has its `usual` value, that revision did no other."""
    known = {"model": ModelSpec.__annotations__, "train": TrainSpec.__annotations__}
    cut = {section: {key: value for key, value in values[section].items()
                     if key in names or value != usual[section][key]}
           for section, names in known.items()}  # fmt: skip
    others = {key: value for key, value in values.items() if key != "options"}  # the rows of the paper have none
    return Spec.from_dict({**others, **cut})


def _settle(threads: int) -> None:
    """As a run does; another revision's runs may ask for threads only."""
    try:
        from lnf.runs.machine import settle
    except ImportError:
        torch.set_num_threads(threads)
    else:
        settle(threads)


def _products(spec: Spec, device: torch.device) -> AbstractContextManager[object]:
    """The dtype of products that the spec asks for; another revision's may have none to choose."""
    precision = getattr(spec.model, "precision", "float32")
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def _training(
    model: Any, spec: Spec, shape: CorpusShape, asked: dict[str, Any], device: torch.device
) -> Callable[[], None]:
    """Forward, backward, clip, Adam."""
    optimizer = torch.optim.Adam(model.parameters(), 1e-4, fused=True)
    batch = _batch(spec, shape, asked).to(device)

    def step() -> None:
        with _products(spec, device):
            terms = objective(model.terms(batch, asked["samples"]), 0.5)
        (terms.loss_B / (batch.lengths_B + 1)).mean().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.25)
        optimizer.step()
        optimizer.zero_grad()

    model.train()
    return step


def _scoring(
    model: Any, spec: Spec, shape: CorpusShape, asked: dict[str, Any], device: torch.device
) -> Callable[[], None]:
    batch = _batch(spec, shape, asked).to(device)
    model.eval()

    @torch.no_grad()
    def score() -> None:
        with _products(spec, device):
            model.terms(batch, asked["samples"])

    return score


def _sampling(
    model: Any, spec: Spec, shape: CorpusShape, asked: dict[str, Any], device: torch.device
) -> Callable[[], None]:
    lengths_B = torch.full((asked["batch"],), asked["length"], device=device)
    noise = torch.Generator(device).manual_seed(0)
    model.eval()

    @torch.no_grad()
    def draw() -> None:
        model.sample(lengths_B, noise)

    return draw


def _batch(spec: Spec, shape: CorpusShape, asked: dict[str, Any]) -> SequenceBatch:
    mask_BT = mask_of(torch.full((asked["batch"],), asked["length"]))
    if spec.kind == "text":
        return SequenceBatch(torch.randint(shape.width, mask_BT.shape), mask_BT)
    return SequenceBatch((torch.rand(*mask_BT.shape, shape.width) < 0.05).float(), mask_BT)


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(sys.argv[1]))))

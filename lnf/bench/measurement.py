"""One measurement in a process of its own, told by a line of JSON: seconds of each repetition, and the peak memory.

Run by path, beside another revision's lnf, it measures that one: it uses what has long been there.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import torch

from lnf.corpora.batches import CorpusShape, SequenceBatch, mask_of
from lnf.models.build import build_model
from lnf.models.objectives import objective
from lnf.spec import Spec


def measure(told: dict[str, Any]) -> dict[str, Any]:
    """{seconds: of each repetition, peak_mb}. `told`: spec, shape, what, batch, samples, length, repeats, threads."""
    torch.set_num_threads(told["threads"])
    torch.manual_seed(0)
    spec, size = Spec.from_dict(told["spec"]), told["shape"]
    shape = CorpusShape(spec.kind, size["width"], size["max_length"], torch.full((size["max_length"] + 1,), -5.0))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = build_model(spec, shape).to(device)
    call = {"train": _training, "nll": _scoring, "sample": _sampling}[told["what"]](model, spec, shape, told, device)
    seconds = []
    for repeat in range(told["repeats"] + 1):
        start = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        if repeat:  # the first warms up
            seconds.append(time.perf_counter() - start)
    peak = torch.cuda.max_memory_allocated(device) / 2**20 if device.type == "cuda" else _peak_mb()
    return {"seconds": seconds, "peak_mb": peak, "device": str(device)}


def _training(
    model: Any, spec: Spec, shape: CorpusShape, told: dict[str, Any], device: torch.device
) -> Callable[[], None]:
    """Forward, backward, clip, Adam."""
    optimizer = torch.optim.Adam(model.parameters(), 1e-4, fused=True)
    batch = _batch(spec, shape, told).to(device)

    def step() -> None:
        terms = objective(model, batch, 0.5, told["samples"])
        (terms.loss_B / (batch.lengths_B + 1)).mean().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.25)
        optimizer.step()
        optimizer.zero_grad()

    model.train()
    return step


def _scoring(
    model: Any, spec: Spec, shape: CorpusShape, told: dict[str, Any], device: torch.device
) -> Callable[[], None]:
    batch = _batch(spec, shape, told).to(device)
    model.eval()

    @torch.no_grad()
    def score() -> None:
        model.terms(batch, told["samples"])

    return score


def _sampling(
    model: Any, spec: Spec, shape: CorpusShape, told: dict[str, Any], device: torch.device
) -> Callable[[], None]:
    lengths_B = torch.full((told["batch"],), told["length"], device=device)
    noise = torch.Generator(device).manual_seed(0)
    model.eval()

    @torch.no_grad()
    def draw() -> None:
        model.sample(lengths_B, noise)

    return draw


def _batch(spec: Spec, shape: CorpusShape, told: dict[str, Any]) -> SequenceBatch:
    mask_BT = mask_of(torch.full((told["batch"],), told["length"]))
    if spec.kind == "text":
        return SequenceBatch(torch.randint(shape.width, mask_BT.shape), mask_BT)
    return SequenceBatch((torch.rand(*mask_BT.shape, shape.width) < 0.05).float(), mask_BT)


def _peak_mb() -> float:
    """The most memory that this process had, in MiB."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(sys.argv[1]))))

"""What a job needs of a machine: threads, memory, and GPUs or a share of one."""

from collections.abc import Mapping
from typing import Any

from lnf.spec import Spec

PROCESS_GB = 0.6
"""A process with PyTorch and no model, with its Snakemake: 0.4 to 0.5 were measured."""
COPIES = 6
"""Of a model's numbers in memory: weights, gradients, two moments, the best and the average weights."""
MARGIN = 1.25
LONGEST = 1000
"""Steps of the longest sequence of a corpus that states no limit."""
PAPER_HIDDEN = 500
SMALL_GPU = 0.25
"""The share of a GPU that a model smaller than the paper's gets."""


LEAST: Mapping[str, Any] = {"cpus": 1, "memory_gb": 0.75, "gpus": 0.0, "gpus_if_any": False}
"""Of a job that is of no run."""


def needs_of(spec: Spec, longest: int | None, stage: str) -> dict[str, Any]:
    """Threads (`cpus`), `memory_gb` (GiB), `gpus`, and whether they are wanted only where there are some.

    `longest` is the limit of the steps of a sequence, if the corpus states one. `stage` is train, or one that only
    evaluates models.
    """
    resources = spec.resources
    auto = resources.gpus == "auto"
    share = 1.0 if spec.model.hidden >= PAPER_HIDDEN else SMALL_GPU
    memory = _memory_gb(spec, longest or LONGEST, stage) if resources.memory_gb == "auto" else resources.memory_gb
    return {
        "cpus": resources.cpus,
        "memory_gb": memory,
        "gpus": share if auto else resources.gpus,
        "gpus_if_any": auto,
    }


def model_bytes(spec: Spec) -> int:
    """A rough size of model.pt: six LSTM-layer pairs and the flow's networks, four bytes a number."""
    model = spec.model
    recurrent = 3 * model.layers * 8 * model.hidden * max(model.hidden, model.embedding)
    flow = 2 * model.flow_layers * model.flow_hidden * (model.hidden + model.flow_hidden + 5 * model.latent)
    return 4 * (recurrent + flow)


def _memory_gb(spec: Spec, longest: int, stage: str) -> float:
    """Activations at the longest sequences; `make bench` measures 120 kB a step of AF / AF at the paper's size."""
    model, train, evaluate = spec.model, spec.train, spec.evaluate
    layers = 2 * model.layers * model.hidden + model.flow_layers * (model.flow_hidden + model.latent)
    steps = longest * train.batch * train.elbo_samples
    validation = longest * train.valid_batch * train.elbo_samples
    evaluation = min(evaluate.memory_gb * 2**30, 4 * 28 * model.hidden * longest * train.valid_batch * evaluate.samples)
    held = max(4 * 11 * layers * max(steps, validation / 4), evaluation if stage != "train" else 0)
    return round(PROCESS_GB + MARGIN * (COPIES * model_bytes(spec) + held) / 2**30, 2)

"""What a run asks of a machine, its share of a GPU too, and whether any node can hold it."""

from collections.abc import Mapping, Sequence
from typing import Any

from lnf.errors import UserError

RETRIES = 3  # new workers on one head; the run goes on from its own state
PAPER_HIDDEN = 500
SMALL_GPU = 0.25


def amounts(resources: Mapping[str, Any]) -> str:
    """CPUs, GPUs and memory in words."""
    return f"cpus {resources['cpus']:g}, gpus {resources['gpus']}, memory {resources['memory_gb']:.3g} GB"


def task_options(
    label: str, resources: Mapping[str, Any], hidden: int, nodes: Sequence[Mapping[str, float]]
) -> dict[str, Any]:
    """Ray's options for a run's task. `gpus: auto` is a share that follows from the LSTMs' `hidden` units.

    Raises UserError if none of `nodes` (Ray's resources of each) can ever hold it.
    """
    wanted = dict(resources)
    if wanted["gpus"] == "auto":
        size = 1 if hidden >= PAPER_HIDDEN else SMALL_GPU
        wanted["gpus"] = size if any(node.get("GPU", 0) for node in nodes) else 0
    memory = int(wanted["memory_gb"] * 2**30)
    need = {"CPU": wanted["cpus"], "GPU": wanted["gpus"], "memory": memory}
    if not any(all(node.get(key, 0) >= amount for key, amount in need.items()) for node in nodes):
        have = sorted({amounts(_offer(node)) for node in nodes})
        raise UserError(f"{label}: resources: no node can hold {amounts(wanted)}; there are {'; '.join(have)}")
    # retry_exceptions: a diverged or broken run breaks again; only a worker's or node's death is retried.
    return {"num_cpus": wanted["cpus"], "num_gpus": wanted["gpus"], "memory": memory, "max_retries": RETRIES,
            "retry_exceptions": False}  # fmt: skip


def _offer(node: Mapping[str, float]) -> dict[str, Any]:
    gpus, memory_gb = f"{node.get('GPU', 0):g}", node.get("memory", 0) / 2**30
    return {"cpus": node.get("CPU", 0), "gpus": gpus, "memory_gb": memory_gb}

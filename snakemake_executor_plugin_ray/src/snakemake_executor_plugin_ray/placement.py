"""Whether a node can hold a job, and the options of its Ray task."""

from collections.abc import Mapping, Sequence
from typing import Any

GIB = 2**30
NODE_ID = "ray.io/node-id"
"""The label that Ray gives each node by itself."""

Node = Mapping[str, Any]
"""What `ray.nodes()` says of a node."""


class NoNode(Exception):
    """No node can ever hold a job."""


def options_of(wanted: Mapping[str, Any], nodes: Sequence[Node], unusable: Sequence[str]) -> dict[str, Any]:
    """The options of a job's task. Raises NoNode, in words, if no living node that is usable can hold it."""
    usable = [node["Resources"] for node in nodes if node["NodeID"] not in unusable]
    need = _need(wanted, usable)
    holding = [node for node in usable if all(node.get(name, 0) >= amount for name, amount in need.items())]
    if not holding:
        there = "; ".join(sorted({_words(node, need) for node in usable})) or "none"
        raise NoNode(f"no node can hold {_words(need, need)}; there are: {there}")
    if wanted["whole_node"]:
        need["CPU"] = max(node.get("CPU", 0) for node in holding)
    custom = {name: amount for name, amount in need.items() if name not in ("CPU", "GPU", "memory")}
    return {
        "num_cpus": need["CPU"],
        "num_gpus": need.get("GPU", 0),
        "memory": need.get("memory", 0),
        "resources": custom,
        "label_selector": {NODE_ID: f"!in({','.join(sorted(unusable))})"} if unusable else {},
        "max_retries": 0,  # the driver starts a lost job again, when nothing of it is left
        "retry_exceptions": False,
    }


def _need(wanted: Mapping[str, Any], nodes: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Ray's name of each resource -> how much of it. Custom resources count where a node declares them."""
    gpus = wanted["gpus"]
    if wanted["gpus_if_any"] and not any(node.get("GPU", 0) for node in nodes):
        gpus = 0
    custom = {name: amount for name, amount in wanted["custom"].items() if any(name in node for node in nodes)}
    cpus = 1 if wanted["whole_node"] else wanted["cpus"]
    need = {"CPU": cpus, "GPU": gpus, "memory": wanted["memory"], **custom}
    return {name: amount for name, amount in need.items() if amount or name == "CPU"}


def _words(resources: Mapping[str, float], named: Mapping[str, float]) -> str:
    """Amounts of the resources that are named, in words."""
    words = [f"{resources.get('CPU', 0):g} CPUs"]
    if "GPU" in named:
        words.append(f"{resources.get('GPU', 0):g} GPUs")
    if "memory" in named:
        words.append(f"{resources.get('memory', 0) / GIB:.3g} GiB of memory")
    others = [name for name in named if name not in ("CPU", "GPU", "memory")]
    return ", ".join([*words, *(f"{resources.get(name, 0):g} {name}" for name in others)])

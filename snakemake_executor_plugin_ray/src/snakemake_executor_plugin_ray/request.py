"""What a job asks of Ray: its name, its command, and its resources in Ray's words."""

import ast
import re
import shlex
from collections.abc import Mapping
from typing import Any

from snakemake_interface_executor_plugins.jobs import JobExecutorInterface

MIB = 2**20
WITHOUT_MEANING = ("mem", "disk", "runtime", "tmpdir", "_", "gpu", "ray_", "attempt")
"""Beginnings of the names of Snakemake's resources that are no custom resource of a Ray node."""

_LITERAL = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")


def name_of(job: JobExecutorInterface) -> str:
    """The name under which Ray's tools list a job: its rule and wildcards."""
    wildcards = getattr(job, "wildcards_dict", {})
    return " ".join([str(job.name), *(f"{name}={value}" for name, value in sorted(wildcards.items()))])


def shell_command(command: str) -> str:
    """A job's command as Snakemake formats it, for a shell.

    Snakemake quotes as Python does, and a shell expands `$` where Python wrote double quotes.
    """
    return _LITERAL.sub(lambda found: shlex.quote(ast.literal_eval(found[0])), command)


def resources_of(job: JobExecutorInterface) -> dict[str, Any]:
    """What a job asks for: `cpus`, `gpus`, `gpus_if_any`, `memory` (bytes), `whole_node`, and `custom` resources.

    `threads` are CPUs, `mem_mb` memory, `gpu` GPUs. `ray_gpu_percent` asks for that share of each GPU.
    With `ray_gpu_if_any=1` a job asks for its GPUs only if a node of the cluster has one; with `ray_whole_node=1` it
    has all CPUs of its node.
    """
    resources: Mapping[str, Any] = job.resources
    gpus = int(resources.get("gpu", 0)) * int(resources.get("ray_gpu_percent", 100)) / 100
    return {
        "cpus": job.threads,
        "gpus": gpus,
        "gpus_if_any": bool(resources.get("ray_gpu_if_any", 0)),
        "memory": int(resources.get("mem_mb", 0)) * MIB,
        "whole_node": bool(resources.get("ray_whole_node", 0)),
        "custom": {
            name: value
            for name, value in resources.items()
            if isinstance(value, int) and value > 0 and not name.startswith(WITHOUT_MEANING)
        },
    }

"""What a task asks of Ray, by a job's resources and the cluster's nodes."""

import shlex
from types import SimpleNamespace
from typing import Any

import pytest
from snakemake_executor_plugin_ray.placement import NODE_ID, NoNode, options_of
from snakemake_executor_plugin_ray.request import MIB, name_of, resources_of, shell_command

SMALL = {"NodeID": "a", "Alive": True, "Resources": {"CPU": 4, "memory": 1000 * MIB}}
LARGE = {"NodeID": "b", "Alive": True, "Resources": {"CPU": 8, "GPU": 2, "memory": 9000 * MIB, "tape": 1}}


def wanted(threads: int = 1, **resources: Any) -> dict[str, Any]:
    """The request of a job."""
    job: Any = SimpleNamespace(name="one", threads=threads, resources=resources)
    return resources_of(job)


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, {"num_cpus": 1, "num_gpus": 0, "memory": 0, "resources": {}}),
        ({"threads": 6, "mem_mb": 500}, {"num_cpus": 6, "memory": 500 * MIB}),
        ({"gpu": 1, "ray_gpu_percent": 25}, {"num_gpus": 0.25}),
        ({"gpu": 2}, {"num_gpus": 2}),
        ({"gpu": 1, "ray_gpu_if_any": 1}, {"num_gpus": 1}),
        ({"tape": 1, "licence": 3}, {"resources": {"tape": 1}}),
        ({"disk_mb": 10**9, "mem_mib": 10**9, "runtime": 10**6, "_nodes": 3, "tmpdir": "/tmp"}, {"resources": {}}),
        ({"ray_whole_node": 1}, {"num_cpus": 8}),
    ],
)
def test_options(resources: dict[str, Any], expected: dict[str, Any]) -> None:
    options = options_of(wanted(**resources), [SMALL, LARGE], [])
    assert {name: options[name] for name in expected} == expected
    assert options["max_retries"] == 0 and not options["label_selector"]


def test_a_gpu_that_no_node_has_is_not_asked_for_if_it_need_not_be_there() -> None:
    assert options_of(wanted(gpu=1, ray_gpu_if_any=1), [SMALL], [])["num_gpus"] == 0
    with pytest.raises(NoNode, match="no node can hold 1 CPUs, 1 GPUs; there are: 4 CPUs, 0 GPUs"):
        options_of(wanted(gpu=1), [SMALL], [])


def test_a_node_that_cannot_be_used_is_left_out() -> None:
    assert options_of(wanted(), [SMALL, LARGE], ["b"])["label_selector"] == {NODE_ID: "!in(b)"}
    with pytest.raises(NoNode, match="no node can hold 6 CPUs; there are: 4 CPUs"):
        options_of(wanted(6), [SMALL, LARGE], ["b"])
    with pytest.raises(NoNode, match="there are: none"):
        options_of(wanted(), [SMALL], ["a"])


def test_a_job_is_named_by_its_rule_and_wildcards() -> None:
    job: Any = SimpleNamespace(name="train", wildcards_dict={"seed": "1", "prior": "af"})
    assert name_of(job) == "train prior=af seed=1"


@pytest.mark.parametrize("text", ["plain", "it's", '$HOME "and" more', 'it\'s $HOME and "more"', "back\\slash", "a b"])
def test_a_shell_reads_what_snakemake_quoted(text: str) -> None:
    command = shell_command(f"{text!r} -m snakemake --files {text!r} {text!r} --cores 1")
    assert shlex.split(command) == [text, "-m", "snakemake", "--files", text, text, "--cores", "1"]

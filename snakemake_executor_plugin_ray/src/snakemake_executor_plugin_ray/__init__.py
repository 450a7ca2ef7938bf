"""Run the jobs of a Snakemake workflow on Ray: `snakemake --executor ray --jobs N`.

Jobs are Ray tasks, which Ray places on the nodes of a cluster by CPUs, GPUs and memory. Without a cluster, the plugin
starts Ray on this machine for the time of the workflow. Ray is imported by one child process of the workflow
(`driver`), never by Snakemake's own.
"""

from dataclasses import dataclass, field
from typing import Optional

from snakemake_interface_executor_plugins.settings import CommonSettings, ExecutorSettingsBase

from snakemake_executor_plugin_ray.executor import Executor as Executor


@dataclass
class ExecutorSettings(ExecutorSettingsBase):  # type: ignore[misc]  # likewise
    """Settings of the plugin; as options of Snakemake they begin with `--ray-`."""

    address: Optional[str] = field(  # noqa: UP045 - Snakemake understands no other
        default=None,
        metadata={
            "help": "Address of a running Ray cluster, HOST:PORT or [IPv6]:PORT. If it is not given, RAY_ADDRESS is "
            "used; without either, Ray is started on this machine, on the loopback interface, for this workflow."
        },
    )
    grace_seconds: int = field(
        default=30,
        metadata={
            "help": "How long cancelled jobs may take to end. Each job gets SIGINT at first, and SIGKILL after this."
        },
    )
    wait_for_nodes: int = field(
        default=0,
        metadata={
            "help": "How many seconds a job waits for a node that can hold it, for clusters that grow. By itself, a "
            "job that no node can hold fails at once."
        },
    )


common_settings = CommonSettings(
    non_local_exec=True,
    implies_no_shared_fs=False,
    job_deploy_sources=False,
    pass_default_storage_provider_args=True,
    pass_default_resources_args=True,
    pass_envvar_declarations_to_cmd=False,  # a command line can be read by everyone on the node
    auto_deploy_default_storage_provider=False,
    init_seconds_before_status_checks=0,
)

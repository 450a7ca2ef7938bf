"""The executor as Snakemake sees it: it describes jobs to the driver, a child process, and reports how they end."""

import asyncio
import os
import secrets
import signal
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from snakemake_interface_executor_plugins.jobs import JobExecutorInterface

from snakemake_executor_plugin_ray.driver_process import DriverProcess, Outcome
from snakemake_executor_plugin_ray.request import name_of, resources_of, shell_command

LOGS = Path(".snakemake", "ray_logs")
"""Below the working directory: what each job prints, RULE/WILDCARDS/JOBID.log, and what Ray says."""
RECORDS = Path(".snakemake", "ray_jobs")
"""Which process works at a job, in a folder for each workflow."""
LOOK_EVERY_S = 1.0
"""How often finished jobs are looked for if the driver says nothing."""


class Executor(RemoteExecutor):  # type: ignore[misc]  # the interface has no type hints for users
    """Runs each job, or group of jobs, as a Ray task."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self._changed = threading.Event()
        self._driver: DriverProcess | None = None
        self._threads: int | str = "all"
        self._cancelled = False
        super().__init__(*arguments, **named)  # which starts the thread that looks for finished jobs

    def __post_init__(self) -> None:
        """Prepare, without Ray: a workflow may have nothing to do."""
        if self.workflow.remote_execution_settings.immediate_submit:
            raise WorkflowError("The Ray executor does not support --immediate-submit: jobs end with the workflow.")
        self._address = self.executor_settings.address or os.environ.get("RAY_ADDRESS")
        if self._address:
            self._lift_the_limit_of_threads()

    @property
    def cores(self) -> int | str:
        """What the Snakemake of a job may use: the job's own threads."""
        return self._threads

    def get_python_executable(self) -> str:
        """The Python of the jobs' own Snakemake, quoted as Snakemake does (see `shell_command`)."""
        return repr(super().get_python_executable())

    def additional_general_args(self) -> str:
        """Have the Snakemake of a job say little but errors, so that the log is the job's."""
        return "--quiet rules progress host reason"

    def run_job(self, job: JobExecutorInterface) -> None:
        """Submit a job. The first one starts the driver."""
        if self._driver is None:
            self._driver = self._start()
        self._threads = job.threads
        request = {
            "job": f"{job.jobid}.{job.attempt}",
            "name": name_of(job),
            "command": shell_command(self.format_job_exec(job)),
            "log": str(self._log_of(job)),
            "resources": resources_of(job),
        }
        self.report_job_submission(SubmittedJobInfo(job, external_jobid=request["job"]))
        self._driver.submit(request)

    async def check_active_jobs(self, active_jobs: list[SubmittedJobInfo]) -> AsyncIterator[SubmittedJobInfo]:
        """Report the jobs that ended, and yield those that have not. A job that was cancelled has not failed."""
        for info in [] if self._cancelled else active_jobs:
            outcome = None if self._driver is None else self._driver.outcome(str(info.external_jobid))
            if outcome is None:
                yield info
            elif outcome.ok:
                self.report_job_success(info)
            else:
                self._report_failure(info, outcome)

    async def sleep(self) -> None:
        """Wait until a job ended, or for a second."""
        await asyncio.to_thread(self._changed.wait, LOOK_EVERY_S)
        self._changed.clear()

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        """Ask all jobs to stop, and wait for them; those that do not within the grace period are killed."""
        self._cancelled = True
        if self._driver is not None:
            self._driver.cancel(self.executor_settings.grace_seconds)

    def shutdown(self) -> None:
        """End the driver, and with it a Ray that was started for this workflow."""
        super().shutdown()
        if self._driver is not None:
            self._driver.close()

    def _start(self) -> DriverProcess:
        """Start the driver. From now on SIGTERM cancels as Ctrl-C does, for no scheduler waits for jobs to end."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.default_int_handler)
        settings = {
            "address": self._address or None,
            "cores": max(1, int(self._cores_of_this_machine())),
            "wait_for_nodes": self.executor_settings.wait_for_nodes,
            "grace_seconds": self.executor_settings.grace_seconds,
            "folder": str(Path.cwd()),
            "records": str(RECORDS.absolute() / secrets.token_hex(8)),
            "python": sys.executable,
            "environment": self.envvars(),
        }
        return DriverProcess(settings, LOGS / "driver.log", self._changed.set, self.logger.warning)

    def _cores_of_this_machine(self) -> int:
        given = self.workflow.resource_settings.cores
        if given is None or given == sys.maxsize:
            given = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return int(given)

    def _lift_the_limit_of_threads(self) -> None:
        """Snakemake caps a job's threads by --cores, the cores of this machine. The job's node may have more."""
        resources: Any = getattr(self.workflow, "global_resources", None)
        if resources is not None:
            resources["_cores"] = None

    def _log_of(self, job: JobExecutorInterface) -> Path:
        return Path(job.logfile_suggestion(str(LOGS))).absolute()

    def _report_failure(self, info: SubmittedJobInfo, outcome: Outcome) -> None:
        log = self._log_of(info.job)
        if info.job.is_group():  # whose errors Snakemake shows without a message
            self.logger.error(f"{info.job.name}: {outcome.reason}")
        self.report_job_error(info, msg=f"{outcome.reason}\n", aux_logs=[str(log)] if log.exists() else [])

"""Snakemake's own words as a user of `make` reads them: without chatter, and a failed job as one line with its log.

All of it stands in .snakemake/log too. What is not known to be chatter is passed on.
"""

import re
from collections.abc import Callable, Iterable, Iterator

QUIET = ("--quiet", "rules", "reason", "host", "progress")

_CHATTER = (
    "Using workflow specific profile", "Config file ", "Assuming unrestricted shared", "Building DAG of jobs",
    "Using shell:", "Singularity containers:", "Select jobs to execute", "Execute ", "Touching output file",
    "Terminating processes on user request", "RuleException:", "CalledProcessError in ", "Exiting because a job",
    "Complete log(s):", "Elapsed time:", "WorkflowError:", "At least one job did not complete",
)  # fmt: skip
_FAILED = re.compile(r"Command '.*\| tee -i (?P<log>\S+)' (returned non-zero exit status|died with) .*")


def retell(lines: Iterable[str], interrupted: Callable[[], bool]) -> Iterator[str]:
    """The lines that matter. A job that was cut because the user interrupted the workflow has not failed."""
    for line in lines:
        failed = _FAILED.match(line)
        if failed and not interrupted():
            yield f"lnf: a job failed; the rest goes on; its log is {failed['log']}"
        elif not failed and line.strip() and not line.startswith(_CHATTER):
            yield line.rstrip("\n")

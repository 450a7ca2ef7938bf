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
    "Cannot restore ", "Restored previous version of ",  # of outputs that a failed job would have replaced
)  # fmt: skip
_REFUSED = re.compile(r"(OSError|PermissionError|FileNotFoundError|NotADirectoryError): \[Errno \d+\]")
_FAILED = re.compile(r"Command '.*\| tee -i (?P<log>\S+)' (returned non-zero exit status|died with) .*")


def retell(lines: Iterable[str], interrupted: Callable[[], bool]) -> Iterator[str]:
    """The lines that matter. A job that was cut because the user interrupted the workflow has not failed."""
    for line in _without_traceback(lines):
        failed = _FAILED.match(line)
        if failed and not interrupted():
            yield f"lnf: a job failed; the rest goes on; its log is {failed['log']}"
        elif not failed and line.strip() and not line.startswith(_CHATTER):
            yield line.rstrip("\n")


def _without_traceback(lines: Iterable[str]) -> Iterator[str]:
    """The lines, but what the machine refused Snakemake is its last line alone."""
    block: list[str] = []
    for line in lines:
        if line.startswith("Traceback (most recent call last)"):
            block = [line]
        elif block and line.startswith(" "):
            block.append(line)
        else:
            if block and _REFUSED.match(line):
                yield f"lnf: snakemake: {line.rstrip()}"
            else:
                yield from [*block, line]
            block = []
    yield from block

"""Freed memory is kept: what a step freed, the next one does not take from the system again."""

import platform
import subprocess
import sys

import pytest

TWICE = """
import resource
from lnf.runs.machine import keep_freed_memory
{keep}
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    bytearray(64 * 2**20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""


def faults_of_a_second_buffer(keep: str) -> int:
    """Page faults of taking 64 MiB that were just freed."""
    done = subprocess.run(
        [sys.executable, "-c", TWICE.format(keep=keep)], capture_output=True, encoding="utf-8", check=True, timeout=120
    )
    return int(done.stdout)


@pytest.mark.processes
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told to keep memory")
def test_memory_that_was_freed_is_there() -> None:
    assert faults_of_a_second_buffer("keep_freed_memory()") * 10 < faults_of_a_second_buffer("")

"""A run's process: threads, memory that stays, and memory that does not grow."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

GROWTH = """
import json, sys, torch
from lnf.runs.machine import settle
from lnf.nn.linear import products_in
settle(1)
def grown(count):
    for rows in range(2, 2 + count):
        with products_in("bfloat16", torch.device("cpu")):
            torch.nn.functional.linear(torch.ones(rows, 32), torch.ones(16, 32))
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS"))
print(json.dumps([torch.get_num_threads(), grown(100), grown(1500)]))
"""


@pytest.mark.processes
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this PyTorch has no oneDNN")
def test_ever_new_lengths_do_not_fill_the_memory() -> None:
    """KiB after a hundred shapes of a product, and after 1,500."""
    done = subprocess.run(
        [sys.executable, "-c", GROWTH], capture_output=True, encoding="utf-8", check=True, timeout=120
    )
    threads, few, many = json.loads(done.stdout)
    assert threads == 1
    assert many - few < 20_000

"""bench/gpu_chain.py measures on a GPU, and says so where there is none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lnf.plan.config import ROOT


@pytest.mark.processes
def test_without_a_gpu_it_says_so_and_writes_nothing(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "bench" / "gpu_chain.py"), str(tmp_path / "out.json")]
    hidden = os.environ | {"CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=hidden, capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stderr) == (1, "gpu_chain: PyTorch finds no GPU here\n")
    assert not list(tmp_path.iterdir())

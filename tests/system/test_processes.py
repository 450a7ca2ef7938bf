"""What a process knows of itself."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.processes
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc: elsewhere a child counts its parent's")
def test_a_process_tells_its_own_peak_and_not_its_parents() -> None:
    held = bytearray(b"1") * 2**30
    code = "from lnf.system.processes import peak_bytes; print(peak_bytes())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert len(held) == 2**30 and float(done.stdout) < 700 * 2**20


@pytest.mark.processes
def test_the_peak_grows_with_what_is_held() -> None:
    code = (
        "from lnf.system.processes import peak_bytes; before = peak_bytes(); held = bytearray(b'1') * 2**28;"
        "print(len(held), peak_bytes() - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    held, grown = map(int, done.stdout.split())
    assert 0.9 * held < grown < 1.5 * held

"""A slow function over many small inputs, on all allowed cores, with progress."""

import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

Input = TypeVar("Input")
Output = TypeVar("Output")

REPORT_SECONDS = 3.0


def allowed_cpus() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_with_progress(function: Callable[[Input], Output], inputs: Sequence[Input], what: str) -> list[Output]:
    """`[function(x) for x in inputs]`, each in some process; a line on stderr every few seconds says how far it is.

    The result does not depend on the number of cores. `function` must be importable by its name.
    """
    outputs: list[Output] = []
    reported = time.monotonic()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(allowed_cpus(), context, initializer=_end_with_parent) as pool:
        for output in pool.map(function, inputs, chunksize=4):
            outputs.append(output)
            if time.monotonic() - reported > REPORT_SECONDS:
                reported = time.monotonic()
                print(f"lnf: {what}: {len(outputs)}/{len(inputs)}", file=sys.stderr, flush=True)
    return outputs


def _end_with_parent() -> None:
    """Make this worker end when its parent does, even by SIGKILL (a pool's workers would wait for ever)."""
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)

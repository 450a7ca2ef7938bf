"""Room on the disk: about what the runs of a plan need, and a refusal before any work where it is not there."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from lnf.errors import UserError
from lnf.plan.needs import model_bytes
from lnf.spec import Spec

COPIES = 16
"""Of a model's numbers that a run in flight holds: weights, two moments, the best weights, in four states."""
AT_ONCE = 4
"""Runs in flight."""
ALWAYS = 5e7
"""Bytes for logs, tables, figures and Ray's own files."""


def require_room(specs: Sequence[Spec], runs: int) -> str:
    """How much `runs` of the specs need and how much is free, in words. Raises UserError if it is not there."""
    largest = max((model_bytes(spec) for spec in specs), default=0)
    needed = ALWAYS + (largest * (runs + COPIES * min(runs, AT_ONCE)) if runs else 0)
    free = shutil.disk_usage(".").free
    words = f"about {needed / 1e9:.1f} GB needed, {free / 1e9:.1f} GB free"
    if free < needed:
        raise UserError(f"disk: {Path.cwd()}: {words}; free some space, or work on another disk")
    scratch = Path(tempfile.gettempdir())
    if shutil.disk_usage(scratch).free < ALWAYS:
        raise UserError(f"disk: {scratch}: less than {ALWAYS / 1e9:.2f} GB free, which Ray needs; set TMPDIR")
    return f"disk: {words}"

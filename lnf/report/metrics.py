"""metrics.parquet: the metrics of all runs of a plan as one tidy file. Without PyTorch, as all that only reads it."""

from pathlib import Path
from typing import Any

import pyarrow
from pandas import DataFrame

from lnf.errors import UserError
from lnf.report.frames import read_frame

METRICS = pyarrow.schema(
    [(name, pyarrow.string()) for name in ("corpus", "kind", "prior", "label", "role")]
    + [("seed", pyarrow.int64())]
    + [(name, pyarrow.string()) for name in ("split", "metric", "unit")]
    + [("value", pyarrow.float64()), ("estimator", pyarrow.string()), ("k", pyarrow.int64()), ("n", pyarrow.int64())]
    + [(name, pyarrow.string()) for name in ("status", "digest")]
)
"""Its columns. `value` is in `unit`, `n` counts sequences, `digest` is the run's. A run without numbers has one row,
whose `status` says why."""

Row = dict[str, Any]


def read_metrics(path: Path) -> DataFrame:
    """metrics.parquet. Raises UserError if there is no such file."""
    if not path.exists():
        raise UserError(f"{path}: no such file; gather the runs first")
    return read_frame(path)

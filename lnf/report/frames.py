"""Tabular data as pandas frames: from rows, parquet and CSV, to CSV and Markdown."""

from collections import namedtuple
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas
import pyarrow
from pandas import DataFrame, Series

from lnf.system.files import replacing
from lnf.system.sealed import read_table

_NULLABLE = {pyarrow.int64(): pandas.Int64Dtype()}
"""Whole numbers of which some may be missing."""
_OF_CSV = {pyarrow.int64(): "Int64", pyarrow.float64(): "float64", pyarrow.string(): "str"}


def frame_of(rows: Iterable[Mapping[str, Any]], schema: pyarrow.Schema) -> DataFrame:
    """Rows as a frame with the columns of a schema; what a row lacks is missing."""
    frame: DataFrame = pyarrow.Table.from_pylist(list(rows), schema).to_pandas(types_mapper=_NULLABLE.get)
    return frame


def read_frame(path: Path) -> DataFrame:
    """A parquet file that was sealed. Raises FileNotFoundError, and Damaged if it is not whole."""
    frame: DataFrame = read_table(path).to_pandas(types_mapper=_NULLABLE.get)
    return frame


def read_csv(path: Path, schema: pyarrow.Schema | None = None) -> DataFrame:
    """A CSV file with the types of a schema; without one, all texts. Only an empty field is missing."""
    types: Any = str if schema is None else {column.name: _OF_CSV[column.type] for column in schema}
    return pandas.read_csv(
        path, dtype=types, keep_default_na=False, na_values=None if schema is None else [""],
        float_precision="round_trip", encoding="utf-8",
    )  # fmt: skip


def write_csv(path: Path, columns: Sequence[str], rows: DataFrame | Iterable[Mapping[str, Any]]) -> None:
    """Columns of a frame, or of rows; what is missing stays empty, and a float keeps every digit."""
    frame = (
        rows[list(columns)]
        if isinstance(rows, DataFrame)
        else DataFrame(list(rows), columns=list(columns), dtype=object)
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as scratch:
        frame.to_csv(scratch, index=False, lineterminator="\n")


def records(frame: DataFrame) -> list[Any]:
    """The rows, with columns as attributes; None for what is missing. Faster than by pandas' itertuples, tenfold for a
    short frame.
    """
    record = namedtuple("Record", list(frame.columns))  # type: ignore[misc]
    return [record(*values) for values in zip(*(_or_none(frame[name]) for name in frame.columns), strict=True)]


def _or_none(column: Series) -> list[Any]:
    values, missing = column.tolist(), column.isna().tolist()
    return [None if gone else value for value, gone in zip(values, missing, strict=True)]


def mappings(frame: DataFrame) -> list[dict[str, Any]]:
    """The rows, column -> value."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def markdown(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table; what is in its cells stays as it is."""
    return [_line(cells) for cells in (headings, ["---"] * len(headings), *rows)]


def number(value: float | None) -> str:
    """Three decimals; nothing for None."""
    return "" if value is None else f"{value:.3f}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("\\", "\\\\").replace("|", "\\|") for cell in cells) + " |"

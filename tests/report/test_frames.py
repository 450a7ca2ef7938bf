"""Tables keep their values in CSV, and their columns in Markdown."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from pandas.testing import assert_frame_equal

from lnf.plan.results import VIEWS
from lnf.plan.stages import STAGES
from lnf.report.frames import frame_of, markdown, number, read_csv, records, write_csv
from lnf.report.metrics import METRICS

VALUES = [0.1 + 0.2, 1e-300, 1 / 3, 12345678.9, -0.0, None]


def test_a_frame_survives_csv_to_the_last_digit(tmp_path: Path) -> None:
    """Whole numbers stay whole next to missing ones, and texts that look like missing values stay texts."""
    rows = [
        {"corpus": "NA", "label": 'a,"b"', "value": value, "k": n or None, "seed": n} for n, value in enumerate(VALUES)
    ]
    frame = frame_of(rows, METRICS)
    write_csv(tmp_path / "a.csv", METRICS.names, frame)
    back = read_csv(tmp_path / "a.csv", METRICS)
    assert_frame_equal(back, frame, check_exact=True)
    assert [record.value for record in records(back)] == VALUES
    assert [record.k for record in records(back)] == [None, 1, 2, 3, 4, 5]
    write_csv(tmp_path / "b.csv", METRICS.names, rows)
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


@pytest.mark.processes
def test_neither_planning_nor_a_run_imports_pandas() -> None:
    modules = "lnf, lnf.plan.results, lnf.app.workflow, lnf.app.command_line, lnf.runs.training, lnf.runs.evaluation"
    subprocess.run([sys.executable, "-c", f"import sys, {modules}; assert 'pandas' not in sys.modules"], check=True)


@pytest.mark.processes
def test_no_view_of_results_imports_pytorch() -> None:
    """It would be most of the time that a view takes."""
    modules = ", ".join(STAGES[view].run.rpartition(".")[0] for view in (*VIEWS, "publish"))
    subprocess.run([sys.executable, "-c", f"import sys, {modules}; assert 'torch' not in sys.modules"], check=True)


@pytest.mark.parametrize("cell", ["a|b", "a\\", "\\|", "||", "", "AF / AF"])
def test_a_table_keeps_its_columns_and_what_is_in_them(cell: str) -> None:
    for line in markdown(["one", cell], [[cell, "1"], ["2", cell]]):
        assert len(re.findall(r"(?:\\.|[^|\\])*\|", line)) == 3  # a bar after a backslash is no border
    written = markdown(["one"], [[cell]])[2][2:-2]
    assert re.sub(r"\\(.)", r"\1", written) == cell


def test_a_number_has_three_decimals_and_none_is_empty() -> None:
    assert [number(value) for value in (6.5296, 8.0, None)] == ["6.530", "8.000", ""]

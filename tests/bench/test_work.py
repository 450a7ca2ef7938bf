"""The operations that are counted are those of the tables that are stored, so that floors stay comparable."""

from pathlib import Path

import pytest

from bench.speed.cases import Case, cases
from bench.speed.rates import Rates
from bench.speed.table import _parameters
from lnf.plan.config import ROOT
from lnf.system.files import read_json

STORED = ROOT / "docs" / "benchmarks" / "2026-11-25-cpu.json"
ROWS = {
    (row["what"], row["setting"], row["prior"], row["batch"], row["length"], row["dtype"]): row
    for row in read_json(Path(STORED))["rows"]
}
SHORT = [
    case
    for case in cases(on_gpu=False)
    if case.precision == "float32" and (case.setting.name == "jsb" or (case.what == "sample" and case.length == 64))
]


@pytest.mark.parametrize("case", SHORT, ids=lambda case: case.key)
def test_work_and_floor_are_those_of_the_stored_table(case: Case) -> None:
    row = ROWS[case.what, case.setting.name, case.prior, case.batch, case.length, case.precision]
    rates, work = Rates(**row["rates"]), case.work(case.spec)
    assert work.total == pytest.approx(row["seconds"] / row["over_peak"] * rates.large, rel=0.002)
    assert case.floor(work, rates, _parameters(case, case.spec)) == pytest.approx(row["floor_seconds"], rel=0.01)

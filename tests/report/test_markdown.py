"""Tables in Markdown keep their columns."""

import re

import pytest

from lnf.report.markdown import number, table_lines


@pytest.mark.parametrize("cell", ["a|b", "a\\", "\\|", "||", "", "AF / AF"])
def test_a_table_keeps_its_columns_and_what_is_in_them(cell: str) -> None:
    for line in table_lines(["one", cell], [[cell, "1"], ["2", cell]]):
        assert len(re.findall(r"(?:\\.|[^|\\])*\|", line)) == 3  # a bar after a backslash is no border
    written = table_lines(["one"], [[cell]])[2][2:-2]
    assert re.sub(r"\\(.)", r"\1", written) == cell


def test_a_number_has_three_decimals_and_none_is_empty() -> None:
    assert [number(value) for value in (6.5296, 8.0, None)] == ["6.530", "8.000", ""]

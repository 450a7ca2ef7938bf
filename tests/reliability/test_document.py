"""docs/reliability.md is what the tests of this folder say, and each row is proved by one of them."""

import ast
import re

import pytest

from lnf.plan.config import ROOT
from tests.reliability.case import Case
from tests.reliability.document import DOCUMENT, rows, text


def test_the_document_is_that_of_the_tests() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == text(), "write it again: python -m tests.reliability.document"


@pytest.mark.parametrize("case", [case for case in rows() if case.act is None], ids=lambda case: case.what)
def test_a_row_that_is_proved_elsewhere_names_a_test(case: Case) -> None:
    file, _, name = case.proved.partition("::")
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert re.sub(r"\[.*", "", name) in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}

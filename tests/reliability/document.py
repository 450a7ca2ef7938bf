"""docs/reliability.md, from the rows of this folder's tests: `python -m tests.reliability.document`."""

from lnf.plan.config import ROOT
from tests.reliability import (
    test_damaged_state,
    test_leaks,
    test_odd_machines,
    test_servers,
    test_signals,
    wrong_numbers,
)
from tests.reliability import test_wrong_input as wrong_input
from tests.reliability.case import Case

DOCUMENT = ROOT / "docs" / "reliability.md"
MODULES = (test_damaged_state, test_odd_machines, test_signals, test_servers, wrong_input, wrong_numbers, test_leaks)
HEAD = """# What goes wrong, what is seen, what is lost

Every row is a test in `tests/reliability/`, or one that the row names there. The lines are those that the tests saw,
after `lnf: `; … stands for what differs. Written by `python -m tests.reliability.document`: a new kind of trouble is
found by adding a row.
"""
COLUMNS = "| what happens | what the user sees | what is lost |\n|---|---|---|\n"


def text() -> str:
    """The document."""
    parts = [HEAD]
    for module in MODULES:
        doc = (module.__doc__ or "").partition(": ")[2].strip().capitalize()
        rows = "".join(_row(case) for case in module.ROWS)
        parts.append(f"\n## {module.KIND}\n\n{doc}\n\n{COLUMNS}{rows}")
    return "".join(parts)


def rows() -> list[Case]:
    """All rows."""
    return [case for module in MODULES for case in module.ROWS]


def _row(case: Case) -> str:
    sees = f"`{case.sees}`" if case.sees else "nothing"
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in (case.what, sees, case.lost))} |\n"


if __name__ == "__main__":
    DOCUMENT.write_text(text(), encoding="utf-8")

"""Rows of docs/reliability.md: what goes wrong, the line that the user sees, what is lost. Each row is a test."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Case:
    """One thing that goes wrong. `sees`: the line after `lnf: `, in which … stands for what differs from case to case.

    `act` is what the module's test does with the row; a row without one names the test that proves it elsewhere.
    """

    what: str
    sees: str
    lost: str
    act: Callable[..., Any] | None = None
    proved: str = ""

    @property
    def pattern(self) -> str:
        """`sees` as a regular expression."""
        return ".+?".join(map(re.escape, self.sees.split("…")))

    def assert_seen(self, out: str) -> None:
        """One line of what was printed is the row's, and nothing is a traceback."""
        lines = [line.removeprefix("lnf: ") for line in out.splitlines()]
        assert any(re.fullmatch(self.pattern, line) for line in lines), f"{self.sees!r} is not in:\n{out}"
        assert "Traceback" not in out


def acting(cases: list[Case]) -> dict[str, Any]:
    """The rows that a module tests itself, as `pytest.mark.parametrize` takes them."""
    mine = [case for case in cases if case.act is not None]
    return {"argnames": "case", "argvalues": mine, "ids": [case.what for case in mine]}

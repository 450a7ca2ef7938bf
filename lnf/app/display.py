"""Show the table of a workflow's runs in a terminal, and a line a minute elsewhere."""

import threading
import time

from rich.console import Console, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lnf.app.board import Board

EVERY_S = 60.0
"""Between two lines where there is no terminal."""
FIRST_S = 15.0
"""Until the first of them."""
LOOK_S = 1.0
OTHER_LINES = 6
"""Of a terminal, besides the rows of runs."""


class Display:
    """Shows a board: a table in a terminal, and a line a minute elsewhere."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False, soft_wrap=True)
        self._ended = threading.Event()
        self._board: Board | None = None
        self._live: Live | None = None
        self._thread = threading.Thread(target=self._follow, name="board", daemon=True)

    def show(self, board: Board) -> None:
        """Begin to show."""
        self._board = board
        if self._console.is_terminal:
            self._live = Live(self._drawn(), console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        self._thread.start()

    def say(self, line: str) -> None:
        """Print a line, above the table if there is one."""
        self._console.print(Text(line), soft_wrap=True)

    def close(self) -> None:
        """Leave what was said, and no table."""
        self._ended.set()
        if self._board is not None:
            self._thread.join()
        if self._live is not None:
            self._live.stop()

    def _follow(self) -> None:
        assert self._board is not None
        told = time.monotonic() - EVERY_S + FIRST_S
        while not self._ended.wait(LOOK_S):
            self._board.look()
            if self._live is not None:
                self._live.update(self._drawn(), refresh=True)
            elif time.monotonic() - told >= EVERY_S:
                told = time.monotonic()
                self.say(f"lnf: {'; '.join([self._board.summary(), *self._board.at_work()])}")

    def _drawn(self) -> RenderableType:
        assert self._board is not None
        table = self._board.table(self._console.height - OTHER_LINES)
        table.add_row()
        grid = Table.grid()
        grid.add_row(table)
        grid.add_row(Text(self._board.summary()))
        return grid

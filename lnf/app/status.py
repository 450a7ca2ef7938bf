"""`lnf status`: the table of a workflow that another process runs, from the files that it leaves."""

import time

from rich.console import Console

from lnf.app.board import DONE, LOOK_S, Board, Display, Observed
from lnf.app.workflow import Workflow
from lnf.plan.results import Plan


def show(plan: Plan) -> None:
    """Print the state of each run once; in a terminal, again and again until all is done, or Ctrl-C."""
    console = Console(highlight=False, soft_wrap=True)
    board = Board(Workflow.of_plan(plan), Observed)
    board.look()
    if console.is_terminal:
        display = Display(console)
        display.show(board)
        try:
            while any(row.state != DONE for row in board.rows):
                time.sleep(LOOK_S)
        finally:
            display.close()
    console.print(board.table(len(board.rows)))
    console.print(f"lnf: {plan.name}: {board.summary()}")

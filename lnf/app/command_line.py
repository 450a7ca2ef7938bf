"""The command line. Every mistake is one line, `lnf: ...`, with exit status 1."""

import sys
from collections.abc import Sequence

from lnf.app.arguments import parser
from lnf.errors import Stopped, UserError
from lnf.system import machine_faults
from lnf.system.caches import move_caches

STOPPED = 130
"""The exit status of a run that was asked to stop and left its state, whichever signal asked."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    if (moved := move_caches()) is not None:
        print(f"lnf: {moved}", file=sys.stderr, flush=True)
    try:
        arguments = parser().parse_args(argv)
        arguments.command(arguments)
    except (UserError, OSError) as problem:
        line = machine_faults.sentence(problem) if isinstance(problem, OSError) else str(problem)
        if line is None:
            raise
        print(f"lnf: {line}", file=sys.stderr, flush=True)
        return 1
    except Stopped as stopped:
        print(f"lnf: {stopped}", file=sys.stderr, flush=True)
        return STOPPED
    return 0

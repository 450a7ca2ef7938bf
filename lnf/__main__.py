"""`python -m lnf` and `lnf`. Ctrl-C ends it without a word even while it starts, which is when jobs often get it."""

import os
import sys


def run() -> int:
    """Run the command line; returns the exit status. `lnf` finds modules of this folder as `python -m lnf` does."""
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        from lnf.app.command_line import main, tolerant

        sys.stdout, sys.stderr = tolerant(sys.stdout), tolerant(sys.stderr)
        return main()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(run())

"""`python -m lnf`. Ctrl-C ends it without a word even while it starts, which is when a workflow's jobs often get it."""

import sys


def _run() -> int:
    try:
        from lnf.app.command_line import main

        return main()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(_run())

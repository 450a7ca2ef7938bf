"""`python -m lnf` and `lnf`. Ctrl-C ends it without a word even while it starts, which is when jobs often get it."""

import io
import sys


def run() -> int:
    """Run the command line; returns the exit status."""
    try:
        from lnf.app.command_line import main

        if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal may lack a letter of a label
            sys.stdout.reconfigure(errors="backslashreplace")
        return main()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(run())

"""`python -m lnf` and `lnf`. Ctrl-C ends it without a word even while it starts, which is when jobs often get it."""

import sys


def run() -> int:
    """Run the command line; returns the exit status."""
    try:
        from lnf.app.command_line import main
        from lnf.system.words import outliving_its_reader

        sys.stdout, sys.stderr = outliving_its_reader(sys.stdout), outliving_its_reader(sys.stderr)
        return main()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(run())

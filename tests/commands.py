"""What the command line knows."""

import argparse

from lnf.app.command_line import parser


def of_commands() -> dict[str, argparse.ArgumentParser]:
    """Name -> parser of each command, hidden ones too."""
    (found,) = [action for action in parser()._actions if isinstance(action, argparse._SubParsersAction)]
    return dict(found.choices)

"""Exceptions that the command line turns into a single line of text."""


class UserError(Exception):
    """A mistake in a configuration, a rule file, a data file or an argument.

    The message is one line that names the key or file, the value found and what would be right.
    `python -m lnf` prints `lnf: <message>` and exits 1, without a traceback.
    """


class UsageError(UserError):
    """A mistake in the words of a command. `python -m lnf` exits 2, as other commands do."""


class Stopped(Exception):
    """A run was asked to stop and has saved its state, to go on later. The message says how far it is."""

"""The command line. Every mistake is one line, `lnf: ...`, with exit status 1."""

import io
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from lnf.app.arguments import parser
from lnf.errors import Stopped, UserError
from lnf.system.files import sentence

CACHE = Path(".lnf", "cache")
"""Where other programs keep their caches when the user's home cannot be written to, as in some containers."""
CACHE_VARIABLES = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR", "NUMBA_CACHE_DIR")

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
        line = sentence(problem) if isinstance(problem, OSError) else str(problem)
        if line is None:
            raise
        print(f"lnf: {line}", file=sys.stderr, flush=True)
        return 1
    except Stopped as stopped:
        print(f"lnf: {stopped}", file=sys.stderr, flush=True)
        return STOPPED
    return 0


def move_caches() -> str | None:
    """If the user's cache folder cannot be written to, have this process and those that it starts use one of the
    project's. Returns a line that says so, or None.
    """
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    if _writable(Path(home)):
        return None
    here = CACHE.absolute()
    os.environ.update({name: str(here / name.lower()) for name in CACHE_VARIABLES})
    return f"{home} cannot be written to; caches go to {CACHE}"


def _writable(folder: Path) -> bool:
    """Whether a file can be made in a folder, which is made if need be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


class Output(io.TextIOWrapper):
    """Text output that no longer fails when its reader closes the pipe: `lnf train SPEC | head` goes on training."""

    def write(self, text: str, /) -> int:
        """Write `text`; returns its length."""
        try:
            return super().write(text)
        except BrokenPipeError:
            self._nowhere()
            return len(text)

    def flush(self) -> None:
        """Hand on what was written."""
        try:
            super().flush()
        except BrokenPipeError:
            self._nowhere()

    def _nowhere(self) -> None:
        """Have the descriptor, which later child processes inherit too, lead nowhere."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


def tolerant(stream: TextIO) -> TextIO:
    """A stream of the system as Output, with escapes for letters that the terminal lacks; others are returned as is."""
    if type(stream) is not io.TextIOWrapper:
        return stream
    encoding, buffering = stream.encoding, stream.line_buffering
    return Output(stream.detach(), encoding=encoding, errors="backslashreplace", line_buffering=buffering)

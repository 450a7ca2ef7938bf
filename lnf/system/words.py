"""What a command says, where whoever reads it may leave: `lnf train SPEC | head`, a pager that is closed.

Words are a courtesy. Work that a run did is not lost because nobody hears of it.
"""

import io
import os
from typing import TextIO


class Words(io.TextIOWrapper):
    """Text that is written until its reader leaves; what comes after goes nowhere."""

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
        """The same descriptor, of which processes that are started later are told too, now leads nowhere."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


def outliving_its_reader(stream: TextIO) -> TextIO:
    """The same stream, for a reader that may leave and a terminal that may lack a letter of a label; one that is none
    of the system's, as a test's, stays what it is.
    """
    if type(stream) is not io.TextIOWrapper:
        return stream
    encoding, buffering = stream.encoding, stream.line_buffering
    return Words(stream.detach(), encoding=encoding, errors="backslashreplace", line_buffering=buffering)

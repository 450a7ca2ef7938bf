"""Being asked to stop: by Ctrl-C, by a scheduler's time limit, by `docker stop`. Asked twice, it ends at once."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LIMIT_S = 30.0
"""How long a whole workflow may take."""


@dataclass
class Asked:
    """The signals that asked so far, the first of which gives the exit status."""

    numbers: list[int] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.numbers)

    @property
    def status(self) -> int:
        """The exit status of a process that stops because it was asked."""
        return 128 + self.numbers[0]


@contextmanager
def stopping(ask: Callable[[], None] = lambda: None, insist: Callable[[], None] | None = None) -> Iterator[Asked]:
    """For the block, the first signal calls `ask`, and each further one `insist`, or else raises KeyboardInterrupt.

    One that is ignored stays so: `nohup` and a shell's `&` mean it.
    """
    asked = Asked()

    def heard(number: int, _: FrameType | None) -> None:
        asked.numbers.append(number)
        if len(asked.numbers) == 1:
            ask()
        elif insist is None:
            raise KeyboardInterrupt
        else:
            insist()

    listened = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, heard) for number in listened}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

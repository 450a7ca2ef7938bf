"""`python -m bench.speed`: how fast these sources are, next to what the machine can do, or to another git revision."""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.speed.table import Wish, bench
from lnf.errors import UserError
from lnf.plan.config import ROOT


def main(words: Sequence[str]) -> int:
    """Measure what the command line asks for; the exit status. A mistake is one line."""
    try:
        _bench(_parser().parse_args(words))
    except UserError as problem:
        print(f"lnf: {problem}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.speed", description=__doc__)
    parser.add_argument("--only", nargs="+", default=[], help="words of a case, e.g. ptb af_af train; else all of them")
    parser.add_argument("--threads", type=int, help="of PyTorch; else one a core")
    parser.add_argument("--processes", type=int, default=1, help="processes that measure a case at the same time")
    parser.add_argument("--against", metavar="REV", help="measure another git revision too, in turn, and print ratios")
    parser.add_argument("--json", type=Path, help="file for the table; rows of other cases that it has stay")
    parser.add_argument("--profile", type=Path, help="file for where the time of each case goes, by operation")
    return parser


def _bench(asked: argparse.Namespace) -> None:
    for option, value in (("--threads", asked.threads), ("--processes", asked.processes)):
        if value is not None and value < 1:
            raise UserError(f"bench: {option} {value}: 1 or more would be right")
    threads = asked.threads or os.cpu_count() or 1
    if asked.against is None:
        bench(Wish(asked.only, threads, asked.processes, None, asked.json, asked.profile))
        return
    with _checked_out(asked.against) as folder:
        bench(Wish(asked.only, threads, asked.processes, folder, asked.json, asked.profile))


@contextmanager
def _checked_out(revision: str) -> Iterator[Path]:
    """A folder with the sources of a revision, as long as the block lasts."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "sources")
        command = ["git", "worktree", "add", "--detach", str(folder), revision]
        made = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", errors="replace", check=False)
        if made.returncode != 0:
            raise UserError(f"bench: --against {revision}: {made.stderr.strip().splitlines()[-1]}")
        try:
            yield folder
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(folder)], cwd=ROOT, check=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`make bench`: the benchmark of these sources, or beside those of another git revision."""

import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lnf.bench.table import Wish, bench
from lnf.errors import UserError
from lnf.plan.config import ROOT


def bench_against(
    only: Sequence[str],
    threads: int | None,
    beside: int,
    revision: str | None,
    out: Path | None,
    profiles: Path | None,
) -> None:
    """Measure the cases that have all the words `only`. Raises UserError for a revision that git does not know."""
    for option, value in (("--threads", threads), ("--beside", beside)):
        if value is not None and value < 1:
            raise UserError(f"bench: {option} {value}: 1 or more would be right")
    count = threads or len(os.sched_getaffinity(0))
    if revision is None:
        bench(Wish(only, count, beside, None, out, profiles))
        return
    with _checked_out(revision) as folder:
        bench(Wish(only, count, beside, folder, out, profiles))


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

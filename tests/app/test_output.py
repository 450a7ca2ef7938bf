"""Whoever reads what a command says may leave; the command goes on, and its words with it."""

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from lnf.app.command_line import tolerant
from lnf.plan.config import ROOT
from tests.patience import LIMIT_S

LONG = "a word " * 50_000
"""More than a pipe holds, and than a stream keeps before it writes."""


@pytest.fixture
def unread() -> Iterator[io.TextIOWrapper]:
    """The one end of a pipe, whose other end is closed."""
    reader, writer = os.pipe()
    os.close(reader)
    stream = open(writer, "w", encoding="ascii")  # noqa: SIM115
    yield stream
    with suppress(BrokenPipeError, ValueError):  # of what a test left in it, or detached
        stream.close()


def test_a_plain_stream_fails_where_its_reader_left(unread: io.TextIOWrapper) -> None:
    with pytest.raises(BrokenPipeError):
        print("a word", file=unread, flush=True)


@pytest.mark.parametrize("text", ["a word", LONG], ids=["short", "long"])
def test_words_outlive_their_reader(unread: io.TextIOWrapper, text: str) -> None:
    words = tolerant(unread)
    for _ in range(3):
        print(text, file=words, flush=True)
        print(text, file=words)
    words.close()


@pytest.mark.processes
def test_a_process_started_later_is_told_of_no_pipe(unread: io.TextIOWrapper) -> None:
    words = tolerant(unread)
    print("a word", file=words, flush=True)
    code = "import sys; print('a word', flush=True); sys.exit(7)"
    assert subprocess.run([sys.executable, "-c", code], stdout=words, timeout=LIMIT_S).returncode == 7
    words.close()


def test_words_that_are_read_are_what_was_said(tmp_path: Path) -> None:
    words = tolerant((tmp_path / "said").open("w", encoding="ascii"))
    print("é", LONG, file=words)
    words.close()
    assert (tmp_path / "said").read_text(encoding="ascii") == f"\\xe9 {LONG}\n"


def test_a_stream_that_is_not_the_systems_stays() -> None:
    stream = io.StringIO()
    assert tolerant(stream) is stream


@pytest.mark.processes
@pytest.mark.parametrize(("prior", "status"), [("af_af", 0), ("af_ag", 1)])
def test_a_command_ends_as_it_does_with_a_reader(unread: io.TextIOWrapper, prior: str, status: int) -> None:
    command = [sys.executable, "-m", "lnf", "spec", "markov", prior, "0"]
    ended = subprocess.run(command, cwd=ROOT, stdout=unread, stderr=unread, timeout=LIMIT_S)
    assert ended.returncode == status

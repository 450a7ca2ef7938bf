"""A user's own texts as characters: one sequence a line, from any number of files (`prepare.inputs`).

Files whose names without endings are train, valid and test are the splits. Otherwise each line belongs to the split
that the sha256 of its characters chooses: equal lines are in one split, and a line that is added moves no other.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from lnf.corpora.sources.base import SPLITS, RawCorpus
from lnf.corpora.sources.ptb import encode, lines_of
from lnf.errors import UserError


def read(
    settings: Mapping[str, Any],
    files: Mapping[str, Path],
    *,
    valid: float = 0.1,
    test: float = 0.1,
    unknown: Literal["refuse", "drop"] = "refuse",
) -> RawCorpus:
    """Read lines that are not blank; the vocabulary is the characters of train, sorted.

    `valid` and `test` are their shares of the lines. A line of these with a character that train does not have is an
    error, or is left out if `unknown` says so. Raises UserError for that, and for what is no text.
    """
    if not (0 < valid < 1 and 0 < test < 1 and valid + test < 1):
        raise UserError(f"data: options: valid {valid} and test {test}: must be above 0, and less than 1 together")
    lines: dict[str, list[str]] = {split: [] for split in SPLITS}
    named = {Path(name).stem for name in files} == set(SPLITS)
    for name in sorted(files):
        for line in filter(None, lines_of(files[name])):
            lines[Path(name).stem if named else _split_of(line, valid, test)].append(line)
    vocabulary = sorted(set().union(*lines["train"]))
    if unknown == "drop":
        lines = {split: [line for line in found if set(line) <= set(vocabulary)] for split, found in lines.items()}
    elif missing := sorted(set().union(*lines["valid"], *lines["test"]) - set(vocabulary)):
        raise UserError(
            f"data: valid or test has characters {missing} that train does not have; options.unknown: drop leaves out"
            " their lines"
        )
    sequences = {split: encode(lines[split], vocabulary, split) for split in SPLITS}
    return RawCorpus(sequences, vocabulary)


def _split_of(line: str, valid: float, test: float) -> str:
    share = int.from_bytes(hashlib.sha256(line.encode()).digest()[:8], "big") / 2**64
    return "test" if share < test else "valid" if share < test + valid else "train"

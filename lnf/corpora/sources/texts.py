"""A user's own texts, as characters or as words: one sequence a line, from any number of files (`prepare.inputs`)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from lnf.corpora.sources.base import SPLITS, RawCorpus
from lnf.corpora.sources.ptb import lines_of
from lnf.corpora.sources.splitting import Shares, named_splits
from lnf.errors import UserError

UNKNOWN = "<unk>"
SHOWN = 5
"""Unknown symbols that an error names."""
Lines = dict[str, list[Sequence[str]]]


def read(
    settings: Mapping[str, Any],
    files: Mapping[str, Path],
    *,
    symbols: Literal["characters", "words"] = "characters",
    valid: float = 0.1,
    test: float = 0.1,
    least: int = 1,
    unknown: Literal["refuse", "drop", "replace"] = "refuse",
) -> RawCorpus:
    """Read lines that are not blank; the vocabulary is the symbols of train, sorted. Words are what blanks separate.

    `valid` and `test` are the shares of the lines, if the files' names do not say the split (`splitting`). Symbols that
    train has fewer than `least` times are unknown, with those that only valid or test have. They are an error, or by
    `unknown` their lines are left out, or each is replaced by `<unk>`. Raises UserError for that and for what is no
    text.
    """
    shares, named = Shares(valid, test), named_splits(files)
    lines: Lines = {split: [] for split in SPLITS}
    for name in sorted(files):
        for line in filter(None, lines_of(files[name])):
            split = named.get(name) or shares.split_of(line.encode())
            lines[split].append(line.split() if symbols == "words" else line)
    counts = Counter(symbol for line in lines["train"] for symbol in line)
    known = {symbol for symbol, times in counts.items() if times >= least}
    lines = {split: _with_known(lines[split], known, unknown, split) for split in SPLITS}
    vocabulary = sorted(known | {UNKNOWN} if unknown == "replace" else known)
    ids = {symbol: n for n, symbol in enumerate(vocabulary)}
    sequences = {split: [np.array([ids[one] for one in line], dtype=np.int64) for line in found]
                 for split, found in lines.items()}  # fmt: skip
    symbol, separator = ("word", " ") if symbols == "words" else ("character", "")
    return RawCorpus(sequences, vocabulary, symbol=symbol, separator=separator)


def _with_known(lines: list[Sequence[str]], known: set[str], unknown: str, split: str) -> list[Sequence[str]]:
    """Lines without unknown symbols, by what `unknown` says."""
    if unknown == "replace":
        return [[symbol if symbol in known else UNKNOWN for symbol in line] for line in lines]
    right = [line for line in lines if known.issuperset(line)]
    if unknown == "refuse" and len(right) < len(lines):
        missing = sorted({symbol for line in lines for symbol in line} - known)
        some = ", ".join(map(repr, missing[:SHOWN])) + (f" and {len(missing) - SHOWN} more" if missing[SHOWN:] else "")
        raise UserError(
            f"data: {split} has symbols that train does not have, or too seldom: {some}; options.unknown: drop leaves"
            " out their lines, replace makes each of them <unk>"
        )
    return right

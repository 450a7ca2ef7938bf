"""Penn Treebank as characters: one sentence a line, `<unk>` spelled as five characters."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lnf.corpora.sources.base import SPLITS, RawCorpus, Sequences
from lnf.errors import UserError


def read(settings: Mapping[str, Any], files: Mapping[str, Path]) -> RawCorpus:
    """Read `train.txt`, `valid.txt`, `test.txt`; the vocabulary is the characters of train, sorted.

    Raises UserError if a file is not text, or if valid or test holds a character that train does not.
    """
    lines = {split: lines_of(files[f"{split}.txt"]) for split in SPLITS}
    vocabulary = sorted(set().union(*lines["train"]))
    if not vocabulary:
        raise UserError("data: train.txt: no characters; one at least would be right")
    return RawCorpus({split: encode(lines[split], vocabulary, split) for split in SPLITS}, vocabulary)


def lines_of(path: Path) -> list[str]:
    """The lines without the blanks around them, and without a byte order mark. Split at newlines only."""
    try:
        with path.open(encoding="utf-8-sig") as stream:
            return [line.strip() for line in stream]
    except UnicodeDecodeError as problem:
        raise UserError(f"data: {path.name}: not UTF-8 text ({problem.reason} at byte {problem.start})") from problem


def encode(lines: list[str], vocabulary: list[str], split: str) -> Sequences:
    """Lines as symbol ids. Raises UserError for a character that the vocabulary does not have."""
    ids = {symbol: n for n, symbol in enumerate(vocabulary)}
    unknown = sorted(set().union(*lines) - ids.keys())
    if unknown:
        raise UserError(f"data: {split}.txt: characters {unknown} do not occur in train.txt")
    return [_ids(line, ids) for line in lines]


def _ids(line: str, ids: Mapping[str, int]) -> NDArray[np.int64]:
    return np.array([ids[symbol] for symbol in line], dtype=np.int64)

"""Which sequences go into a batch together, and in what order batches come."""

from collections.abc import Iterator

import torch

from lnf.corpora.loading import Split


def sorted_batches(split: Split, batch: int) -> list[list[int]]:
    """Rows sorted by length, in batches: the order of validation and test."""
    rows = sorted(range(len(split)), key=lambda row: (len(split.sequences[row]), row))
    return [rows[start : start + batch] for start in range(0, len(rows), batch)]


def shuffled_batches(split: Split, batch: int, pool: int, generator: torch.Generator) -> list[list[int]]:
    """Rows shuffled, sorted by length inside pools of `pool` batches, batch order shuffled in each pool."""
    rows = torch.randperm(len(split), generator=generator).tolist()
    return [
        members
        for start in range(0, len(rows), batch * pool)
        for members in _shuffled_pool(rows[start : start + batch * pool], split, batch, generator)
    ]


def _shuffled_pool(rows: list[int], split: Split, batch: int, generator: torch.Generator) -> Iterator[list[int]]:
    rows = sorted(rows, key=lambda row: len(split.sequences[row]))
    batches = [rows[start : start + batch] for start in range(0, len(rows), batch)]
    for n in torch.randperm(len(batches), generator=generator).tolist():
        yield batches[n]

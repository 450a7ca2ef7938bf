"""Music in other keys: every note and interval stays, and each move that the keyboard allows is as likely."""

from collections import Counter

import numpy as np
import pytest
import torch

from lnf.corpora.loading import Split, transposed

KEYS = 88


def music(lowest: int, highest: int, n: int = 1, steps: int = 5) -> Split:
    """Sequences whose notes reach from one key to another."""
    rng = np.random.default_rng(0)
    rolls = np.zeros((n, steps, KEYS), dtype=np.uint8)
    rolls[:, :, lowest : highest + 1] = rng.random((n, steps, highest - lowest + 1)) < 0.3
    rolls[:, 0, [lowest, highest]] = 1
    return Split(list(rolls), {}, KEYS)


def moves(split: Split, semitones: int, seed: int = 0) -> list[int]:
    """By how many keys each sequence was moved."""
    moved = transposed(split, semitones, torch.Generator().manual_seed(seed))
    found = []
    for before, after in zip(split.sequences, moved.sequences, strict=True):
        keys = int(np.flatnonzero(after.any(0))[0] - np.flatnonzero(before.any(0))[0])
        notes = {(step, key + keys) for step, key in np.argwhere(before).tolist()}
        assert notes == set(map(tuple, np.argwhere(after).tolist()))
        found.append(keys)
    return found


@pytest.mark.parametrize(
    ("lowest", "highest", "allowed"),
    [(20, 60, range(-3, 4)), (1, 60, range(-1, 4)), (20, 86, range(-3, 2)), (0, KEYS - 1, range(1))],
)
def test_each_move_that_the_keyboard_allows_is_as_likely(lowest: int, highest: int, allowed: range) -> None:
    n = 4000
    counts = Counter(moves(music(lowest, highest, n), 3))
    assert set(counts) == set(allowed)
    expected = n / len(allowed)
    chi_squared = sum((count - expected) ** 2 / expected for count in counts.values())
    assert chi_squared < 30  # 6 degrees of freedom at most: one in 25,000


def test_moves_hang_on_the_generator_alone_and_leave_the_corpus_alone() -> None:
    split = music(30, 50, 20)
    before = [x.copy() for x in split.sequences]
    assert moves(split, 6, seed=1) == moves(split, 6, seed=1) != moves(split, 6, seed=2)
    assert all(map(np.array_equal, before, split.sequences))


def test_silence_may_be_moved() -> None:
    silent = Split([np.zeros((4, KEYS), dtype=np.uint8)], {}, KEYS)
    assert not transposed(silent, 5, torch.Generator()).sequences[0].any()

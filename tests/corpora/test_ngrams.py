"""Unigram and bigram models are distributions, fitted on train with add-one smoothing."""

import itertools
import math

import numpy as np
import pytest

from lnf.corpora.loading import Split
from lnf.corpora.ngrams import MODELS, log_prob


def split_of(sequences: list[np.ndarray], width: int) -> Split:
    return Split(sequences, {}, width)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("symbols", [True, False])
def test_likelihoods_of_all_sequences_sum_to_one(name: str, symbols: bool) -> None:
    rng = np.random.default_rng(0)
    values = np.arange(3) if symbols else np.array(list(itertools.product((0, 1), repeat=2)))
    train = split_of([values[rng.integers(0, len(values), n)] for n in (4, 1, 6)], values.shape[-1])
    every = [np.array(x) for x in itertools.product(values, repeat=3)]
    total = sum(math.exp(log_prob(name, train, split_of([x], values.shape[-1]), symbols)) for x in every)
    assert total == pytest.approx(1.0, abs=1e-12)


def test_smoothing_adds_one() -> None:
    train, test = split_of([np.array([0, 0, 1])], 3), split_of([np.array([2, 0])], 3)
    assert log_prob("unigram", train, test, True) == pytest.approx(math.log(1 / 6) + math.log(3 / 6))
    # After the start: 0 once of one. After 2: nothing was seen.
    assert log_prob("bigram", train, test, True) == pytest.approx(math.log(1 / 4) + math.log(1 / 3))
    rolls, roll = split_of([np.array([[1], [1], [0]])], 1), split_of([np.array([[1], [0]])], 1)
    assert log_prob("unigram", rolls, roll, False) == pytest.approx(math.log(3 / 5) + math.log(2 / 5))
    assert log_prob("bigram", rolls, roll, False) == pytest.approx(math.log(2 / 3) + math.log(2 / 4))

"""Unigram and bigram models with add-one smoothing, fitted on train: what any model should beat.

Axes: N steps of all sequences, V vocabulary size or number of keys.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lnf.corpora.loading import Split

Floats = NDArray[np.float64]
Ids = Sequence[NDArray[np.integer[Any]]]
MODELS = {"unigram": 0, "bigram": 1}
"""Name -> how many steps before a step it is given."""


def log_prob(name: str, train: Split, split: Split, symbols: bool) -> float:
    """log p(x|T) of all sequences of a split under a model of MODELS, in nats.

    Of symbols, a distribution over V; else of whole numbers 0 and 1, each column given itself one step before.
    """
    order = MODELS[name]
    if symbols:
        return _of_symbols(order, train.sequences, split.sequences, train.width)
    return _of_columns(order, train.sequences, split.sequences)


def _of_symbols(order: int, train: Ids, split: Ids, width: int) -> float:
    """The context before the first step is a symbol of its own."""
    counts = np.ones((width + 1 if order else 1, width))
    np.add.at(counts, _pairs(train, order, start=width), 1)
    log_p: Floats = np.log(counts / counts.sum(1, keepdims=True))
    return float(log_p[_pairs(split, order, start=width)].sum())


def _pairs(sequences: Ids, order: int, start: int) -> tuple[NDArray[np.int64], ...]:
    """(context, symbol) of every step, [N] each; the one context of a unigram is 0."""
    symbols_N = np.concatenate(sequences).astype(np.int64)
    if not order:
        return np.zeros_like(symbols_N), symbols_N
    before = [np.concatenate([[start], x[:-1]]) for x in sequences]
    return np.concatenate(before).astype(np.int64), symbols_N


def _of_columns(order: int, train: Ids, split: Ids) -> float:
    """Keys are independent; of a bigram, the context before the first step is a state of its own."""
    total = 0.0
    contexts_NV, x_NV = _columns(train, order)
    asked_NV, y_NV = _columns(split, order)
    for state in range(3 if order else 1):
        here_NV = contexts_NV == state
        on_V = (1 + (x_NV * here_NV).sum(0)) / (2 + here_NV.sum(0))
        log_p_NV = np.where(y_NV == 1, np.log(on_V), np.log1p(-on_V))
        total += float(log_p_NV[asked_NV == state].sum())
    return total


def _columns(sequences: Ids, order: int) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """(context, value) of every step and column, [N, V] each; the context is 0, 1, or 2 at the start."""
    x_NV = np.concatenate(sequences).astype(np.int8)
    if not order:
        return np.zeros_like(x_NV), x_NV
    before = [np.concatenate([np.full((1, x.shape[1]), 2), x[:-1]]) for x in sequences]
    return np.concatenate(before).astype(np.int8), x_NV

"""Text from a sparse Markov source of order two whose probabilities are known exactly."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lnf.corpora.sources.base import SPLITS, Columns, RawCorpus, Sequences
from lnf.errors import UserError

Floats = NDArray[np.float64]


class MarkovSource:
    """Letters drawn given the two before, and an end symbol, conditioned on 1 <= T <= M.

    A context is (a, b), the letters before last and last; the id V stands for "before the text". Names of axes: A and B
    context, V letter, N letters that are still to come.
    """

    def __init__(self, next_ABV: Floats, end_AB: Floats, max_length: int) -> None:
        """`next_ABV` [V+1, V+1, V]: letter given context and no end. `end_AB` [V+1, V+1]: end given context."""
        self.letters = next_ABV.shape[2]
        self.max_length = max_length
        self._next_ABV, self._end_AB = next_ABV, end_AB.copy()
        self._end_AB[self.letters, self.letters] = 0.0  # T >= 1
        finish = [self._end_AB]
        for _ in range(max_length):
            after_BV = finish[-1][:, : self.letters]
            finish.append((1 - self._end_AB) * np.einsum("abv,bv->ab", next_ABV, after_BV))
        self._finish_NAB = np.stack(finish)
        """P(exactly n more letters, then the end | context), n = 0..M."""

    @classmethod
    def draw(cls, seed: int, letters: int, branching: int, closing: int, end: float, max_length: int) -> "MarkovSource":
        """A random source: which `branching` letters may follow depends on the last letter, how likely each is on both.

        Weights are flat Dirichlet; any letter may begin. The text may end, with probability `end`, after each of
        `closing` letters. Only uniform numbers are drawn, whose stream numpy keeps from version to version.
        """
        uniform = np.random.default_rng([seed, 0])
        size = letters + 1
        weights = -np.log1p(-uniform.random((size, size, letters)))
        allowed_BV = uniform.random((size, letters)).argsort(axis=-1).argsort(axis=-1) < branching
        allowed = np.repeat(allowed_BV[None], size, axis=0)
        allowed[letters, letters] = True
        next_ABV = np.where(allowed, weights, 0.0)
        next_ABV /= next_ABV.sum(axis=-1, keepdims=True)
        end_AB = np.zeros((size, size))
        end_AB[:, uniform.random(letters).argsort()[:closing]] = end
        return cls(next_ABV, end_AB, max_length)

    @property
    def log_prob_length(self) -> Floats:
        """log p(T) in nats for T = 0..M, [M+1]; -inf where T is impossible."""
        weights = self._finish_NAB[:, self.letters, self.letters]
        with np.errstate(divide="ignore"):
            log_prob_M: Floats = np.log(weights / weights.sum())
        return log_prob_M

    def log_prob(self, x: NDArray[np.integer[Any]]) -> float:
        """log p(x, T) in nats of letter ids [T], the length included; -inf for a text that cannot be."""
        if not 1 <= len(x) <= self.max_length:
            return -math.inf
        a, b, total = self.letters, self.letters, 1.0
        log_prob = -math.log(self._finish_NAB[:, a, b].sum())
        for letter in x.tolist():
            total = (1 - self._end_AB[a, b]) * self._next_ABV[a, b, letter]
            if total == 0:
                return -math.inf
            log_prob += math.log(total)
            a, b = b, letter
        return log_prob + math.log(self._end_AB[a, b]) if self._end_AB[a, b] else -math.inf

    def next_letter(self, context: tuple[int, int], left: int) -> Floats:
        """p(next letter | context, exactly `left` >= 1 letters still to come), [V].

        V in a context is "before the text". Zeros where no text of that length goes on from the context.
        """
        a, b = context
        weights: Floats = self._next_ABV[a, b] * self._finish_NAB[left - 1, b, : self.letters]
        return weights / weights.sum() if weights.any() else weights

    def sample(self, generator: np.random.Generator) -> NDArray[np.uint8]:
        """One text, letter ids [T], drawn exactly: its length first, then each letter given the letters left."""
        length = _choose(np.exp(self.log_prob_length), generator)
        x = np.empty(length, dtype=np.uint8)
        context = (self.letters, self.letters)
        for t in range(length):
            x[t] = _choose(self.next_letter(context, length - t), generator)
            context = (context[1], int(x[t]))
        return x

    def entropies(self) -> tuple[float, float]:
        """Bits per letter of the endless chain at equilibrium: given the two letters before, and of a letter alone."""
        next_ABV = self._next_ABV[:-1, :-1]
        pairs_AB = np.full((self.letters, self.letters), self.letters**-2.0)
        for _ in range(2000):  # the lazy chain has the same equilibrium and no period
            pairs_AB = (pairs_AB + np.einsum("ab,abv->bv", pairs_AB, next_ABV)) / 2
        conditional = float((pairs_AB * _bits(next_ABV)).sum())
        return conditional, float(_bits(pairs_AB.sum(axis=0)))


def read(
    settings: Mapping[str, Any],
    files: Mapping[str, Path],
    *,
    seed: int = 1,
    letters: int = 12,
    branching: int = 3,
    closing: int = 4,
    end: float = 0.15,
    train: int = 8000,
    valid: int = 500,
    test: int = 500,
) -> RawCorpus:
    """Draw the splits, with `log_prob` (log p(x, T)) and `log_prob_length` (log p(T)) of each text in nats.

    Options: `seed` of the source and its samples; `letters` of the alphabet; `branching`, letters that may follow the
    last one; `closing`, letters after which a text may end, with the probability `end`; texts of each split. T_max is
    the setting `max_length`.

    `source` holds, by split, `nll` (nats per T + 1, length included) and `nll_given_length` (nats per T) of the source
    itself. Raises UserError for sizes that cannot be.
    """
    source = _source(settings["max_length"], seed, letters, branching, closing, end)
    numbers = dict(zip(SPLITS, (train, valid, test), strict=True))
    splits = {split: _sample(source, numbers[split], [seed, 1 + n]) for n, split in enumerate(SPLITS)}
    columns: dict[str, Columns] = {split: _columns(source, texts) for split, texts in splits.items()}
    facts = {split: _facts(texts, columns[split]) for split, texts in splits.items()}
    return RawCorpus(splits, [chr(ord("a") + n) for n in range(source.letters)], columns, facts)


def from_settings(settings: Mapping[str, Any]) -> MarkovSource:
    """The source that the settings of a markov corpus (meta.json holds them) describe."""
    chosen = settings["options"]
    wanted = (chosen[name] for name in ("seed", "letters", "branching", "closing", "end"))
    return _source(settings["max_length"], *wanted)


def _source(max_length: int, seed: int, letters: int, branching: int, closing: int, end: float) -> MarkovSource:
    if not 2 <= letters <= 26:
        raise UserError(f"data: letters: {letters}; 2 to 26 would be right")
    for key, value in (("branching", branching), ("closing", closing)):
        if not 1 <= value <= letters:
            raise UserError(f"data: {key}: {value}; 1 to letters = {letters} would be right")
    if not 0 < end < 1:
        raise UserError(f"data: end: {end}; a probability above 0 and below 1 would be right")
    return MarkovSource.draw(seed, letters, branching, closing, end, max_length)


def _sample(source: MarkovSource, number: int, seed: list[int]) -> Sequences:
    generator = np.random.default_rng(seed)
    return [source.sample(generator) for _ in range(number)]


def _columns(source: MarkovSource, texts: Sequences) -> Columns:
    log_prob_length = source.log_prob_length
    return {
        "log_prob": np.array([source.log_prob(x) for x in texts]),
        "log_prob_length": np.array([log_prob_length[len(x)] for x in texts]),
    }


def _facts(texts: Sequences, columns: Columns) -> dict[str, float]:
    joint, length = math.fsum(columns["log_prob"]), math.fsum(columns["log_prob_length"])
    steps, ends = sum(map(len, texts)), len(texts)
    return {"nll": -joint / (steps + ends), "nll_given_length": (length - joint) / steps}


def _choose(weights: Floats, generator: np.random.Generator) -> int:
    """An index drawn with the given weights, none with weight 0."""
    cumulative = np.cumsum(weights)
    return int(np.searchsorted(cumulative, generator.random() * cumulative[-1], side="right"))


def _bits(probabilities: Floats) -> Any:
    """Entropy in bits along the last axis."""
    safe = np.where(probabilities > 0, probabilities, 1.0)
    return -(safe * np.log2(safe)).sum(axis=-1)

"""The Markov source: its probabilities against enumeration of every text of a tiny one."""

from itertools import product

import numpy as np
import pytest

from lnf.corpora.sources.markov import MarkovSource, from_settings, read
from lnf.errors import UserError

COUNTS = {"train": 400, "valid": 50, "test": 50}
OPTIONS = {"seed": 1, "letters": 12, "branching": 3, "closing": 4, "end": 0.06, **COUNTS}
SETTINGS = {"max_length": 48, "options": OPTIONS}


def tiny() -> MarkovSource:
    return MarkovSource.draw(seed=3, letters=3, branching=2, closing=2, end=0.3, max_length=6)


def texts(source: MarkovSource, length: int) -> list[np.ndarray]:
    return [np.array(x, dtype=np.uint8) for x in product(range(source.letters), repeat=length)]


def enumerated(source: MarkovSource, x: np.ndarray) -> float:
    """P(x, then the end) of the source without the condition on T, step by step from its tables."""
    a, b, p = source.letters, source.letters, 1.0
    for letter in map(int, x):
        p *= (1 - source._end_AB[a, b]) * source._next_ABV[a, b, letter]
        a, b = b, letter
    return p * source._end_AB[a, b]


def test_log_prob_is_that_of_enumeration_and_sums_to_one() -> None:
    source = tiny()
    everything = [x for length in range(1, 7) for x in texts(source, length)]
    weights = np.array([enumerated(source, x) for x in everything])
    probs = np.exp([source.log_prob(x) for x in everything])
    np.testing.assert_allclose(probs, weights / weights.sum(), rtol=1e-12, atol=0)
    assert probs.sum() == pytest.approx(1, abs=1e-12) and (probs == 0).any()


def test_log_prob_length_is_the_sum_over_texts_of_that_length() -> None:
    source = tiny()
    assert source.log_prob_length.shape == (7,) and source.log_prob_length[0] == -np.inf
    for length in range(1, 7):
        total = sum(np.exp(source.log_prob(x)) for x in texts(source, length))
        assert np.exp(source.log_prob_length[length]) == pytest.approx(total, rel=1e-12)


def test_next_letter_is_the_conditional_given_the_letters_left() -> None:
    source = tiny()
    joint = {x.tobytes(): np.exp(source.log_prob(x)) for x in texts(source, 5)}
    for prefix in texts(source, 2):
        counts = np.zeros(3)
        for rest in texts(source, 3):
            counts[rest[0]] += joint[np.concatenate([prefix, rest]).tobytes()]
        if counts.any():  # else the prefix itself cannot be written
            given = source.next_letter((int(prefix[0]), int(prefix[1])), left=3)
            np.testing.assert_allclose(given, counts / counts.sum(), rtol=1e-12)


def test_chain_rule_of_conditionals_gives_log_prob() -> None:
    source = from_settings(SETTINGS)
    generator = np.random.default_rng(0)
    for _ in range(20):
        x = source.sample(generator)
        context, total = (12, 12), source.log_prob_length[len(x)]
        for t, letter in enumerate(map(int, x)):
            total += np.log(source.next_letter(context, len(x) - t)[letter])
            context = (context[1], letter)
        assert total == pytest.approx(source.log_prob(x), rel=1e-12)


def test_samples_have_the_probabilities_of_the_source() -> None:
    source = tiny()
    generator = np.random.default_rng(0)
    number = 20_000
    counts: dict[bytes, int] = {}
    for _ in range(number):
        x = source.sample(generator).tobytes()
        counts[x] = counts.get(x, 0) + 1
    for length in (1, 2, 3):
        for x in texts(source, length):
            p = np.exp(source.log_prob(x))
            assert abs(counts.get(x.tobytes(), 0) / number - p) <= 4.5 * np.sqrt(p * (1 - p) / number)


def test_texts_outside_the_support() -> None:
    source = tiny()
    assert source.log_prob(np.zeros(0, dtype=np.uint8)) == -np.inf
    assert source.log_prob(np.zeros(7, dtype=np.uint8)) == -np.inf


def test_entropies_of_the_source_in_use() -> None:
    conditional, alone = from_settings(SETTINGS).entropies()
    assert 1.0 <= conditional <= 1.5 and alone >= conditional + 1
    lengths = np.exp(from_settings(SETTINGS).log_prob_length)
    assert 20 <= (lengths * np.arange(49)).sum() <= 25


def test_entropies_of_a_source_that_repeats_or_tosses_a_coin() -> None:
    fair = np.full((3, 3, 2), 0.5)
    assert MarkovSource(fair, np.full((3, 3), 0.1), 5).entropies() == pytest.approx((1.0, 1.0))
    alternating = np.zeros((3, 3, 2))
    alternating[:, 0, 1] = alternating[:, 1, 0] = alternating[:, 2, 0] = 1
    assert MarkovSource(alternating, np.full((3, 3), 0.1), 5).entropies() == pytest.approx((0.0, 1.0))


def test_read_gives_exact_columns_and_facts() -> None:
    corpus = read(SETTINGS, {}, **OPTIONS)
    source = from_settings(SETTINGS)
    assert corpus.vocabulary == list("abcdefghijkl") and corpus.width == 12
    assert {split: len(xs) for split, xs in corpus.splits.items()} == COUNTS
    for split, xs in corpus.splits.items():
        log_prob, log_prob_length = corpus.columns[split]["log_prob"], corpus.columns[split]["log_prob_length"]
        assert log_prob[3] == source.log_prob(xs[3]) and log_prob_length[3] == source.log_prob_length[len(xs[3])]
        steps, facts = sum(map(len, xs)), corpus.source[split]
        assert facts["nll"] == pytest.approx(-log_prob.sum() / (steps + len(xs)))
        assert facts["nll_given_length"] == pytest.approx(-(log_prob - log_prob_length).sum() / steps)
        assert np.log(2) <= facts["nll_given_length"] <= 1.5 * np.log(2)


def test_read_depends_on_its_seed_alone() -> None:
    first, again, other = (read(SETTINGS, {}, **OPTIONS | {"seed": seed}).splits["train"] for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert any(not np.array_equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize(("key", "value"), [("letters", 1), ("branching", 13), ("closing", 0), ("end", 1.0)])
def test_sizes_that_cannot_be(key: str, value: float) -> None:
    with pytest.raises(UserError, match=f"{key}: {value}"):
        read(SETTINGS, {}, **OPTIONS | {key: value})

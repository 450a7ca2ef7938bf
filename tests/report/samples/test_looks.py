"""Samples next to the data: what is near, what differs, and that files hold what was drawn."""

from pathlib import Path

import numpy as np
import pyarrow
import pytest
from numpy.typing import NDArray

from lnf.corpora import store
from lnf.corpora.sources.base import RawCorpus
from lnf.plan import config
from lnf.plan.results import Plan
from lnf.report.samples import statistics
from lnf.report.samples.exhibits import HEARD, write_samples
from lnf.report.samples.statistics import Rolls, density, distance, distances, histograms, nearest_text
from lnf.system.files import read_json
from lnf.system.sealed import write_table

RNG = np.random.default_rng(0)


def texts(n: int, symbols: int = 4) -> list[NDArray[np.uint8]]:
    return [RNG.integers(0, symbols, RNG.integers(1, 9)).astype(np.uint8) for _ in range(n)]


def rolls(n: int, steps: int = 12) -> list[NDArray[np.uint8]]:
    return [(RNG.random((RNG.integers(3, steps), 88)) < 0.06).astype(np.uint8) for _ in range(n)]


def test_nearest_text_is_the_one_with_the_fewest_edits() -> None:
    found = nearest_text("abcd", ["zzzz", "abxd", "abcde"])
    assert (found.row, found.likeness) == (2, pytest.approx(0.8))
    assert nearest_text("abcd", ["q", "abcd"]).likeness == 1


def test_a_training_piece_is_found_wherever_it_is_shifted() -> None:
    train = rolls(9)
    search = Rolls(train)
    for row, roll in enumerate(train):
        found = search.nearest(roll)
        assert (found.row, found.likeness) == (row, pytest.approx(1.0, abs=1e-4))
    part = np.concatenate([np.zeros((4, 88), np.uint8), train[3][1:]])
    assert search.nearest(part).row == 3 and search.nearest(part).likeness > 0.8


def test_nearest_piece_is_the_one_that_every_shift_says() -> None:
    train, roll = rolls(5), rolls(1)[0]
    best = 0.0
    for other in train:
        for shift in range(-len(roll) + 1, len(other)):
            window = np.zeros_like(roll)
            for t in range(len(roll)):
                if 0 <= t + shift < len(other):
                    window[t] = other[t + shift]
            best = max(best, 2 * int((window & roll).sum()) / max(1, int(window.sum() + roll.sum())))
    assert Rolls(train).nearest(roll).likeness == pytest.approx(best, abs=1e-4)


def test_the_search_in_parts_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    train = rolls(12)
    found = [Rolls(train).nearest(roll) for roll in train]
    monkeypatch.setattr(statistics, "ROWS_AT_ONCE", 16)
    again = [Rolls(train).nearest(roll) for roll in train]
    assert [one.row for one in found] == [one.row for one in again] == list(range(12))
    assert [one.likeness for one in found] == pytest.approx([one.likeness for one in again], abs=1e-4)


def test_silence_is_like_nothing() -> None:
    assert Rolls(rolls(3)).nearest(np.zeros((5, 88), np.uint8)).likeness == 0


@pytest.mark.parametrize(("kind", "make"), [("text", texts), ("music", rolls)])
def test_distance_is_a_metric_of_shares(kind: str, make: object) -> None:
    one, other = (make(20), make(20))  # type: ignore[operator]
    for name, histogram in histograms(one, kind).items():
        assert sum(histogram.values()) == pytest.approx(1)
        assert 0 < distance(histogram, histograms(other, kind)[name]) < 1
    assert set(distances(one, one, kind).values()) == {0.0}
    assert distance({"a": 1.0}, {"b": 1.0}) == 1


def test_what_is_counted() -> None:
    counted = histograms([np.array([0, 1, 0, 1]), np.array([1])], "text")
    assert counted["characters"] == {(0,): 0.4, (1,): 0.6}
    assert counted["pairs"] == {(0, 1): pytest.approx(2 / 3), (1, 0): pytest.approx(1 / 3)}
    chord = np.zeros((2, 88), np.uint8)
    chord[0, [3, 7]] = 1
    assert histograms([chord], "music") == {"pitches": {3: 0.5, 7: 0.5}, "notes at a time": {2: 0.5, 0: 0.5}}
    assert density([chord]) == 1


def drawn(plan: Plan, kind: str) -> None:
    """A corpus and, of every run but the first, what its evaluation drew."""
    make = texts if kind == "text" else rolls
    for corpus in plan.corpora.values():
        raw = RawCorpus(
            {split: make(8) for split in ("train", "valid", "test")}, list("abcd") if kind == "text" else None
        )
        meta = {"kind": kind, "vocabulary": raw.vocabulary, "longest": 12, "settings": {"lengths": {"headroom": 1.25}}}
        store.write(corpus.folder, raw, meta)
    for run in plan.runs[1:]:
        sequences = make(6)
        table = pyarrow.table({
            "what": ["sample"] * 4 + ["original", "reconstruction"],
            "x": store.to_lists([*sequences[:4], sequences[4], sequences[4]], kind, 4),
        })  # fmt: skip
        run.folder.mkdir(parents=True)
        write_table(run.evaluated[2], table)


@pytest.mark.parametrize(("corpus", "kind"), [("markov", "text"), ("chorales", "music")])
def test_every_run_that_drew_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, corpus: str, kind: str) -> None:
    monkeypatch.chdir(tmp_path)
    selected = {"name": "small", "select": {"corpora": [corpus], "priors": ["lstm", "af_af"], "seeds": [0, 1]}}
    plan = Plan(config.load(config.merge(config.read(), selected)))
    drawn(plan, kind)
    view = plan.views["exhibits"]
    write_samples(**view.arguments, out=view.folder)
    assert all(path.exists() for path in plan.views["exhibits"].files)
    facts = read_json(view.files[0])
    assert {Path(file).parts[0] for run in facts["runs"] for file in run["files"]} == {"samples"}
    assert [(run["prior"], run["seed"]) for run in facts["runs"]] == [("lstm", 1), ("af_af", 0), ("af_af", 1)]
    assert set(facts["corpora"][corpus]["distances"]) == set(facts["runs"][0]["distances"])
    for run in facts["runs"]:
        assert run["given_back"] == 1 and all(
            (view.folder / Path(file).relative_to("samples")).stat().st_size > 0 for file in run["files"]
        )
        if kind == "text":
            assert len(run["samples"]) == 4 and all(0 <= one["likeness"] <= 1 for one in run["samples"])
            assert run["reconstructions"][0]["test"] == run["reconstructions"][0]["text"]
        else:
            heard = run["prior"] == "af_af" and run["seed"] == 0
            forms = ("mid", "svg", "ogg") if heard else ("mid",)
            assert {Path(file).suffix[1:] for file in run["files"]} == set(forms)
            assert len(run["files"]) == HEARD * len(forms)

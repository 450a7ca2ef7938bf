"""Right under the answer: for each corpus, something from the data next to what the winner drew."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from lnf.kinds.base import kind_of
from lnf.kinds.piano import Music
from lnf.report.page.answer import Answer

Run = Mapping[str, Any]
LINES = 3


class Pair(NamedTuple):
    """What is shown of a corpus: lines of text, or the stems of two pieces of music; and what differs most."""

    corpus: str
    label: str
    music: bool
    originals: Sequence[str]
    samples: Sequence[str]
    worst: str


def showcase(answers: Sequence[Answer], samples: Mapping[str, Any]) -> list[Pair]:
    """A pair for each corpus of whose winner there are samples."""
    pairs = []
    for answer in answers:
        of_corpus = [run for run in samples["runs"] if run["corpus"] == answer.corpus]
        run = next((run for run in of_corpus if run["prior"] == answer.winner.outcome.prior), None)
        if run is not None:
            music = isinstance(kind_of(run["kind"]), Music)
            shown = 1 if music else LINES
            drawn = _pieces(run["files"]) if music else [sample["text"] for sample in run["samples"]]
            names = (answer.corpus, run["label"], music)
            worst = worst_of(run, samples["corpora"].get(answer.corpus))
            pairs.append(Pair(*names, _originals(of_corpus, music)[:shown], drawn[:shown], worst))
    return pairs


def worst_of(run: Run, data: Mapping[str, Any] | None) -> str:
    """A sentence on what is least like the data: a total variation distance is the share that would have to change.
    Empty for a kind of data that counts nothing.
    """
    if not run["distances"]:
        return ""
    what = max(run["distances"], key=lambda name: run["distances"][name])
    share = f"Least like the training data: {what}, of which {run['distances'][what]:.0%} would have to change"
    return f"{share}; of {data['split']}, {data['distances'][what]:.0%}." if data else f"{share}."


def _originals(runs: Sequence[Run], music: bool) -> list[str]:
    """Of the test sequences that runs reconstructed, which are the same for all: lines, or stems of pieces."""
    for run in runs:
        if run["reconstructions"]:
            if music:
                return [stem for stem in _pieces(run["reconstructions"]) if "original" in stem]
            return [pair["test"] for pair in run["reconstructions"]]
    return []


def _pieces(files: Sequence[str]) -> list[str]:
    """The stems of the pieces that can be heard."""
    return [file.removesuffix(".ogg") for file in files if file.endswith(".ogg")]

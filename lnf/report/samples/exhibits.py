"""Samples of every run as text, pictures and sound, and their statistics next to those of the data."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lnf.corpora import store
from lnf.report.samples.media import MUSIC, Script, write
from lnf.report.samples.statistics import Nearest, Rolls, density, distances, nearest_text
from lnf.system.files import write_json
from lnf.system.sealed import read_table

SHOWN = 10
"""Texts that are held against the training set."""
SAMPLES = "samples"
HEARD = 3
"""Pieces of music that become files."""

Sequences = list[NDArray[np.integer[Any]]]
Run = Mapping[str, Any]


def write_samples(
    runs: Sequence[Run], corpora: Sequence[Mapping[str, Any]], step_seconds: Mapping[str, float], out: Path
) -> None:
    """Write OUT/CORPUS/PRIOR/SEED/ for each run and OUT/samples.json, which says what is where.

    `runs` and `corpora` are those of `lnf.plan.results.Plan.gathered`; `step_seconds`: corpus -> seconds that a step
    lasts when it is played. A run without samples is left out.
    """
    for old in out.glob("*/"):
        shutil.rmtree(old)
    known = {one["corpus"]: _Corpus(one, step_seconds[one["corpus"]]) for one in corpora}
    first = {(run["corpus"], run["prior"]): run["seed"] for run in reversed(runs)}
    shown: list[dict[str, Any]] = []
    said = None
    for run in runs:
        if run["corpus"] != said:
            said = run["corpus"]
            print(f"lnf: samples: {said}", flush=True)
        drawn = _Drawn.read(run)
        if drawn is not None:
            heard = first[run["corpus"], run["prior"]] == run["seed"]
            shown.append(_write_run(out, run, drawn, known[run["corpus"]], heard))
    data = {name: one.facts() for name, one in known.items() if one.prepared}
    write_json(out / "samples.json", {"runs": shown, "corpora": data})


@dataclass(frozen=True)
class _Drawn:
    """What a run's evaluation drew, and the test sequences that it gave back, one for one."""

    samples: Sequences
    originals: Sequences
    reconstructions: Sequences

    @classmethod
    def read(cls, run: Run) -> "_Drawn | None":
        path = Path(run["folder"], f"samples-{run['evaluation']}.parquet")
        table = read_table(path) if path.exists() else None
        if table is None or not table.num_rows:  # not there yet, or of a run that diverged
            return None
        found = list(zip(table["what"].to_pylist(), store.from_lists(table["x"].combine_chunks()), strict=True))
        return cls(*([x for what, x in found if what == kind] for kind in ("sample", "original", "reconstruction")))

    @property
    def pairs(self) -> list[tuple[NDArray[np.integer[Any]], NDArray[np.integer[Any]]]]:
        """Each test sequence with what came back of it."""
        return list(zip(self.originals, self.reconstructions, strict=True))


class _Corpus:
    """A prepared corpus as samples are held against it."""

    def __init__(self, corpus: Mapping[str, Any], step_seconds: float) -> None:
        self.name, self.folder, self.split = corpus["corpus"], Path(corpus["data"]), corpus["splits"][0]
        self.step_seconds = step_seconds

    @property
    def prepared(self) -> bool:
        return (self.folder / store.META).exists()

    @cached_property
    def meta(self) -> dict[str, Any]:
        return store.read_meta(self.folder)

    @cached_property
    def script(self) -> Script:
        return Script(self.meta["kind"], self.meta["vocabulary"], self.meta["separator"], self.step_seconds)

    @cached_property
    def train(self) -> Sequences:
        return store.read_split(self.folder, "train")[0]

    @cached_property
    def held_out(self) -> Sequences:
        """Test, or valid if test was left out."""
        return store.read_split(self.folder, self.split)[0]

    @cached_property
    def lines(self) -> list[str]:
        """Train as text."""
        return [self.script.line(x) for x in self.train]

    @cached_property
    def rolls(self) -> Rolls:
        """Train as music."""
        return Rolls(self.train)

    def nearest(self, x: NDArray[np.integer[Any]]) -> Nearest:
        """The nearest sequence of train."""
        return self.rolls.nearest(x) if self.script.is_music else nearest_text(self.script.line(x), self.lines)

    def facts(self) -> dict[str, Any]:
        """The same numbers of held-out sequences, for scale."""
        kind, some = self.meta["kind"], self.held_out[:100]
        likeness = [self.nearest(x).likeness for x in self.held_out[: HEARD if self.script.is_music else SHOWN]]
        facts: dict[str, Any] = {"kind": kind, "split": self.split, "likeness": likeness}
        facts["distances"] = distances(some, self.train, kind)
        if self.script.is_music:
            facts["density"] = density(self.train)
        return facts


def _write_run(out: Path, run: Run, drawn: _Drawn, corpus: _Corpus, heard: bool) -> dict[str, Any]:
    folder = out / run["corpus"] / run["prior"] / str(run["seed"])
    names = {key: run[key] for key in ("corpus", "kind", "prior", "label", "seed")}
    facts = names | {"distances": distances(drawn.samples, corpus.train, run["kind"])}
    writer = _write_pieces if corpus.script.is_music else _write_texts
    facts |= writer(out, folder, drawn, corpus, heard)
    write_json(folder / "run.json", {"digests": run["digests"]})  # whose they are
    return facts


def _write_texts(out: Path, folder: Path, drawn: _Drawn, corpus: _Corpus, heard: bool) -> dict[str, Any]:
    line = corpus.script.line
    files = write(folder, "samples", drawn.samples, corpus.script)
    for stem, texts in (("originals", drawn.originals), ("reconstructions", drawn.reconstructions)):
        files += write(folder, stem, texts, corpus.script) if texts else []
    pairs = drawn.pairs
    shown = drawn.samples[:SHOWN]
    near = [corpus.nearest(x) for x in shown]
    return {
        "files": _relative(files, out),
        "samples": [
            {"text": line(x), "nearest": corpus.lines[one.row], "likeness": one.likeness}
            for x, one in zip(shown, near, strict=True)
        ],
        "reconstructions": [{"test": line(test), "text": line(x)} for test, x in pairs],
        "given_back": _share([np.asarray(test == x) for test, x in pairs]),
    }


def _write_pieces(out: Path, folder: Path, drawn: _Drawn, corpus: _Corpus, heard: bool) -> dict[str, Any]:
    forms = MUSIC if heard else MUSIC[:1]
    shown = drawn.samples[:HEARD]
    files = write(folder, "samples", shown, corpus.script, forms)
    back = [path for stem, x in (("original", drawn.originals), ("reconstruction", drawn.reconstructions))
            for path in write(folder, stem, x[:1] if heard else [], corpus.script, forms)]  # fmt: skip
    near = [corpus.nearest(x) for x in shown] if heard else []
    return {
        "files": _relative(files, out),
        "samples": [asdict(one) for one in near],
        "reconstructions": _relative(back, out),
        "given_back": _share_of_notes(drawn.pairs),
        "density": density(drawn.samples),
    }


def _relative(files: Sequence[Path], out: Path) -> list[str]:
    """Files as they are called where the view is published."""
    return [str(Path(SAMPLES, path.relative_to(out))) for path in files]


def _share(hits: Sequence[NDArray[np.bool_]]) -> float | None:
    """Symbols that came back as they were."""
    return float(np.concatenate(hits).mean()) if hits else None


def _share_of_notes(pairs: Sequence[tuple[NDArray[np.integer[Any]], NDArray[np.integer[Any]]]]) -> float | None:
    """2 common / (notes + notes)."""
    if not pairs:
        return None
    common = sum(int((test & x).sum()) for test, x in pairs)
    return 2 * common / max(1, sum(int(test.sum()) + int(x.sum()) for test, x in pairs))

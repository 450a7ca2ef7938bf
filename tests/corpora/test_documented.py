"""docs/adding-a-corpus.md: its overlays, its reader and its kind work as they are written there."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from lnf.corpora import store
from lnf.laws.check import check
from lnf.plan import config
from lnf.plan.jobs import perform
from lnf.plan.results import Plan
from tests.corpora import test_midi

PAGE = (config.ROOT / "docs" / "adding-a-corpus.md").read_text(encoding="utf-8")
OVERLAYS = {
    overlay["name"]: overlay for overlay in map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
}
SMALL = {
    "model": {"latent": 4, "hidden": 8, "embedding": 8, "layers": 1, "flow_layers": 1, "flow_hidden": 8},
    "train": {"epochs": 2, "batch": 16, "kl_anneal": False, "learning_rate": 0.01, "optimizer": "adam"},
    "evaluate": {"samples": 2},
    "sample": {"samples": 3, "reconstructions": 2},
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project, with the Python of the page in ideas/."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "ideas").mkdir()
    for name, text in zip(("fasta", "counts"), re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL), strict=True):
        (tmp_path / "ideas" / f"{name}.py").write_text(text, encoding="utf-8")
    return tmp_path


def plan_of(name: str, **changes: Any) -> Plan:
    return Plan(config.load(config.merge(config.merge(config.read(), OVERLAYS[name]), changes)))


def prepared(name: str) -> dict[str, Any]:
    """What meta.json says of the corpus of an overlay."""
    (corpus,) = plan_of(name).corpora.values()
    perform("prepare", corpus.spec, corpus.folder)
    return store.read_meta(corpus.folder)


def test_texts(folder: Path) -> None:
    (folder / "texts").mkdir()
    lines = [f"line {n:03}" for n in range(400)]
    (folder / "texts" / "all.txt").write_text("\n".join(lines), encoding="utf-8")
    meta = prepared("letters")
    assert sum(counts["sequences"] for counts in meta["counts"].values()) == len(lines)
    assert meta["vocabulary"] == sorted(set("line 0123456789")) and meta["unit"] == "bpc"
    meta = prepared("words")
    assert meta["vocabulary"] == ["<unk>", "line"] and (meta["unit"], meta["separator"]) == ("bits/word", " ")


def test_a_reader_of_ones_own(folder: Path) -> None:
    (folder / "proteins").mkdir()
    records = "".join(f">protein {n}\nMKV\nLA{'GC'[n % 2]}\n" for n in range(20))
    (folder / "proteins" / "some.fasta").write_text(records, encoding="utf-8")
    meta = prepared("proteins")
    found = {split: counts["sequences"] for split, counts in meta["counts"].items()}
    assert found == {"train": 12, "valid": 4, "test": 4}
    assert meta["vocabulary"] == list("ACGKLMV") and meta["longest"] == 6 and meta["unit"] == "bits/residue"


def test_tunes(folder: Path) -> None:
    for n in range(30):
        test_midi.write(folder / "tunes" / f"{n}.mid", (40 + n, 0.0, 2.0), (30, 0.0, 2.0 + n))
    meta = prepared("tunes")
    assert sum(counts["sequences"] for counts in meta["counts"].values()) == 30
    assert meta["longest"] == 4  # notes below the range do not count
    assert (
        meta["about"] == "4 to 4 steps, median 4; 1.00 notes a step, MIDI notes 40 to 68"
    )  # the highest is of another split


def test_a_kind_of_ones_own_goes_all_the_way(folder: Path) -> None:
    """Its laws, a table of its own, and samples of counts."""
    rng = np.random.default_rng(0)
    np.save(folder / "spikes.npy", rng.poisson([0.2, 3.0, 1.0], (80, 6, 3)))
    plan = plan_of("spikes", overrides={"all": SMALL})
    assert plan.checked_kinds == ["text", "music", "ideas.counts.Counts"]
    check(plan.runs[0].spec, folder / "check.json", plan.checked_kinds[2:])
    assert torch.get_default_dtype() is torch.float32, "as it was"
    jobs = [*plan.corpora.values(), *plan.trained.values(), *plan.evaluated.values(), plan.gathered]
    for job in [*jobs, plan.views["tables"], plan.views["exhibits"]]:
        perform(job.stage.name, job.spec, job.folder)
    assert all(file.exists() for job in jobs for file in job.files)
    table = (plan.views["tables"].folder / "counts.md").read_text(encoding="utf-8")
    assert table.startswith("# Counts\n") and "spikes, test (nats/step)" in table and "bigram" not in table
    (samples,) = plan.views["exhibits"].folder.glob("spikes/lstm/0/samples.txt")
    first = samples.read_text(encoding="utf-8").splitlines()[0]
    assert re.fullmatch(r"\d+,\d+,\d+( \d+,\d+,\d+)*", first)
    loss = {run.spec.prior.name: run.folder for run in plan.runs}
    assert all((path / "model.pt").exists() for path in loss.values())

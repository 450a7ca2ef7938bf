"""docs/adding-a-corpus.md: its overlays and its reader are prepared as they are written there."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from lnf.corpora import store
from lnf.plan import config
from lnf.plan.jobs import perform
from lnf.plan.results import Plan

PAGE = (config.ROOT / "docs" / "adding-a-corpus.md").read_text(encoding="utf-8")
OVERLAYS = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def prepared(overlay: dict[str, Any]) -> dict[str, Any]:
    """What meta.json says of the corpus of an overlay."""
    (corpus,) = Plan(config.load(config.merge(config.read(), overlay))).corpora.values()
    perform("prepare", corpus.spec, corpus.folder)
    return store.read_meta(corpus.folder)


def test_texts(folder: Path) -> None:
    (folder / "texts").mkdir()
    lines = [f"line {n:03}" for n in range(400)]
    (folder / "texts" / "all.txt").write_text("\n".join(lines), encoding="utf-8")
    meta = prepared(OVERLAYS[0])
    assert sum(counts["sequences"] for counts in meta["counts"].values()) == len(lines)
    assert meta["vocabulary"] == sorted(set("line 0123456789"))


def test_a_reader_of_ones_own(folder: Path) -> None:
    (reader,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (folder / "ideas").mkdir()
    (folder / "ideas" / "fasta.py").write_text(reader, encoding="utf-8")
    (folder / "proteins").mkdir()
    records = "".join(f">protein {n}\nMKV\nLA{'GC'[n % 2]}\n" for n in range(20))
    (folder / "proteins" / "some.fasta").write_text(records, encoding="utf-8")
    meta = prepared(OVERLAYS[1])
    found = {split: counts["sequences"] for split, counts in meta["counts"].items()}
    assert found == {"train": 12, "valid": 4, "test": 4}
    assert meta["vocabulary"] == list("ACGKLMV") and meta["longest"] == 6

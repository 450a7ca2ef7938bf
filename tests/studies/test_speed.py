"""Sampling time: every model, batch and length is timed, in turn; nothing here looks at a clock."""

from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from lnf.runs.training import train_run
from lnf.studies import speed
from lnf.studies.speed import LONG_S, run_speed
from lnf.system.files import read_json
from tests.specs import tiny_spec
from tests.tiny_corpus import context, prepared

SETTINGS = {"batches": [1, 3], "lengths": 3, "repeats": 2}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("speed")
    corpus = prepared(folder)
    for prior in ("lstm", "af_scf"):
        train_run(tiny_spec(prior), corpus, folder / prior, context(tiny_spec(prior)))
    return [str(folder / prior) for prior in ("lstm", "af_scf")]


def rows_of(runs: list[str], out: Path) -> list[dict[str, Any]]:
    run_speed(runs, SETTINGS, 1, "auto", out)
    rows: list[dict[str, Any]] = pyarrow.parquet.read_table(out / "speed.parquet").to_pylist()
    return rows


def test_every_case_is_timed_in_turn(runs: list[str], tmp_path: Path) -> None:
    rows = rows_of(runs, tmp_path)
    assert [(row["batch"], row["length"], row["repeat"], row["prior"]) for row in rows] == [
        (batch, length, repeat, prior)
        for batch in (1, 3)
        for length in (2, 5, 10)
        for repeat in (0, 1)
        for prior in ("lstm", "af_scf")
    ]
    assert all(row["seconds"] > 0 for row in rows)
    facts = read_json(tmp_path / "speed.json")
    assert facts["threads"] == 1 and facts["device"] in ("cpu", "cuda") and facts["machine"]["cores"] >= 1


def test_what_takes_long_is_timed_once(runs: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "seconds_of", lambda model, batch, *_: LONG_S if batch == 3 else 0.1)
    counts = [row["batch"] for row in rows_of(runs, tmp_path)]
    assert (counts.count(1), counts.count(3)) == (12, 6)

"""A corpus with one sequence a split is trained on, evaluated and shown, or refused in one line."""

from pathlib import Path
from typing import Any

import pytest

from lnf.corpora import store
from lnf.corpora.prepare import prepare
from lnf.corpora.sources.base import SPLITS
from lnf.report.gather import references_of
from lnf.runs.evaluation import evaluate_run
from lnf.runs.training import train_run
from lnf.spec import EvaluateSpec
from lnf.studies.bounds import run_bounds
from lnf.system.sealed import read_rows
from tests.specs import tiny_spec
from tests.tiny_corpus import DIGEST, SETTINGS, context


@pytest.mark.parametrize("prior", ["lstm", "af_scf"])
def test_one_sequence_a_split_is_enough(tmp_path: Path, prior: str) -> None:
    folder = tmp_path / "data" / "tiny" / DIGEST
    settings: dict[str, Any] = {**SETTINGS, "options": SETTINGS["options"] | dict.fromkeys(SPLITS, 1)}
    prepare("tiny", settings, DIGEST, None, folder)
    spec = tiny_spec(prior).replace(evaluate=EvaluateSpec(samples=2))
    told = context(spec)
    train_run(spec, folder, tmp_path / "run", told)
    evaluate_run(spec, folder, tmp_path / "run", told.digests, "e0")
    rows = read_rows(tmp_path / "run" / "evaluation-e0.parquet")
    assert {row["n"] for row in rows} == {1} and {row["split"] for row in rows} == {"valid", "test"}
    if prior != "lstm":
        run_bounds(tmp_path / "run", folder, {"samples": [4], "sequences": None, "seed": 0}, 1, tmp_path / "bounds")
        assert [row["flat"] for row in read_rows(tmp_path / "bounds" / "bounds.parquet")] == [False, False]


def test_a_letter_that_train_lacks_leaves_the_unigram_out(tmp_path: Path) -> None:
    """Its NLL would be infinite, which no file of ours holds."""
    folder = tmp_path / "data" / "tiny" / DIGEST
    settings: dict[str, Any] = {
        **SETTINGS,
        "options": SETTINGS["options"] | {"letters": 26, "train": 1, "valid": 1, "test": 50},
    }
    settings["lengths"] = {"smoothing": "add_one", "headroom": 9.0}
    prepare("tiny", settings, DIGEST, None, folder)
    facts = store.read_meta(folder)["source"]["test"]
    assert "nll" in facts and "unigram_nll" not in facts
    rows = list(references_of({"corpus": "tiny", "data": str(folder), "whole": ["test"]}))
    assert {row["prior"] for row in rows} == {"source"}

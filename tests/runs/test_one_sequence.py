"""A corpus with one sequence a split is trained on, evaluated and shown, or refused in one line."""

from pathlib import Path
from typing import Any

import pytest

from lnf.corpora.prepare import prepare
from lnf.corpora.sources.base import SPLITS
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

"""Settings are tried on valid alone, each once, and all of them are listed."""

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lnf.plan.config import ROOT

TRIES = """
corpus: markov
prior: af_af
seed: 0
base:
  model: {latent: 2, hidden: 4, embedding: 4, layers: 1, flow_layers: 1, flow_hidden: 4}
  train: {epochs: 3, batch: 10, valid_batch: 10, kl_floor_epochs: 0, kl_ramp_epochs: 1}
  subset: {train: 20, valid: 10, test: 10}
tries:
  plain:
  faster: {train: {learning_rate: 0.01}}
"""


def tried(folder: Path, code: int = 0) -> str:
    command = [sys.executable, str(ROOT / "bench" / "tries.py"), "tries.yaml", "tries.csv"]
    done = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def rows_in(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "tries.csv").read_text(encoding="utf-8").splitlines()))


@pytest.mark.e2e
def test_every_try_is_trained_once_and_listed_by_its_validation_loss(tmp_path: Path) -> None:
    (tmp_path / "tries.yaml").write_text(TRIES, encoding="utf-8")
    said = tried(tmp_path)
    assert "tries: plain: trained\n" in said and "plain: lnf: markov/af_af/0: trained, 3 epochs in " in said
    text = (tmp_path / "tries.csv").read_text(encoding="utf-8")
    rows = rows_in(tmp_path)
    assert {row["name"] for row in rows} == {"plain", "faster"} and {row["status"] for row in rows} == {"ok"}
    assert float(rows[0]["valid_nll"]) <= float(rows[1]["valid_nll"])
    assert all('"train.learning_rate": 0.01' in row["settings"] for row in rows if row["name"] == "faster")
    made = {path: path.stat().st_mtime_ns for path in tmp_path.glob("results/tries/*/*/*/*/*")}
    assert not [path for path in made if path.name.startswith("evaluation")]
    assert "trained" not in tried(tmp_path)
    assert (tmp_path / "tries.csv").read_text(encoding="utf-8") == text
    assert all(path.stat().st_mtime_ns == before for path, before in made.items())


@pytest.mark.e2e
def test_a_try_is_made_again_only_where_its_settings_changed(tmp_path: Path) -> None:
    (tmp_path / "tries.yaml").write_text(TRIES, encoding="utf-8")
    tried(tmp_path)
    before = {row["name"]: row for row in rows_in(tmp_path)}
    shutil.rmtree(tmp_path / "results")
    (tmp_path / "tries.yaml").write_text(TRIES.replace("learning_rate: 0.01", "learning_rate: 0.02"), encoding="utf-8")
    assert tried(tmp_path).count(": trained\n") == 1
    after = {row["name"]: row for row in rows_in(tmp_path)}
    assert after["plain"] == before["plain"] and after["faster"] != before["faster"]


@pytest.mark.e2e
def test_a_try_that_fails_is_told_and_listed_last(tmp_path: Path) -> None:
    (tmp_path / "tries.yaml").write_text(TRIES, encoding="utf-8")
    tried(tmp_path)
    (prepared,) = tmp_path.glob("data/markov/*/train.arrow")
    whole = prepared.read_bytes()
    prepared.write_bytes(whole[: len(whole) // 2])
    (tmp_path / "tries.yaml").write_text(TRIES + "  slower: {train: {learning_rate: 0.0001}}\n", encoding="utf-8")
    said = tried(tmp_path, code=1)
    assert "tries: slower: " in said and "1 of 3 failed; the same command tries them again" in said
    assert [row["status"] for row in rows_in(tmp_path)] == ["ok", "ok", "error"]
    prepared.write_bytes(whole)
    assert "tries: slower: trained" in tried(tmp_path)
    assert [row["status"] for row in rows_in(tmp_path)] == ["ok"] * 3

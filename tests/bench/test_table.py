"""`make bench` on real cases: each with its lower bound, its target judged, the table kept."""

from pathlib import Path

import pytest
import torch

from bench.speed import table
from bench.speed.__main__ import main
from bench.speed.cases import cases
from lnf.plan import config
from lnf.runs.machine import processor, slow_precision
from lnf.system.files import read_json

STEPS = config.read()["corpora"]["jsb_chorales"]["prepare"]["expect"]["steps"]["train"]


@pytest.mark.e2e
def test_bfloat16_stands_next_to_float32(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "bench.json"
    assert main(["--only", "jsb", "lstm", "train", "--threads", "1", "--json", str(out)]) == 0
    if slow_precision("bfloat16", torch.device("cpu"), processor()):
        assert [row["dtype"] for row in read_json(out)["rows"]] == ["float32"]
        return
    plain, coarse = read_json(out)["rows"]
    assert (plain["dtype"], coarse["dtype"]) == ("float32", "bfloat16")
    times = plain["seconds"] / coarse["seconds"]
    assert f"{times:.2f} x as fast as float32" in capsys.readouterr().out
    assert all(len(row["revision"]) >= 7 and row["repeats"] >= 3 for row in (plain, coarse))
    assert main(["--only", "jsb", "lstm", "train", "bfloat16", "--threads", "1", "--json", str(out)]) == 0
    kept, again = read_json(out)["rows"]
    assert kept == plain and again["dtype"] == "bfloat16" and again["when"] > coarse["when"]
    assert main(["--only", "jsb", "lstm", "train", "--threads", "2", "--json", str(out)]) == 1
    assert "its rows have other threads; a new file would be right" in capsys.readouterr().err


def test_a_precision_that_is_emulated_is_not_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A product in it would take minutes."""
    monkeypatch.setattr(table, "processor", lambda: {"avx2": True, "avx512_bf16": False})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(["--only", "jsb", "lstm", "train", "bfloat16"]) == 1
    assert capsys.readouterr().err.startswith("lnf: bench: bfloat16: this processor has no instructions for it; ")


@pytest.mark.e2e
def test_a_case_is_measured_next_to_its_floor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, profile = tmp_path / "bench.json", tmp_path / "profile.txt"
    words = ["jsb", "lstm", "train", "float32"]
    assert main(["--only", *words, "--threads", "1", "--json", str(out), "--profile", str(profile)]) == 0
    table = read_json(out)
    (row,) = table["rows"]
    assert (row["what"], row["setting"], row["prior"], row["batch"], row["length"]) == ("train", "jsb", "lstm", 5, 60)
    assert row["floor_seconds"] > 0 and row["over_floor"] == pytest.approx(row["seconds"] / row["floor_seconds"])
    assert row["peak_mb"] > 0 and table["threads"] == 1 and row["rates"]["large"] > row["rates"]["step"] > 0
    assert row["epoch_seconds"] == pytest.approx(row["seconds"] * STEPS / (5 * 60))
    printed = capsys.readouterr().out.splitlines()
    assert any(line.startswith("1 threads on cpu, 1 at once; inverses: ") for line in printed)
    (line,) = [line for line in printed if line.startswith("jsb lstm train float32 B=5 S=1 T=60")]
    assert line.endswith("1.4 reached" if row["over_floor"] <= 1.4 else "1.4 not reached")
    assert f"{row['seconds']:.4f} s without the profiler" in profile.read_text(encoding="utf-8")
    assert "aten::mm" in profile.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--only", "nope"], "bench: --only nope: no such case; words are, for instance, ptb af_af train"),
        (["--threads", "0"], "bench: --threads 0: 1 or more would be right"),
        (["--processes", "0"], "bench: --processes 0: 1 or more would be right"),
        (["--against", "no-such-revision"], "bench: --against no-such-revision: fatal: invalid reference"),
    ],
)
def test_a_wrong_wish_is_one_line(words: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"lnf: {line}") and len(said.splitlines()) == 1


def test_every_row_is_trained_scored_and_drawn() -> None:
    keys = [case.key for case in cases(on_gpu=False)]
    assert len(keys) == len(set(keys)) == 2 * (5 * 3 + 2 + 5) + 5 * 2 * 4
    aimed = [case for case in cases(on_gpu=False) if case.target is not None]
    assert len(aimed) == 4 * 3 + 5 + 4
    assert sum(case.faster_target is not None for case in cases(on_gpu=False)) == 2
    assert [case.key for case in cases(on_gpu=False) if case.peak_target] == ["ptb af_af train float32 B=15 S=10 T=120"]


def test_a_gpu_is_filled_by_larger_batches_too() -> None:
    steps = [case for case in cases(on_gpu=True) if case.setting.name == "ptb" and case.what == "train"]
    assert {case.batch for case in steps if case.prior == "af_af"} == {15, 60, 240} and {
        case.precision for case in steps
    } == {
        "tfloat32",
        "bfloat16",
    }

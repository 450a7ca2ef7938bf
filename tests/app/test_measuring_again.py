"""What is measured again, elsewhere or otherwise: what stays, what is replaced, and what a kill leaves."""

import shutil
import subprocess
from pathlib import Path

import pyarrow.parquet
import pytest

from lnf.app.measuring import keep_measured
from lnf.errors import UserError
from lnf.plan.config import Config, merge
from lnf.plan.results import Plan
from lnf.plan.run import Run
from lnf.report.frames import write_csv
from lnf.report.measured.archive import BOUNDS, Kept
from lnf.system.files import read_json, write_json
from lnf.system.sealed import write_table
from tests.app.small_plan import FOLDER, cut_short, plan
from tests.report.fabricated import finish_run

__all__ = ["plan"]


def remove(plan: Plan, seed: int) -> None:
    """Runs of a seed, as on a machine that made the others."""
    for run in plan.runs:
        if run.spec.seed == seed:
            shutil.rmtree(run.folder)


def test_what_two_machines_measured_is_kept_together(plan: Plan) -> None:
    keep_measured(plan)
    together = {path.relative_to(FOLDER): path.read_bytes() for path in FOLDER.rglob("*") if path.is_file()}
    shutil.rmtree(FOLDER)
    runs = {seed: [run for run in plan.runs if run.spec.seed == seed] for seed in (0, 1)}
    revision = str(read_json(plan.runs[-1].folder / "run.json")["revision"])
    remove(plan, seed=1)
    keep_measured(plan)
    remove(plan, seed=0)
    for run in runs[1]:
        finish_run(run, revision=revision)
    shutil.rmtree(next(iter(plan.corpora.values())).folder)
    keep_measured(plan)
    assert {path.relative_to(FOLDER): path.read_bytes() for path in FOLDER.rglob("*") if path.is_file()} == together


def test_a_run_that_another_configuration_keeps_is_taken_from_there(
    plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    """If its settings are the planned ones, and the results have nothing as good."""
    keep_measured(plan)
    changes = {"name": "other", "overrides": {"priors": {"af_af": {"evaluate": {"samples": 7}}}}}
    other = Plan(Config(merge(plan.config.values, changes), plan.config.variants, plan.config.root))
    done, cut, *_ = other.runs
    revision = read_json(plan.runs[0].folder / "run.json")["revision"]
    for run in (done, cut):
        finish_run(run, revision=revision)
    cut_short(cut, epochs=2)
    keep_measured(other)
    out = capsys.readouterr().out
    assert "other: 1 kept as small keeps them: markov/lstm/1\n" in out and "other: new: markov/lstm/0, ok" in out
    kept = Kept(FOLDER.with_name("other"))
    assert [(facts["prior"], facts["seed"], facts["name"]) for facts in kept.facts] == [
        ("lstm", 0, "other"), ("lstm", 1, "small")]  # fmt: skip
    assert set(kept.metrics[kept.metrics.prior == "af_af"].status) == {"not_run"}, "as many samples are not asked for"
    place = Path("runs", "markov", "lstm", "1", "evaluation.csv")
    assert (kept.folder / place).read_bytes() == (FOLDER / place).read_bytes()
    capsys.readouterr()
    keep_measured(other)
    assert "other: 1 kept as before: markov/lstm/1\n" in capsys.readouterr().out


def test_what_was_kept_of_other_settings_is_dropped_only_when_told(
    plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    keep_measured(plan)
    longer = merge(plan.config.values, {"overrides": {"priors": {"lstm": {"train": {"epochs": 50}}}}})
    other = Plan(Config(longer, plan.config.variants, plan.config.root))
    remove(plan, seed=0)
    for run in other.runs:
        if run.spec.seed == 1 and run.spec.prior.name == "lstm":
            finish_run(run, revision=str(read_json(plan.runs[-1].folder / "run.json")["revision"]))
    kept = {path: path.read_bytes() for path in FOLDER.rglob("*") if path.is_file()}
    line = r"1 kept run would be lost: markov/lstm/0 \(train.epochs 100, now 50\); train what takes its place"
    with pytest.raises(UserError, match=line):
        keep_measured(other)
    assert {path: path.read_bytes() for path in FOLDER.rglob("*") if path.is_file()} == kept
    keep_measured(other, drop=True)
    assert "dropped markov/lstm/0 (train.epochs 100, now 50)" in capsys.readouterr().out
    kept = {(facts["prior"], facts["seed"]) for facts in Kept(FOLDER).facts}
    assert kept == {("lstm", 1), ("af_af", 0), ("af_af", 1)}


@pytest.mark.parametrize("failed", [False, True], ids=["cut", "failed"])
def test_a_longer_run_of_before_stays(failed: bool, plan: Plan) -> None:
    keep_measured(plan)
    before = Path("docs", "results.md").read_bytes()
    cut_short(plan.runs[0], epochs=2)
    if failed:
        write_json(plan.runs[0].folder / "state" / "error.json", {})
    keep_measured(plan)
    assert Path("docs", "results.md").read_bytes() == before


def test_an_evaluation_of_before_stays_where_there_is_none(plan: Plan) -> None:
    keep_measured(plan)
    before = Path("docs", "results.md").read_bytes()
    for path in plan.runs[0].evaluated:
        path.unlink()
    keep_measured(plan)
    assert Path("docs", "results.md").read_bytes() == before


def test_a_run_that_came_further_stays(plan: Plan) -> None:
    """Of two that were cut, the one with more epochs; and numbers are not replaced by a run that diverged."""
    cut_short(plan.runs[0], epochs=20)
    keep_measured(plan)
    before = Path("docs", "results.md").read_bytes()
    assert b"| unfinished | 20 of 100 |" in before
    cut_short(finished_again(plan.runs[0]), epochs=2)
    finish_run(plan.runs[1], status="diverged", stopped="loss not finite after 3 smaller steps")
    diverge(plan.runs[1])
    keep_measured(plan)
    assert Path("docs", "results.md").read_bytes() == before
    cut_short(finished_again(plan.runs[0]), epochs=21)
    keep_measured(plan)
    assert "| unfinished | 21 of 100 |" in Path("docs", "results.md").read_text(encoding="utf-8")


def finished_again(run: Run) -> Run:
    shutil.rmtree(run.folder)
    revision = subprocess.run(["git", "rev-parse", "HEAD"], check=True, capture_output=True, encoding="utf-8").stdout
    finish_run(run, revision=revision.strip())
    return run


def diverge(run: Run) -> None:
    """A finished run's evaluation as one that diverged has it."""
    whose = {"run": run.digest, "evaluation": run.evaluation, "status": "diverged"}
    empty = pyarrow.parquet.read_table(run.evaluated[0]).slice(0, 0)
    write_table(run.evaluated[0], empty.replace_schema_metadata(whose))


def test_bounds_stay_with_the_run_that_they_are_of(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    keep_measured(plan)
    rows = [{"corpus": "markov", "prior": "af_af", "k": 30, "unit": "bpc", "nll": 1.5, "nll_given_length": 1.0}]
    write_csv(FOLDER / "bounds.csv", BOUNDS, rows)
    kept = (FOLDER / "bounds.csv").read_bytes()
    for path in FOLDER.glob("runs/*/*/*/run.json"):  # an earlier format of the same runs
        write_json(path, read_json(path) | {"format": 2})
    keep_measured(plan)
    assert (FOLDER / "bounds.csv").read_bytes() == kept
    for path in FOLDER.glob("runs/markov/af_af/0/run.json"):
        write_json(path, read_json(path) | {"digests": {"code": "older"}})
    capsys.readouterr()
    keep_measured(plan)
    assert "dropped the bounds of markov/af_af/0: its model was replaced" in capsys.readouterr().out
    assert not (FOLDER / "bounds.csv").exists()


@pytest.mark.parametrize("killed", ["before the new ones are there", "before the old ones are gone"])
def test_what_a_kill_left_aside_is_put_back(plan: Plan, killed: str) -> None:
    keep_measured(plan)
    before = {path.relative_to(FOLDER): path.read_bytes() for path in FOLDER.rglob("*") if path.is_file()}
    old, new = FOLDER.with_name(".small.old"), FOLDER.with_name(".small.new")
    if killed == "before the new ones are there":
        FOLDER.rename(old)
        new.mkdir()
    else:
        shutil.copytree(FOLDER, old)
    for run in plan.runs[1:]:
        shutil.rmtree(run.folder)
    keep_measured(plan)
    assert {path.relative_to(FOLDER): path.read_bytes() for path in FOLDER.rglob("*") if path.is_file()} == before
    assert not old.exists() and not new.exists()

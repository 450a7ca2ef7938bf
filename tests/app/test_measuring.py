"""What a configuration measured is copied next to the sources, finished or not, and shown."""

import shutil
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from pandas.testing import assert_frame_equal

from lnf.app.measuring import keep_measured, make_again
from lnf.errors import UserError
from lnf.plan.config import Config, load, merge
from lnf.plan.results import Plan
from lnf.report.figures import comparison
from lnf.report.measured.archive import Kept
from lnf.report.measured.documents import results_page, with_block
from lnf.report.metrics import read_metrics
from lnf.system.files import digest, read_json, write_json
from lnf.system.sealed import write_table
from tests.app.small_plan import DRAW, FOLDER, cut_short, made, plan

__all__ = ["plan"]

WORSE = "worse (+50.5%, ± 6.4%)"


def test_a_finished_plan_is_kept_and_shown(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "draw", DRAW)
    tables = plan.views["tables"]
    made(plan.gathered, tables)
    keep_measured(plan)
    for name in ("text.md", "text.csv"):
        assert (FOLDER / "tables" / name).read_bytes() == (tables.folder / name).read_bytes()
    assert_frame_equal(Kept(FOLDER).metrics, read_metrics(plan.metrics))
    assert (FOLDER / "figures" / "results.png").stat().st_size > 10_000
    readme = Path("README.md").read_text(encoding="utf-8")
    assert readme.startswith("before\n<!-- measured -->\nConfiguration `small`, settings")
    assert readme.endswith("<!-- /measured -->\nafter\n")
    assert "| markov | LSTM | 1.505 | bpc |  | 0.007 | 2 |  |  |" in readme and "old" not in readme
    assert "4 runs (4 ok), 0.10 hours of training" in readme
    assert with_block(readme, Path()) == readme


def test_the_readme_leaves_out_models_of_another_size_where_the_papers_are_there(plan: Plan) -> None:
    keep_measured(plan)
    settings = {"small": "model.hidden", "subset": "subset.train", "other_training": "train.epochs", "at_paper": None}
    for name, key in settings.items():
        folder = FOLDER.with_name(name)
        if folder != FOLDER:
            shutil.copytree(FOLDER, folder)
        for path in folder.glob("runs/*/*/*/run.json"):
            write_json(path, read_json(path) | {"differs_from_paper": {key: [3, 100]} if key else {}})
    readme = with_block(Path("README.md").read_text(encoding="utf-8"), Path())
    place = {name: readme.find(f"| `{name}` |") for name in settings}
    assert 0 < readme.find("reports/measured/at_paper.") < place["other_training"]
    assert place["at_paper"] == place["small"] == place["subset"] == -1
    assert readme.count("/figures/results.png") == 1


@pytest.mark.parametrize(
    ("key", "verdict"),
    [(None, WORSE), ("train.epochs", WORSE), ("model.hidden", ""), ("subset.train", ""), ("evaluate.samples", "")],
)
def test_only_the_papers_models_with_its_samples_have_a_verdict(plan: Plan, key: str | None, verdict: str) -> None:
    published = Path("reports", "paper.csv")
    head = published.read_text(encoding="utf-8").splitlines()[0]
    published.unlink()
    published.write_text(f"{head}\ntext,markov,lstm,LSTM,test,nll,bpc,1.00,certain,listing\n", encoding="utf-8")
    keep_measured(plan)
    for path in FOLDER.glob("runs/*/*/*/run.json"):
        write_json(path, read_json(path) | {"differs_from_paper": {key: [3, 100]} if key else {}})
    row = f"| markov | LSTM | 1.505 | bpc |  | 0.007 | 2 | 1.00 | {verdict} |"
    assert row in results_page(Path()) and row in with_block(Path("README.md").read_text(encoding="utf-8"), Path())


def test_the_page_of_results_tells_of_every_run(plan: Plan) -> None:
    keep_measured(plan)
    page = Path("docs", "results.md").read_text(encoding="utf-8")
    assert page == results_page(Path())
    runs = [line for line in page.splitlines() if "| ok | 3 of 100 | 2 |" in line]
    assert len(runs) == 4 and all("a processor, 2 cores, cpu, 1 thread(s) a run" in line for line in runs)
    assert (
        "| `train.epochs` | 3 | 100 | all |" in page
        and "| 1.605 | bpc | 3 | 0.007 | 2 |  |  | 1.405 | 1.605 | 1.405 |" in page
    )


def test_each_run_keeps_its_epochs_and_what_it_says_of_itself(plan: Plan) -> None:
    keep_measured(plan)
    run = next(run for run in plan.runs if run.spec.prior.name == "lstm")
    place = FOLDER / "runs" / "markov" / "lstm" / str(run.spec.seed)
    assert read_json(place / "run.json") == read_json(run.folder / "run.json")
    lines = (place / "history.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("epoch,beta,learning_rate,train_loss") and len(lines) == 4
    assert lines[3].split(",")[:4] == ["2", str(1 / 3), str(1 / 3), str(1 / 3)] and ",," in lines[3]


def test_bounds_by_the_number_of_samples_are_kept_and_shown(plan: Plan) -> None:
    settings = {"bounds": {"samples": [1, 30], "sequences": None, "seed": 0}}
    wider = Plan(Config(merge(plan.config.values, settings), plan.config.variants, plan.config.root))
    (study,) = wider.studies
    rows = [{"prior": "af_af", "k": k, "unit": "bpc", "nll": 1.7 - k / 100, "nll_given_length": 1.0} for k in (1, 30)]
    write_table(study.files[0], pyarrow.Table.from_pylist(rows))
    write_json(study.folder / "spec.json", study.spec)
    keep_measured(wider)
    page = Path("docs", "results.md").read_text(encoding="utf-8")
    assert "| corpus | model | K = 1 | K = 30 |" in page and "| markov | AF / AF | 1.690 | 1.400 |" in page


def test_seconds_of_sampling_are_kept_and_shown_as_what_a_row_costs(plan: Plan) -> None:
    settings = {"speed": {"batches": [1, 16], "lengths": 1, "repeats": 3}}
    wider = Plan(Config(merge(plan.config.values, settings), plan.config.variants, plan.config.root))
    (study,) = wider.studies
    rows = [
        {"prior": prior, "batch": batch, "length": 50, "repeat": repeat, "seconds": batch * seconds}
        for prior in ("lstm", "af_af") for batch in (1, 16) for repeat, seconds in enumerate((0.5, 0.25, 1.0))
    ]  # fmt: skip
    write_table(study.files[0], pyarrow.Table.from_pylist(rows))
    machine = {"processor": "a processor", "cores": 2}
    write_json(study.folder / "speed.json", {"device": "cpu", "threads": 1, "machine": machine})
    write_json(study.folder / "spec.json", study.spec)
    keep_measured(wider)
    page = Path("docs", "results.md").read_text(encoding="utf-8")
    assert "| minutes | seconds, B = 1, T = 50 | seconds, B = 16, T = 50 |" in page
    assert page.count("| 0.5 (0.25 to 1) | 8 (4 to 16) |") == 2 and "Sampling on a processor, 1 thread." in page
    kept = (FOLDER / "speed.csv").read_bytes()
    shutil.rmtree(study.folder)
    keep_measured(wider)
    assert (FOLDER / "speed.csv").read_bytes() == kept


def test_what_is_made_of_kept_results_is_made_again(plan: Plan) -> None:
    keep_measured(plan)
    made = [FOLDER / "tables" / "text.csv", FOLDER / "figures" / "results.png", Path("docs", "results.md")]
    before = [path.read_bytes() for path in made]
    for path in made:
        path.unlink()
    make_again(Path())
    assert [path.read_bytes() for path in made] == before


def test_what_was_tried_is_listed(plan: Plan) -> None:
    path = Path("reports", "tries", "one.csv")
    path.parent.mkdir()
    averaged, plain, failed = (
        '"{""train.epochs"": 9, ""train.average"": 0.99}"',
        '"{""train.epochs"": 9}"',
        '"{""train.epochs"": 9, ""model.layers"": 3}"',
    )
    path.write_text(
        "name,settings,corpus,prior,seed,status,epochs,best_epoch,valid_loss,valid_nll,hours,revision\n"
        f"averaged,{averaged},markov,af_af,0,ok,9,7,7.0123,6.5432,0.25,0123456789abcdef\n"
        f"plain,{plain},markov,af_af,0,ok,9,5,7.1,6.6,0.2,0123456789abcdef\n"
        f"deep,{failed},markov,af_af,0,error,,,,,,\n",
        encoding="utf-8",
    )
    keep_measured(plan)
    page = Path("docs", "results.md").read_text(encoding="utf-8")
    assert "## Tried: one" in page and "All: markov af_af 0,\n`train.epochs` 9.\n" in page
    assert "| averaged | `train.average` 0.99 | ok | 6.543 | 7.012 | 7 | 9 | 0.25 | `0123456789ab` |" in page
    assert "| plain |  | ok | 6.600 | 7.100 | 5 | 9 | 0.2 | `0123456789ab` |" in page
    assert "| deep | `model.layers` 3 | error |  |  |  |  |  |  |" in page


def test_a_run_that_was_cut_is_kept_as_far_as_it_came(plan: Plan) -> None:
    cut_short(plan.runs[0], epochs=2)
    shutil.rmtree(plan.runs[-1].folder)
    keep_measured(plan)
    found = {facts["status"]: facts for facts in Kept(FOLDER).facts}
    assert (found["unfinished"]["epochs"], found["unfinished"]["wall_seconds"]) == (2, 72.0)
    page = Path("docs", "results.md").read_text(encoding="utf-8")
    assert "| unfinished | 2 of 100 |" in page and "4 runs (1 unfinished, 2 ok, 1 not run)" in page
    assert "| 1.510 partial 1/2 (unfinished 1) |" in page or "| 1.600 partial 1/2 (unfinished 1) |" in page


def test_what_is_not_scored_on_test_is_refused(plan: Plan) -> None:
    select = {**plan.config["select"], "priors": ["af_af"]}
    swept = merge(plan.config.values, {"select": select, "sweep": {"model.latent": [2, 3]}})
    with pytest.raises(
        UserError, match=r"measured: small: its runs are not scored on test; of a sweep, run best\.yaml"
    ):
        keep_measured(Plan(load(swept)))


def test_a_plan_that_has_not_begun_is_refused(plan: Plan) -> None:
    keep_measured(plan)
    before = Path("README.md").read_bytes()
    for run in plan.runs:
        shutil.rmtree(run.folder)
    with pytest.raises(UserError, match=r"measured: small: no run has begun in results; run the workflow first"):
        keep_measured(plan)
    assert Path("README.md").read_bytes() == before and (FOLDER / "plan.json").exists()


@pytest.mark.parametrize("revision", ["0123456789abcdef0123456789abcdef01234567", "unknown", "HEAD+"])
def test_a_run_of_sources_that_git_does_not_have_is_refused(plan: Plan, revision: str) -> None:
    run = plan.runs[1].folder / "run.json"
    write_json(run, read_json(run) | {"revision": revision})
    with pytest.raises(
        UserError, match=r"measured: markov/\w+/\d: made by .*: .*; a run from a commit of this project"
    ):
        keep_measured(plan)
    assert not FOLDER.exists()


def test_a_smaller_configurations_page_shows_what_was_measured_at_the_papers_settings(plan: Plan) -> None:
    before = plan.views["page"].digest
    for run in plan.runs:
        write_json(run.folder / "run.json", read_json(run.folder / "run.json") | {"differs_from_paper": {}})
    keep_measured(plan)
    FOLDER.rename(FOLDER.with_name("paper_markov"))
    again = Plan(plan.config)
    shown = again.views["page"]
    assert shown.digest != before
    made(again.gathered, again.views["exhibits"], shown)
    page = (shown.folder / "report.html").read_text(encoding="utf-8")
    assert "The paper's settings at full size, measured (0.1 hours of training)" in page
    assert "<td>markov</td><td>LSTM</td><td>1.505</td>" in page


def test_other_code_changes_nothing_of_what_is_kept(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    """The code of readers and runs is not what a kept run is known by: one is trained again, all others stay."""
    keep_measured(plan)
    for path in FOLDER.glob("runs/*/*/*/run.json"):
        facts = read_json(path)
        write_json(path, facts | {"digests": dict.fromkeys(facts["digests"], "other")})
    for run in plan.runs[1:]:
        shutil.rmtree(run.folder)
    keep_measured(plan)
    out = capsys.readouterr().out
    assert "3 kept as before: markov/lstm/1, markov/af_af/0, markov/af_af/1" in out
    assert "replaced: markov/lstm/0, ok of revision " in out
    assert len(Kept(FOLDER).facts) == 4


@pytest.mark.parametrize("prepared", [True, False])
def test_other_data_are_another_run(plan: Plan, prepared: bool) -> None:
    """By the sequences where both are known, else by the raw files and the settings."""
    keep_measured(plan)
    for path in FOLDER.glob("runs/markov/lstm/0/run.json"):
        facts = read_json(path)
        other = {"contents": {"train": "0"}} if prepared else {"contents": {}, "settings": {"seed": 2}}
        write_json(path, facts | {"data": facts["data"] | other})
    shutil.rmtree(plan.runs[0].folder)
    part = "sequences" if prepared else "settings"
    with pytest.raises(UserError, match=rf"would be lost: markov/lstm/0 \(other data \({part}\)\)"):
        keep_measured(plan)


def test_a_run_that_is_no_longer_planned_is_dropped_only_when_told(plan: Plan) -> None:
    keep_measured(plan)
    fewer = merge(plan.config.values, {"select": {"seeds": [0]}})
    smaller = Plan(Config(fewer, plan.config.variants, plan.config.root))
    with pytest.raises(UserError, match=r"2 kept runs would be lost: markov/af_af/1 \(not planned\); markov/lstm/1"):
        keep_measured(smaller)
    keep_measured(smaller, drop=True)
    assert len(Kept(FOLDER).facts) == 2


@pytest.mark.parametrize("damage", ["cut", "format", "no data", "no metrics"])
def test_a_kept_run_that_cannot_be_read_is_an_error(plan: Plan, damage: str) -> None:
    keep_measured(plan)
    file = FOLDER / "runs" / "markov" / "lstm" / "0" / "run.json"
    if damage == "cut":
        file.write_text(file.read_text(encoding="utf-8")[:100], encoding="utf-8")
    elif damage == "format":
        write_json(file, read_json(file) | {"format": 99})
    elif damage == "no data":
        write_json(file, {key: value for key, value in read_json(file).items() if key != "data"})
    else:
        file.with_name("evaluation.csv").unlink()
    before = {path: path.read_bytes() for path in FOLDER.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match=r"measured: .*markov/lstm/0.*; restore it with git, or move its folder away"):
        keep_measured(plan)
    assert {path: path.read_bytes() for path in FOLDER.rglob("*") if path.is_file()} == before


def test_results_of_an_older_revision_are_taken_by_settings_and_data(plan: Plan, tmp_path: Path) -> None:
    """As a worktree has them: other names, dotted paths in specs, no format, and data that only a folder tells."""
    for run in plan.runs:
        told = run.to_dict()
        told["spec"]["prior"]["model"] = {"lstm": "lnf.models.lstm.LSTMModel"}.get(
            run.spec.prior.name, "lnf.models.latent.LatentModel"
        )
        del told["format"], told["spec"]["train"]["transpose"]
        told["evaluation"] = "e0"
        facts = read_json(run.folder / "run.json") | {"spec": told["spec"], "digests": {"code": "older"}}
        del facts["format"], facts["data"]
        write_json(run.folder / "run.json", facts)
        write_json(run.folder / "spec.json", told)
        table = pyarrow.parquet.read_table(run.evaluated[0])
        whose = {"run": digest({"code": "older"}), "evaluation": "e0", "status": "ok"}
        write_table(run.folder / "evaluation-e0.parquet", table.replace_schema_metadata(whose))
        run.evaluated[0].unlink()
        run.folder.rename(run.folder.with_name("older"))
    older = tmp_path / "worktree"
    older.mkdir()
    Path("results").rename(older / "results")
    Path("data").rename(older / "data")
    keep_measured(plan, older / "results")
    assert [facts["status"] for facts in Kept(FOLDER).facts] == ["ok"] * 4
    kept = Kept(FOLDER).metrics
    assert set(kept.value[kept.metric == "nll"]) == {1.5, 1.51, 1.6, 1.61}
    shutil.rmtree(older / "data")
    with pytest.raises(UserError, match=r"measured: .*: does not say what its data are, and .*meta\.json is not there"):
        keep_measured(plan, older / "results")

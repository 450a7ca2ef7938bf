"""The report: what it says first, and that it holds everything."""

import math
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lnf.plan import config
from lnf.plan.results import VIEWS, Plan
from lnf.report.existing import write_existing
from lnf.report.gather import gather
from lnf.report.metrics import read_metrics
from lnf.report.outcomes import outcomes
from lnf.report.page.answer import Answer, answers
from lnf.report.page.page import write_page
from lnf.report.publish import publish
from lnf.report.samples.exhibits import write_samples
from lnf.system.files import write_json
from tests.report.fabricated import LIMIT, TEST, finish, finish_run, plan_of


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """A finished plan."""
    monkeypatch.chdir(tmp_path)
    plan = plan_of(note="A <note> for readers.")
    finish(plan)
    return plan


def answered(plan: Plan) -> dict[str, Answer]:
    gather(**plan.gathered.arguments, out=Path(), existing=True)
    found = outcomes(read_metrics(Path("metrics.parquet")))
    return {answer.corpus: answer for answer in answers(found, plan.gathered.arguments["runs"], {}, {"markov": True})}


def studied(plan: Plan, **last: Any) -> dict[str, Answer]:
    """The answers with a study of bounds of AF / AF on markov, whose last row says this."""
    row = {"k": 48, "gain": 0.02, "gain_error": 0.001, "n": TEST, "flat": True} | last
    gather(**plan.gathered.arguments, out=Path(), existing=True)
    found = outcomes(read_metrics(Path("metrics.parquet")))
    bounds = {("markov", "af_af"): [{**row, "k": 3, "gain": 0.0, "flat": False}, row]}
    return {answer.corpus: answer for answer in answers(found, plan.gathered.arguments["runs"], bounds, {})}


def page(plan: Plan) -> str:
    """The page with its samples and without figures, which take seconds and are seen in the browser tests."""
    gather(**plan.gathered.arguments, out=Path(), existing=True)
    shown = plan.shown(Path("metrics.parquet"), {view: Path("views", view) for view in VIEWS})
    write_samples(**shown["exhibits"], out=Path("views", "exhibits"))
    write_page(**shown["page"], out=Path("views", "page"))
    plan.out.mkdir(parents=True, exist_ok=True)
    return Path("views", "page", "report.html").read_text(encoding="utf-8")


def test_the_answer_is_the_least_nll_its_lead_and_its_distance_from_the_limit(plan: Plan) -> None:
    text = answered(plan)["markov"]
    assert text.runner_up is not None
    assert (text.winner.outcome.prior, text.runner_up.outcome.prior, text.unit) == ("lstm", "af_af", "bpc")
    assert text.margin == pytest.approx(0.1) and text.limit == pytest.approx(LIMIT)
    assert answered(plan)["chorales"].limit is None


def test_an_ablation_is_not_ranked_and_is_named_where_it_is_lower(plan: Plan) -> None:
    gather(**plan.gathered.arguments, out=Path(), existing=True)
    found = outcomes(read_metrics(Path("metrics.parquet")))["markov"]
    found[0] = replace(found[0], role="ablation")
    (answer,) = answers({"markov": found}, plan.gathered.arguments["runs"], {}, {})
    assert (answer.winner.outcome.prior, answer.runner_up) == ("af_af", None)
    assert [one.prior for one in answer.lower] == ["lstm"]


def test_the_interval_joins_seeds_and_sequences_by_students_t(plan: Plan) -> None:
    """Two seeds of each: 12.7 is the quantile of one degree of freedom, 1.96 the normal one."""
    answer = studied(plan)["markov"]
    over_seeds = math.sqrt(2 * 0.01**2 / 2 / 2)
    assert answer.reach is not None and 2 * over_seeds < answer.reach < 12.8 * (over_seeds + 0.05)
    assert answer.verdict == ("settled" if answer.margin > answer.reach else "open")


@pytest.mark.parametrize(
    ("tight", "margin", "reach", "shows", "verdict"),
    [
        ((True, True), 0.3, 0.1, "about", "settled"),
        ((True, True), 0.1, 0.3, "about", "open"),
        ((True, True), 0.3, None, "about", "open"),
        ((False, True), 0.3, 0.1, "at least", "settled"),
        ((True, False), 0.3, 0.1, "at most", "open"),
        ((False, False), 0.3, 0.1, "nothing", "open"),
    ],
)
def test_what_bounds_can_show(
    plan: Plan, tight: tuple[bool, bool], margin: float, reach: float | None, shows: str, verdict: str
) -> None:
    one = answered(plan)["markov"]
    assert one.runner_up is not None
    winner, other = replace(one.winner, tight=tight[0]), replace(one.runner_up, tight=tight[1])
    found = replace(one, winner=winner, runner_up=other, margin=margin, reach=reach)
    assert (found.shows, found.verdict) == (shows, verdict)


def test_a_model_is_taken_at_a_k_at_which_its_bound_is_flat(plan: Plan) -> None:
    flat, loose, none = studied(plan)["markov"], studied(plan, flat=False)["markov"], answered(plan)["markov"]
    assert flat.runner_up is not None and loose.runner_up is not None and none.runner_up is not None
    assert (flat.runner_up.k, flat.runner_up.nll, flat.shows) == (48, pytest.approx(1.605 - 0.02), "about")
    assert (loose.runner_up.nll, loose.shows) == (pytest.approx(1.605 - 0.02), "at most")
    assert (none.runner_up.k, none.runner_up.nll, none.shows) == (3, pytest.approx(1.605), "at most")
    assert flat.winner.k is None and flat.winner.tight


def test_one_seed_has_no_error_estimate(plan: Plan) -> None:
    lost = next(run for run in plan.runs if run.spec.key == "markov/af_af/1")
    (lost.folder / "run.json").unlink()
    answer = answered(plan)["markov"]
    assert answer.reach is None and answer.margin == pytest.approx(1.6 - 1.505)
    assert "No error estimate: it takes two seeds of each." in page(plan)


def test_a_subset_has_no_limit_though_its_source_is_known(plan: Plan) -> None:
    markov = plan_of(overrides={"all": {"subset": {"test": 3}}})
    finish(markov)
    text = page(markov)
    assert "The source of this corpus is known, but its NLL is computed for the whole test split" in text
    assert "No limit is known: nobody has the probabilities of the source of this corpus." in text  # chorales


def test_the_page_says_it_all(plan: Plan) -> None:
    text = page(plan)
    assert "<strong>markov: LSTM</strong>, with 1.505 ± 0.007 bpc" in text
    estimate = "K = 3 importance samples, not flat, an upper limit"
    assert f"AF / AF comes next, with 1.605 ± 0.007 ({estimate}), 0.100 bpc behind." in text
    assert "is behind by at most that, and may be ahead: not settled." in text
    assert "The limit, the source that wrote the text itself, has 1.250: LSTM is 0.255 bpc from it." in text
    assert "A &lt;note&gt; for readers." in text and "<note>" not in text
    assert "8 runs ok" in text and "0.20 hours of training" in text and "a processor, 2 cores, cpu" in text
    for run in plan.runs:
        assert f'<a href="../../../{run.folder}/">{run.digest}</a>' in text
        assert (plan.out / "../../.." / run.folder).is_dir()
        assert run.context.digests["spec"] in text


def test_the_page_is_one_file(plan: Plan) -> None:
    text = page(plan)
    assert not re.search(r'(?:src|srcset)="(?!data:)', text) and '<link rel="stylesheet' not in text
    assert "<img" not in text
    assert len(re.findall('role="img"', text)) == len(re.findall('role="img" aria-label="[^"]+"', text)) > 4
    assert len(re.findall(r"<audio ", text)) == 2 * 3 + 2 + 2  # the last two under the answer


def test_its_configuration_runs_the_same_again(plan: Plan) -> None:
    text = page(plan)
    assert f"lnf run --configfile {plan.out / 'config.yaml'}" in text
    again = Plan(config.load(config.read([Path("views", "page", "config.yaml")])))
    assert [run.digest for run in again.runs] == [run.digest for run in plan.runs]
    assert again.config.values == plan.config.values


def test_what_failed_is_said_and_why(plan: Plan) -> None:
    failed, diverged = (next(run for run in plan.runs if run.spec.key == f"chorales/af_af/{n}") for n in (0, 1))
    (failed.folder / "run.json").unlink()
    write_json(failed.folder / "state" / "error.json", {"error": "UserError", "message": "no node can <hold> it"})
    finish_run(diverged, status="diverged", stopped="loss not finite after 3 smaller steps")
    text = page(plan)
    assert "chorales/af_af/0: UserError: no node can &lt;hold&gt; it" in text
    assert f"logs/small/chorales/af_af/0/{failed.digest}.train.log" in text
    assert "chorales/af_af/1: diverged: loss not finite after 3 smaller steps" in text
    assert "1 run error" in text


def test_an_evaluation_that_failed_is_said_and_why(plan: Plan) -> None:
    run = next(run for run in plan.runs if run.spec.key == "markov/lstm/1")
    run.evaluated[0].unlink()
    write_json(run.folder / "state" / "error.json", {"error": "OutOfMemoryError", "message": "too much"})
    text = page(plan)
    assert "markov/lstm/1: OutOfMemoryError: too much" in text
    assert f"logs/small/markov/lstm/1/{run.digest}.evaluate-{run.evaluation}.log" in text


def test_nothing_is_there_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = page(plan_of())
    assert "No run has a number yet." in text and "8 runs not_run" in text and "No samples yet." in text


def test_the_plan_names_the_page_and_where_it_is_published(plan: Plan) -> None:
    """What is shown of an unfinished plan is marked as no whole plan's, so that the next workflow publishes its own."""
    plan = plan_of(toy=None, speed=None, select={"corpora": ["markov"], "priors": ["lstm", "af_af"], "seeds": [0]})
    finish(plan)
    (marker,) = plan.publishing.files
    marker.parent.mkdir(parents=True)
    marker.touch()  # as if a whole plan's views were there
    write_existing(plan)
    assert (plan.out / "report.html").exists() and not marker.exists()
    top = Path("results", plan.name, "existing")
    for stage, view in plan.views.items():
        shutil.copytree(top / stage, view.folder)
    assert all(file.exists() for view in plan.views.values() for file in view.files)
    publish(**plan.publishing.arguments, out=plan.out)
    assert marker.exists()
    shown = {file.relative_to(plan.out) for file in plan.out.rglob("*") if file.is_file() and file != marker}
    assert {Path("tables", "text.md"), Path("samples", "samples.json"), Path("report.html")} <= shown

"""Sweeps: which points there are, how they are named and resolved, and what a configuration says of a wrong one."""

from typing import Any

import pytest

from lnf.errors import UserError
from lnf.plan import config
from lnf.plan.config import Config
from lnf.plan.digests import train_identity
from lnf.plan.results import Plan
from lnf.plan.sweeps import Point, points_of

GRID = {"train.learning_rate": [0.002, 0.006, 0.02], "model.latent": [2, 4]}
SELECT = {"corpora": ["markov"], "priors": ["af_scf"], "seeds": [0, 1]}


def load(sweep: Any = GRID, **changes: Any) -> Config:
    return config.load(config.merge(config.read(), {"name": "swept", "select": SELECT, "sweep": sweep, **changes}))


def test_every_point_of_the_grid_is_a_variant_of_its_own() -> None:
    swept = load()
    runs = config.plan(swept)
    assert len(runs) == 3 * 2 * 2 and len(set(runs)) == len(runs)
    found = {
        (spec.train.learning_rate, spec.model.latent, spec.seed)
        for spec in (config.resolve(swept, *run) for run in runs)
    }
    assert found == {
        (rate, latent, seed) for rate in GRID["train.learning_rate"] for latent in (2, 4) for seed in (0, 1)
    }
    spec = config.resolve(swept, *runs[0])
    assert spec.prior.label == "AF / SCF, learning_rate 0.002, latent 2" and spec.prior.name.startswith("af_scf_")
    paper = config.resolve(swept.paper, "markov", "af_scf", 0)
    assert train_identity(spec.replace(prior=paper.prior, train=paper.train, model=paper.model)) == train_identity(
        paper
    )


def test_a_sweep_beats_every_other_layer() -> None:
    strongest = {"overrides": {"priors": {"af_scf": {"model": {"latent": 9}}}}}
    swept = load({"model.latent": [2, 4]}, **strongest)
    assert {config.resolve(swept, *run).model.latent for run in config.plan(swept)} == {2, 4}
    _, origin = config.explain(swept, *config.plan(swept)[0])["model.latent"]
    assert origin == "sweep"


def test_a_sweep_that_grows_keeps_its_points() -> None:
    names = {point.name for point in points_of(GRID, "af_scf")}
    more = {point.name for point in points_of({**GRID, "model.latent": [8, 4, 2]}, "af_scf")}
    assert names < more and len(more) == 9


def test_a_random_sweep_draws_from_the_grid_by_its_seed() -> None:
    grid = {point.name for point in points_of(GRID, "af_scf")}
    drawn = [
        [point.name for point in points_of({**GRID, "random": {"count": 4, "seed": seed}}, "x")] for seed in (0, 0, 1)
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    assert {name.replace("x_", "af_scf_") for name in drawn[0]} < grid and len(set(drawn[0])) == 4


def test_test_is_left_out_and_the_mathematics_checked_once() -> None:
    plan = Plan(load(GRID | {"model.flow_layers": [1, 2]}))
    assert not any(run.spec.evaluate.test for run in plan.runs)
    (corpus,) = plan.gathered.arguments["corpora"]
    assert corpus["splits"] == ["valid"] and corpus["whole"] == ["valid"]
    checks = [job for job in plan.jobs if job.stage.name == "check"]
    assert len(checks) == 2 and {job.wildcards["prior"] for job in checks} == {"af_scf"}  # one for each flow_layers
    assert {study.stage.name for study in plan.studies} == {"sweep"}


def test_an_evaluation_with_test_is_named_as_ever() -> None:
    """Runs that were evaluated before the setting existed keep their evaluations."""
    with_test, without = Plan(load(None)), Plan(load())
    assert with_test.runs[0].spec.evaluate.test
    assert with_test.runs[0].evaluation != without.runs[0].evaluation


def test_changes_over_the_paper_give_the_configuration_back() -> None:
    swept = load(GRID, overrides={"all": {"train": {"epochs": 30}}})
    overlay = config.beyond_the_paper(swept)
    assert "sweep" not in overlay
    assert config.merge(config.read(), overlay) == {**swept.values, "sweep": None}


def test_the_settings_of_a_point_by_section() -> None:
    settings = {"options.transform.bins": 4, "options.time.pace": 1, "model.latent": 2}
    assert Point("x", settings).sections == {
        "options": {"transform": {"bins": 4}, "time": {"pace": 1}}, "model": {"latent": 2},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("sweep", "words"),
    [
        ({"trian.epochs": [1]}, "sweep.trian.epochs: must be random, or SECTION.SETTING with a section of"),
        ({"model.latent": 3}, "sweep.model.latent: 3: must be a list"),
        ({"model.latent": []}, "sweep.model.latent: []: must be a list of at least 1"),
        ({"model.latent": [2, 2]}, "sweep.model.latent: [2, 2]: must be a list that holds each value once"),
        ({"model.latent": {"count": 1, "seed": 0}}, "must be a list of values"),
        ({"model.latent": [2], "random": [3]}, "sweep.random: [3]: must be count and seed"),
        ({"model.latent": [2, 4], "random": {"count": 3, "seed": 0}}, "sweep.random.count: 3: must be at most 2"),
        ({}, "names no setting"),
        ({"random": {"count": 1, "seed": 0}}, "names no setting"),
        ({"model.latent": ["two"]}, "model.latent: 'two': must be a whole number"),
        ({"model.latnet": [2]}, "model.latnet: unknown key; did you mean"),
        ({"options.hidden.bins": [2]}, "hidden.bins"),
    ],
)
def test_a_wrong_sweep_is_one_line(sweep: Any, words: str) -> None:
    with pytest.raises(UserError) as caught:
        load(sweep)
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("priors", ["all", ["af_scf", "lstm"]])
def test_a_sweep_is_of_one_prior(priors: Any) -> None:
    with pytest.raises(UserError, match=r"select\.priors: .*: must be a list of one prior, which the sweep is of"):
        load(select={**SELECT, "priors": priors})

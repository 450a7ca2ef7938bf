"""Every variant of rules/priors/beyond obeys the laws and trains; minutes, as `check` and a run of each."""

from pathlib import Path

import pytest

from lnf.laws.check import require_laws
from lnf.plan.config import ROOT
from lnf.plan.rule_files import read, read_all
from lnf.runs.evaluation import evaluate_run
from lnf.runs.training import train_run
from lnf.spec import Options
from lnf.system.sealed import read_rows
from tests.specs import tiny_spec
from tests.tiny_corpus import context, prepared

RULES = sorted((ROOT / "rules" / "priors" / "beyond").glob("*.smk"))
SMALL = {"transformer": {"model": {"units": 8, "layers": 1}}, "attention_af": {"time": {"heads": 2, "feed": 8}}}


def test_they_are_drafts_of_a_role_of_their_own() -> None:
    variants = read_all(ROOT / "rules" / "priors").variants
    beyond = {name for name, variant in variants.items() if variant.prior.role == "beyond"}
    assert beyond == {path.stem for path in RULES} and all(variants[name].draft for name in beyond)


@pytest.mark.e2e
@pytest.mark.parametrize("rule", RULES, ids=lambda path: path.stem)
def test_the_laws_hold(rule: Path) -> None:
    require_laws(rule)


@pytest.mark.parametrize("rule", RULES, ids=lambda path: path.stem)
def test_it_trains_and_is_evaluated(rule: Path, tmp_path: Path) -> None:
    variant = read(rule)
    spec = tiny_spec("af_scf").replace(prior=variant.prior, options=Options(**SMALL.get(rule.stem, {})))
    if variant.prior.model != "latent":
        spec = spec.replace(train=spec.train.replace(kl_anneal=False))
    model = spec.model.replace(hidden=8, latent=4)
    spec = spec.replace(model=model)
    train_run(spec, prepared(tmp_path), tmp_path / "run", context(spec))
    history = read_rows(tmp_path / "run" / "history.parquet")
    assert history[-1]["valid_loss"] < history[0]["valid_loss"] or variant.prior.model == "latent"
    evaluate_run(spec, tmp_path / "data" / "tiny" / "c0ffee", tmp_path / "run", context(spec).digests, "e1")
    assert len(read_rows(tmp_path / "run" / "evaluation-e1.parquet")) >= 6

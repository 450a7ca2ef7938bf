"""The configurations that compare what is beyond the paper: equal numbers of parameters within 2 %."""

from pathlib import Path

import pytest
import torch

from lnf.corpora.batches import CorpusShape
from lnf.models.base import build_model
from lnf.plan import config
from lnf.plan.config import ROOT, Config
from lnf.spec import Spec

SHAPES = {"ptb": CorpusShape("text", 49, 288), "jsb_chorales": CorpusShape("music", 88, 180)}
OVERLAYS = {"ptb": ("beyond_ptb",), "jsb_chorales": ("beyond_jsb",)}
EXACT = ("lstm", "transformer")


def load(corpus: str) -> Config:
    return config.load(config.read([Path(ROOT, "workflow", "configs", f"{name}.yaml") for name in OVERLAYS[corpus]]))


def parameters(spec: Spec) -> int:
    with torch.device("meta"):
        model = build_model(spec, SHAPES[spec.corpus])
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("corpus", OVERLAYS)
def test_numbers_of_parameters_are_equal(corpus: str) -> None:
    values = load(corpus)
    sizes = {prior: parameters(config.resolve(values, corpus, prior, 0)) for prior in values["select"]["priors"]}
    for prior, size in sizes.items():
        against = sizes["lstm" if prior in EXACT else "af_af"]
        assert abs(size / against - 1) <= 0.02, (prior, size, against)


def test_the_papers_rows_have_the_settings_of_the_configurations_that_measured_them() -> None:
    """So that their measured results are those of these configurations, too."""
    reduced = config.load(config.read([ROOT / "workflow" / "configs" / "ptb_reduced.yaml"]))
    for values, other, corpus in ((load("ptb"), reduced, "ptb"), (load("jsb_chorales"), reduced.paper, "jsb_chorales")):
        for prior in ("lstm", "af_af", "af_scf", "iaf_scf"):
            assert config.resolve(values, corpus, prior, 0) == config.resolve(other, corpus, prior, 0)

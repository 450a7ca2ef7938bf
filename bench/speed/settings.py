"""What is measured: the rows of the tables at the paper's sizes, on sequences that are all of one length."""

from dataclasses import dataclass

import torch

from lnf.corpora.batches import CorpusShape
from lnf.plan import config
from lnf.spec import Spec

ROWS = ("lstm", "af_af", "af_scf", "iaf_scf", "af_only")
SAMPLED = (32, 64, 128, 256)
"""Steps of the sequences that are drawn."""
DRAWN = (1, 16)
"""How many are drawn together."""
SCORED = 30
"""Importance samples a sequence."""
LONGEST = ("af_af", "iaf_scf")
"""Rows whose step on the longest sequences is measured, too."""
LARGER = (1, 4, 16)
"""Times the paper's batch, where a device is not filled by it."""


@dataclass(frozen=True)
class Setting:
    """A corpus' sizes: B sequences of T steps in a step, S samples of each, the longest M that the model knows."""

    name: str
    corpus: str
    batch: int
    samples: int
    length: int
    max_length: int
    width: int

    @property
    def epoch(self) -> int:
        """Steps of time of all training sequences."""
        steps: int = config.read()["corpora"][self.corpus]["prepare"]["expect"]["steps"]["train"]
        return steps

    def spec(self, prior: str) -> Spec:
        """The paper's settings of a row."""
        return config.resolve(config.load(config.read()), self.corpus, prior, 0)

    def shape(self, kind: str) -> CorpusShape:
        """What a model must know of the corpus."""
        return CorpusShape(kind, self.width, self.max_length, torch.full((self.max_length + 1,), -5.0))

    def samples_of(self, spec: Spec) -> int:
        """S; an exact model has no samples."""
        return 1 if spec.prior.time is None else self.samples


SETTINGS = {
    one.name: one
    for one in (
        Setting("ptb", "ptb", 15, 10, 120, 288, 49),
        Setting("jsb", "jsb_chorales", 5, 1, 60, 180, 88),
        Setting("nottingham", "nottingham", 5, 1, 250, 2235, 88),
    )
}

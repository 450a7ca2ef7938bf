"""The cases of the benchmark and what each is aimed at."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lnf.bench import work
from lnf.bench.rates import Rates
from lnf.bench.settings import DRAWN, ROWS, SAMPLED, SCORED, SETTINGS, Setting
from lnf.spec import Spec

BACKWARD = 2
"""Products of the way back for each of the way forward."""
ADAM = 11
"""Passes over the parameters of clipping and an Adam step: reads and writes of weights, gradients and both moments."""
BYTES = 4

TRAINING = {
    "ptb": {"lstm": 1.2, "af_af": 1.3, "af_scf": 1.25, "iaf_scf": 1.35},
    "jsb": {"lstm": 1.4, "af_af": 1.3, "af_scf": 1.3, "iaf_scf": 2.0},
    "nottingham": {"lstm": 1.4, "af_af": 1.35, "af_scf": 1.35, "iaf_scf": 2.0},
}
SAMPLING = {"lstm": 3.0, "af_scf": 2.5, "af_af": 6.0, "iaf_scf": 1.3}
"""At T = 256, B = 1, on ptb."""
SCORING = 1.4
"""Targets of seconds over their floor, on a CPU in float32."""


@dataclass(frozen=True)
class Case:
    """One row of the table."""

    what: str
    setting: Setting
    prior: str
    batch: int
    samples: int
    length: int

    @property
    def spec(self) -> Spec:
        """The paper's settings of the row."""
        return self.setting.spec(self.prior)

    @property
    def key(self) -> str:
        """The row in words."""
        return f"{self.setting.name} {self.prior} {self.what} B={self.batch} S={self.samples} T={self.length}"

    @property
    def rows(self) -> int:
        """Sequences that are at a step together."""
        return self.batch * self.samples

    @property
    def target(self) -> float | None:
        """What seconds over floor should be at most, if it was said."""
        if self.what == "train":
            return TRAINING[self.setting.name].get(self.prior)
        if self.what == "nll":
            return SCORING
        longest = self.batch == 1 and self.length == SAMPLED[-1] and self.setting.name == "ptb"
        return SAMPLING.get(self.prior) if longest else None

    def work(self, spec: Spec) -> work.Work:
        """The operations of its matrix products."""
        shape = self.setting.shape(spec.kind)
        if self.what == "sample":
            return work.samples(spec, shape, self.batch, self.length)
        forward = work.scores(spec, shape, self.batch, self.samples, self.length)
        return forward * (1 + BACKWARD) if self.what == "train" else forward

    def floor(self, spec: Spec, rates: Rates, parameters: int) -> float:
        """Seconds below which no implementation of these products gets on this machine."""
        needed = self.work(spec)
        seconds = needed.large / rates.large + needed.step / rates.step[self.rows]
        return seconds + (ADAM * BYTES * parameters / rates.copy if self.what == "train" else 0.0)

    def told(self, threads: int, repeats: int) -> dict[str, Any]:
        """What the process that measures it must be told."""
        size = {"width": self.setting.width, "max_length": self.setting.max_length}
        return {"spec": self.spec.to_dict(), "shape": size, "what": self.what, "batch": self.batch,
                "samples": self.samples, "length": self.length, "repeats": repeats, "threads": threads}  # fmt: skip


def cases() -> Iterator[Case]:
    """Every case, the quick ones of a setting first."""
    for setting in SETTINGS.values():
        for prior in ROWS:
            samples = setting.samples_of(setting.spec(prior))
            yield Case("train", setting, prior, setting.batch, samples, setting.length)
    for prior in ROWS:
        setting = SETTINGS["ptb"]
        samples = 1 if prior == "lstm" else SCORED
        yield Case("nll", setting, prior, setting.batch, samples, setting.length)
    for prior in ROWS:
        for drawn in DRAWN:
            for length in SAMPLED:
                yield Case("sample", SETTINGS["ptb"], prior, drawn, 1, length)

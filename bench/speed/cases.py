"""The cases of the benchmark and what each is aimed at."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from bench.speed.rates import Rates
from bench.speed.settings import DRAWN, LARGER, LONGEST, ROWS, SAMPLED, SCORED, SETTINGS, Setting
from bench.speed.work import Work, samples, scores
from lnf.spec import ModelSpec, Spec, TrainSpec

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
FASTER = {"ptb": 2.0, "jsb": 1.3}
"""Target of float32's seconds over bfloat16's, of a step of AF/AF on a CPU with units for bfloat16."""
PEAK_MB = {"ptb": 2.8 * 2**10}
"""Target of the peak memory of a float32 step of AF/AF on a CPU, in MiB."""
EPOCH = {"lstm": 20.0, "af_af": 90.0, "iaf_scf": 150.0}
"""Target of seconds of an epoch of ptb on a current data centre GPU."""


@dataclass(frozen=True)
class Case:
    """One row of the table. `precision`: float32, bfloat16, or tfloat32 (float32 as a GPU's matrix units take it)."""

    what: str
    setting: Setting
    prior: str
    batch: int
    samples: int
    length: int
    precision: str = "float32"

    @property
    def spec(self) -> Spec:
        """The paper's settings of the row, but for the precision."""
        spec = self.setting.spec(self.prior)
        model = spec.model.replace(precision="bfloat16" if self.precision == "bfloat16" else "float32")
        return spec.replace(model=model)

    @property
    def key(self) -> str:
        """The row in words."""
        size = f"B={self.batch} S={self.samples} T={self.length}"
        return f"{self.setting.name} {self.prior} {self.what} {self.precision} {size}"

    @property
    def _usual(self) -> bool:
        """Whether its sequences are as long as the corpus' usually are, which is what targets were said of."""
        return self.length == self.setting.length

    @property
    def rows(self) -> int:
        """Sequences that are at a step together."""
        return self.batch * self.samples

    @property
    def target(self) -> float | None:
        """What seconds over floor should be at most, if it was said."""
        if self.precision != "float32":
            return None
        if self.what == "train":
            return TRAINING[self.setting.name].get(self.prior) if self._usual else None
        if self.what == "nll":
            return SCORING
        longest = self.batch == 1 and self.length == SAMPLED[-1] and self.setting.name == "ptb"
        return SAMPLING.get(self.prior) if longest else None

    @property
    def faster_target(self) -> float | None:
        """How many times as fast as float32 it should be at least, if it was said."""
        asked = self.what == "train" and self.precision == "bfloat16" and self.prior == "af_af" and self._usual
        return FASTER.get(self.setting.name) if asked else None

    @property
    def peak_target(self) -> float | None:
        """The MiB that it should need at most, if it was said."""
        asked = self.what == "train" and self.precision == "float32" and self.prior == "af_af" and self._usual
        return PEAK_MB.get(self.setting.name) if asked else None

    @property
    def steps_an_epoch(self) -> float | None:
        """Training steps of an epoch of the real corpus, as if none of its batches had padding."""
        return self.setting.epoch / (self.batch * self.length) if self.what == "train" else None

    def work(self, spec: Spec) -> Work:
        """The operations of its matrix products."""
        shape = self.setting.shape(spec.kind)
        if self.what == "sample":
            return samples(spec, shape, self.batch, self.length)
        forward = scores(spec, shape, self.batch, self.samples, self.length)
        return forward * (1 + BACKWARD) if self.what == "train" else forward

    def floor(self, needed: Work, rates: Rates, parameters: int) -> float:
        """Seconds below which no implementation of these products gets on this machine."""
        seconds = needed.large / rates.large + needed.step / rates.step + needed.pair / rates.pair
        return seconds + (ADAM * BYTES * parameters / rates.copy if self.what == "train" else 0.0)

    def asked(self, threads: int, repeats: int, profile: bool) -> dict[str, Any]:
        """What the process that measures it is asked to do."""
        size = {"width": self.setting.width, "max_length": self.setting.max_length}
        usual = {"model": ModelSpec().model_dump(), "train": TrainSpec().model_dump()}
        return {"spec": self.spec.to_dict(), "usual": usual, "shape": size, "what": self.what, "batch": self.batch,
                "samples": self.samples, "length": self.length, "repeats": repeats, "threads": threads,
                "tfloat32": self.precision == "tfloat32", "profile": profile}  # fmt: skip


def cases(on_gpu: bool) -> Iterator[Case]:
    """Every case; float32 and bfloat16 of a row follow each other. A GPU's matrix units take float32 as tfloat32; it is
    filled by larger batches than the paper's, too.
    """
    precisions = ("tfloat32", "bfloat16") if on_gpu else ("float32", "bfloat16")
    for case in _cases(LARGER if on_gpu else (1,), SAMPLED[-1:] if on_gpu else SAMPLED):
        for precision in precisions if case.what != "sample" else precisions[:1]:
            yield replace(case, precision=precision)


def _cases(batches: tuple[int, ...], drawn_lengths: tuple[int, ...]) -> Iterator[Case]:
    for setting in SETTINGS.values():
        for prior in ROWS:
            samples = setting.samples_of(setting.spec(prior))
            for times in batches if setting.name == "ptb" and prior in EPOCH else (1,):
                yield Case("train", setting, prior, times * setting.batch, samples, setting.length)
    setting = SETTINGS["ptb"]
    for prior in LONGEST:  # what a run's memory is set by
        yield Case("train", setting, prior, setting.batch, setting.samples, setting.max_length)
    for prior in ROWS:
        samples = 1 if prior == "lstm" else SCORED
        yield Case("nll", setting, prior, setting.batch, samples, setting.length)
    for prior in ROWS:
        for drawn in DRAWN:
            for length in drawn_lengths:
                yield Case("sample", setting, prior, drawn, 1, length)

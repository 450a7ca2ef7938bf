"""What one run is: a frozen, torch-free description that travels as JSON.

Sizes are numbers of units, learning rates are per step, times in minutes, memory in GiB; nothing here is nats or bits.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pkgutil import resolve_name
from typing import Annotated, Any, Literal, get_type_hints

from pydantic import AfterValidator, Field

from lnf.errors import UserError
from lnf.fields import Checked, Neutral, build, remedy

KINDS = {
    "text": "lnf.kinds.symbols.Text",
    "music": "lnf.kinds.piano.Music",
    "symbols": "lnf.kinds.symbols.Symbols",
}
"""Short name -> dotted path of the built-in kinds of data."""
CHECKED_KINDS = ("text", "music")
"""Those on which every variant is held against the laws: symbols are as characters."""


def _kind(name: str) -> str:
    if name not in KINDS and not re.fullmatch(r"\w+(\.\w+)+", name):
        raise remedy(f"one of {', '.join(KINDS)}, or the dotted path of a class")
    return name


Kind = Annotated[str, AfterValidator(_kind)]
Role = Literal["main", "independent", "ablation", "picture", "beyond"]

MANY = 10**6
"""More than anyone means: of epochs, sequences, samples."""
LARGEST_SEED = 2**63 - 1
Value = bool | int | float | str | None
"""Of an option."""
LONGEST_NAME = 64
"""Characters of a name that becomes a folder's."""

BUILTINS: dict[str, dict[str, str]] = {
    "model": {"latent": "lnf.models.latent.LatentModel", "lstm": "lnf.models.baseline.LSTMModel"},
    "time": {
        "af": "lnf.flows.time.AutoregressiveTime",
        "iaf": "lnf.flows.time.InverseAutoregressiveTime",
        "none": "lnf.flows.time.IndependentTime",
    },
    "hidden": {
        "af": "lnf.flows.hidden.AutoregressiveHidden",
        "scf": "lnf.flows.hidden.CouplingHidden",
        "none": "lnf.flows.hidden.ElementwiseHidden",
    },
    "transform": {"nlsq": "lnf.flows.transforms.NLSq", "affine": "lnf.flows.transforms.Affine"},
}
"""Short name -> dotted path of the built-in classes, by part of a prior. Specs hold short names, so that moving a class
renames no result; a user's class is held by its dotted path."""

STORED_FORMAT = 3
"""Of the specs in run.json and model.pt; `read_spec` upgrades earlier ones."""

_FORMER_PATHS: dict[str, dict[str, str]] = {
    "model": {"lnf.models.latent.LatentModel": "latent", "lnf.models.lstm.LSTMModel": "lstm"},
    "time": {
        "lnf.priors.autoregressive.AutoregressiveTime": "af",
        "lnf.priors.inverse.InverseAutoregressiveTime": "iaf",
        "lnf.priors.independent.IndependentTime": "none",
    },
    "hidden": {
        "lnf.hidden.autoregressive.AutoregressiveHidden": "af",
        "lnf.hidden.coupling.CouplingHidden": "scf",
        "lnf.hidden.elementwise.ElementwiseHidden": "none",
    },
    "transform": {"lnf.transforms.nlsq.NLSq": "nlsq", "lnf.transforms.affine.Affine": "affine"},
}
"""Dotted paths of built-in classes in specs that were stored before format 3 -> short names."""


def kind_path(name: str) -> str:
    """The dotted path of the class of a kind of data."""
    return KINDS.get(name, name)


def class_path(part: str, name: str) -> str:
    """The dotted path of the class that a spec names for a part of a prior (a key of BUILTINS)."""
    return BUILTINS[part].get(name, name)


def class_of(part: str, name: str | None) -> Any:
    """The class that a spec names for a part of a prior. Raises UserError if it cannot be imported."""
    return imported(class_path(part, str(name)))


def imported(path: str) -> Any:
    """The class or function of a dotted path. Raises UserError if it cannot be imported."""
    try:
        return resolve_name(path)
    except (ImportError, AttributeError, ValueError) as problem:
        raise UserError(f"spec: {path}: cannot be imported ({problem}); give package.module.Name") from problem


class PriorSpec(Checked):
    """The mathematics of a variant: `model`, `time`, `hidden`, `transform` are short names (BUILTINS), or dotted paths.

    `time`, `hidden` and `transform` are None for a model without a latent (the LSTM baseline).
    """

    name: str
    label: str
    role: Role = "main"
    model: str = "latent"
    time: str | None = None
    hidden: str | None = None
    transform: str | None = None

    @property
    def parts(self) -> dict[str, str]:
        """Part -> its name, of the parts that this variant has."""
        return {part: name for part in BUILTINS if (name := getattr(self, part)) is not None}

    @property
    def paths(self) -> list[str]:
        """The dotted paths of the classes that this variant is made of."""
        return [class_path(part, name) for part, name in self.parts.items()]


Probability = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1, le=MANY)]
Size = Annotated[int, Field(ge=1, le=65536)]
Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]
Some = Annotated[int, Field(ge=1)]


class ModelSpec(Checked):
    """Sizes of the networks (units, layers), probabilities of dropout (in the prior and the baseline; in the posterior;
    in the decoder), and what matrix products are taken in.
    """

    latent: Annotated[int, Field(ge=1, le=4096)] = 50
    hidden: Size = 500
    embedding: Size = 500
    layers: Annotated[int, Field(ge=1, le=64)] = 2
    flow_layers: Annotated[int, Field(ge=1, le=256)] = 5
    flow_hidden: Size = 100
    dropout: Probability = 0.2
    posterior_dropout: Annotated[Probability, Neutral(0.0)] = 0.0
    decoder_dropout: Annotated[Probability, Neutral(0.0)] = 0.0
    precision: Literal["float32", "bfloat16"] = "float32"


class TrainSpec(Checked):
    """How a run is trained. Batches in sequences, patience in epochs, `transpose` in semitones, `state_minutes` in
    minutes."""

    epochs: Count = 100
    batch: Count = 15
    valid_batch: Count = 15
    accumulate: Count = 1
    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: Annotated[float, Field(gt=0, le=1000)] = 1e-3
    clip: Annotated[float, Field(gt=0, le=MANY)] = 0.25
    weight_decay: Annotated[float, Field(ge=0, le=1000), Neutral(0.0)] = 0.0
    average: Annotated[Probability, Neutral(0.0)] = 0.0
    bound: Annotated[Literal["elbo", "iwae"], Neutral("elbo")] = "elbo"
    transpose: Annotated[int, Field(ge=0, le=87), Neutral(0)] = 0
    kl_anneal: bool = True
    kl_floor: Annotated[float, Field(ge=0, le=1)] = 1e-5
    kl_floor_epochs: Annotated[int, Field(ge=0, le=MANY)] = 4
    kl_ramp_epochs: Count = 10
    patience: Count = 1
    decay_factor: Annotated[float, Field(gt=1, le=MANY)] = 4.0
    on_decay: Literal["reset", "keep"] = "reset"
    min_learning_rate: Annotated[float, Field(ge=0, le=1000)] = 1e-6
    elbo_samples: Count = 10
    pool_batches: Count = 100
    max_rollbacks: Annotated[int, Field(ge=0, le=1000)] = 3
    rollback_factor: Annotated[float, Field(gt=0, le=1)] = 0.5
    state_minutes: Annotated[float, Field(ge=0, le=MANY)] = 5.0


class EvaluateSpec(Checked):
    """Importance samples a sequence, the seed of evaluation (one for all models), whether test is read, and the byte
    budget in GiB.
    """

    samples: Count = 30
    seed: Seed = 0
    test: Annotated[bool, Neutral(True)] = True
    memory_gb: Annotated[float, Field(gt=0, le=1e5)] = 1.0

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that are scored, the last of them reconstructed."""
        return ("valid", "test") if self.test else ("valid",)


class SampleSpec(Checked):
    """Sequences that are drawn and test sequences that are reconstructed after an evaluation, and their seed.

    `step_seconds` is how long a step of music lasts when it is played.
    """

    samples: Count = 100
    reconstructions: Annotated[int, Field(ge=0, le=MANY)] = 10
    seed: Seed = 0
    step_seconds: Annotated[float, Field(gt=0, le=60)] = 0.5


class Resources(Checked):
    """What a run needs: CPU threads, GPUs (a fraction is allowed) and memory in GiB; `auto` follows from its size."""

    cpus: Annotated[int, Field(ge=1, le=4096)] = 1
    gpus: Annotated[float, Field(ge=0, le=4096)] | Literal["auto"] = "auto"
    memory_gb: Annotated[float, Field(gt=0, le=1e5)] | Literal["auto"] = "auto"


class Subset(Checked):
    """How many sequences of a split are drawn when a corpus is loaded (None: all), up to `max_length` steps each."""

    train: Some | None = None
    valid: Some | None = None
    test: Some | None = None
    max_length: Some | None = None
    seed: Seed = 0


class Lengths(Checked):
    """The length prior: smoothing of the histogram, and M = int(headroom * longest kept train and valid sequence)."""

    smoothing: Literal["none", "add_one"] = "add_one"
    headroom: Annotated[float, Field(ge=1, le=1000)] = 1.25


class Options(Checked):
    """Options of the classes that a variant is made of: part -> keyword-only argument of its constructor -> value."""

    model: Annotated[dict[str, Value], Neutral({})] = Field(default_factory=dict)
    time: Annotated[dict[str, Value], Neutral({})] = Field(default_factory=dict)
    hidden: Annotated[dict[str, Value], Neutral({})] = Field(default_factory=dict)
    transform: Annotated[dict[str, Value], Neutral({})] = Field(default_factory=dict)


class Sections(Checked):
    """The settings of a run that a configuration may set."""

    options: Options = Options()
    model: ModelSpec = ModelSpec()
    train: TrainSpec = TrainSpec()
    evaluate: EvaluateSpec = EvaluateSpec()
    sample: SampleSpec = SampleSpec()
    resources: Resources = Resources()
    subset: Subset = Subset()
    lengths: Lengths = Lengths()


SECTIONS: dict[str, type[Checked]] = {
    name: section for name, section in get_type_hints(Sections).items() if name in Sections.model_fields
}
"""Name -> the form of each section."""


class Spec(Sections):
    """Everything that says what a run is: corpus, prior, seed and settings."""

    corpus: str
    kind: Kind
    seed: Seed
    prior: PriorSpec

    @property
    def paths(self) -> list[str]:
        """The dotted paths of the classes that it names: of its variant, and of the kind of its data."""
        return [*self.prior.paths, kind_path(self.kind)]

    @property
    def key(self) -> str:
        """`corpus/prior/seed`, as in the paths of results."""
        return f"{self.corpus}/{self.prior.name}/{self.seed}"

    def to_dict(self) -> dict[str, Any]:
        """The spec as plain JSON values."""
        return self.model_dump()

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Spec":
        """A spec from plain JSON values. Raises UserError naming a key that is unknown, missing or of a wrong type."""
        return build(cls, values, "spec")


def read_spec(values: Mapping[str, Any], stored_format: int | None) -> Spec:
    """A spec as it was stored in run.json, model.pt or spec.json, in any format up to today's.

    Before format 3 built-in classes were dotted paths, and settings that came later are missing: they are given the
    values that do what was done then. Raises UserError for a later format and for what is no spec.
    """
    if stored_format is not None and stored_format > STORED_FORMAT:
        raise UserError(f"spec: format {stored_format}: this lnf reads formats up to {STORED_FORMAT}; update lnf")
    upgraded = {name: {**_neutral(SECTIONS[name]), **part} if name in SECTIONS and isinstance(part, Mapping) else part
                for name, part in values.items()}  # fmt: skip
    if isinstance(prior := values.get("prior"), Mapping):
        former = {part: short.get(prior[part], prior[part]) for part, short in _FORMER_PATHS.items() if part in prior}
        upgraded["prior"] = {**prior, **former}
    return Spec.from_dict(upgraded)


def _neutral(section: type[Checked]) -> dict[str, Any]:
    """Setting -> the value that does what was done before the setting existed, of the settings that have one."""
    return {
        name: mark.value
        for name, item in section.model_fields.items()
        for mark in item.metadata
        if isinstance(mark, Neutral)
    }


def without_neutral(values: Mapping[str, Any]) -> dict[str, Any]:
    """A spec's plain values without the settings that are at their neutral value, so that a new setting renames no
    result.
    """
    neutral = {name: _neutral(section) for name, section in SECTIONS.items()}
    kept = {
        name: {key: value for key, value in part.items() if neutral[name].get(key, ...) != value}
        if name in neutral
        else part
        for name, part in values.items()
    }
    return {name: part for name, part in kept.items() if part != {}}


@dataclass(frozen=True)
class RunContext:
    """What a run is given besides its spec: the configuration's name, its digests and how it differs from the paper.

    `differs` maps a dotted key to [ours, paper].
    """

    name: str
    digests: dict[str, str]
    differs: dict[str, list[Any]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The context as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "RunContext":
        """A context from plain JSON values."""
        return cls(values["name"], dict(values["digests"]), dict(values["differs"]))

"""What one run is: a frozen, torch-free description that travels as JSON.

Sizes are numbers of units, learning rates are per step, times in minutes, memory in GiB; nothing here is nats or bits.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from lnf.errors import UserError
from lnf.fields import NEUTRAL, bounded, build, require_fields

Kind = Literal["text", "music"]
Role = Literal["main", "independent", "ablation", "picture"]
Auto = Literal["auto"] | float

MANY = 10**6
"""More than anyone means: of epochs, sequences, samples."""
LARGEST_SEED = 2**63 - 1
LONGEST_NAME = 64
"""Characters of a name that becomes a folder's."""

BUILTINS: dict[str, dict[str, str]] = {
    "model": {"latent": "lnf.models.latent.LatentModel", "lstm": "lnf.models.lstm.LSTMModel"},
    "time": {
        "af": "lnf.priors.autoregressive.AutoregressiveTime",
        "iaf": "lnf.priors.inverse.InverseAutoregressiveTime",
        "none": "lnf.priors.independent.IndependentTime",
    },
    "hidden": {
        "af": "lnf.hidden.autoregressive.AutoregressiveHidden",
        "scf": "lnf.hidden.coupling.CouplingHidden",
        "none": "lnf.hidden.elementwise.ElementwiseHidden",
    },
    "transform": {"nlsq": "lnf.transforms.nlsq.NLSq", "affine": "lnf.transforms.affine.Affine"},
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


def class_path(part: str, name: str) -> str:
    """The dotted path of the class that a spec names for a part of a prior (a key of BUILTINS)."""
    return BUILTINS[part].get(name, name)


@dataclass(frozen=True)
class PriorSpec:
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


class Section:
    """A part of a spec. Making one raises UserError if a field is of a wrong type or out of its bounds."""

    def __post_init__(self) -> None:
        require_fields(self, next(name for name, cls in SECTIONS.items() if cls is type(self)))


@dataclass(frozen=True)
class ModelSpec(Section):
    """Sizes of the networks (units, layers), probabilities of dropout (in the prior and the baseline; in the posterior;
    in the decoder), and what matrix products are taken in.
    """

    latent: int = bounded(50, minimum=1, maximum=4096)
    hidden: int = bounded(500, minimum=1, maximum=65536)
    embedding: int = bounded(500, minimum=1, maximum=65536)
    layers: int = bounded(2, minimum=1, maximum=64)
    flow_layers: int = bounded(5, minimum=1, maximum=256)
    flow_hidden: int = bounded(100, minimum=1, maximum=65536)
    dropout: float = bounded(0.2, minimum=0, exclusiveMaximum=1)
    posterior_dropout: float = bounded(0.0, neutral=0.0, minimum=0, exclusiveMaximum=1)
    decoder_dropout: float = bounded(0.0, neutral=0.0, minimum=0, exclusiveMaximum=1)
    precision: Literal["float32", "bfloat16"] = "float32"


@dataclass(frozen=True)
class TrainSpec(Section):
    """How a run is trained. Batches in sequences, patience in epochs, `transpose` in semitones, `state_minutes` in
    minutes."""

    epochs: int = bounded(100, minimum=1, maximum=MANY)
    batch: int = bounded(15, minimum=1, maximum=MANY)
    valid_batch: int = bounded(15, minimum=1, maximum=MANY)
    accumulate: int = bounded(1, minimum=1, maximum=MANY)
    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: float = bounded(1e-3, exclusiveMinimum=0, maximum=1000)
    clip: float = bounded(0.25, exclusiveMinimum=0, maximum=MANY)
    weight_decay: float = bounded(0.0, neutral=0.0, minimum=0, maximum=1000)
    average: float = bounded(0.0, neutral=0.0, minimum=0, exclusiveMaximum=1)
    bound: Literal["elbo", "iwae"] = bounded("elbo", neutral="elbo")
    transpose: int = bounded(0, neutral=0, minimum=0, maximum=87)
    kl_anneal: bool = True
    kl_floor: float = bounded(1e-5, minimum=0, maximum=1)
    kl_floor_epochs: int = bounded(4, minimum=0, maximum=MANY)
    kl_ramp_epochs: int = bounded(10, minimum=1, maximum=MANY)
    patience: int = bounded(1, minimum=1, maximum=MANY)
    decay_factor: float = bounded(4.0, exclusiveMinimum=1, maximum=MANY)
    on_decay: Literal["reset", "keep"] = "reset"
    min_learning_rate: float = bounded(1e-6, minimum=0, maximum=1000)
    elbo_samples: int = bounded(10, minimum=1, maximum=MANY)
    pool_batches: int = bounded(100, minimum=1, maximum=MANY)
    max_rollbacks: int = bounded(3, minimum=0, maximum=1000)
    rollback_factor: float = bounded(0.5, exclusiveMinimum=0, maximum=1)
    state_minutes: float = bounded(5.0, minimum=0, maximum=MANY)


@dataclass(frozen=True)
class EvaluateSpec(Section):
    """Importance samples a sequence, the seed of evaluation (one for all models) and the byte budget in GiB."""

    samples: int = bounded(30, minimum=1, maximum=MANY)
    seed: int = bounded(0, minimum=0, maximum=LARGEST_SEED)
    memory_gb: float = bounded(1.0, exclusiveMinimum=0, maximum=1e5)


@dataclass(frozen=True)
class SampleSpec(Section):
    """Sequences that are drawn and test sequences that are reconstructed after an evaluation, and their seed.

    `step_seconds` is how long a step of music lasts when it is played.
    """

    samples: int = bounded(100, minimum=1, maximum=MANY)
    reconstructions: int = bounded(10, minimum=0, maximum=MANY)
    seed: int = bounded(0, minimum=0, maximum=LARGEST_SEED)
    step_seconds: float = bounded(0.5, exclusiveMinimum=0, maximum=60)


@dataclass(frozen=True)
class Resources(Section):
    """What a run needs: CPU threads, GPUs (a fraction is allowed) and memory in GiB; `auto` follows from its size."""

    cpus: int = bounded(1, minimum=1, maximum=4096)
    gpus: Auto = bounded("auto", minimum=0, maximum=4096)
    memory_gb: Auto = bounded("auto", exclusiveMinimum=0, maximum=1e5)


@dataclass(frozen=True)
class Subset(Section):
    """How many sequences of a split are drawn when a corpus is loaded (None: all), up to `max_length` steps each."""

    train: int | None = bounded(None, minimum=1)
    valid: int | None = bounded(None, minimum=1)
    test: int | None = bounded(None, minimum=1)
    max_length: int | None = bounded(None, minimum=1)
    seed: int = bounded(0, minimum=0, maximum=LARGEST_SEED)


@dataclass(frozen=True)
class Lengths(Section):
    """The length prior: smoothing of the histogram, and M = int(headroom * longest kept train and valid sequence)."""

    smoothing: Literal["none", "add_one"] = "add_one"
    headroom: float = bounded(1.25, minimum=1, maximum=1000)


@dataclass(frozen=True)
class Spec:
    """Everything that says what a run is: corpus, prior, seed and settings."""

    corpus: str
    kind: Kind
    seed: int = field(metadata={"minimum": 0, "maximum": LARGEST_SEED})
    prior: PriorSpec
    model: ModelSpec = field(default_factory=ModelSpec)
    train: TrainSpec = field(default_factory=TrainSpec)
    evaluate: EvaluateSpec = field(default_factory=EvaluateSpec)
    sample: SampleSpec = field(default_factory=SampleSpec)
    resources: Resources = field(default_factory=Resources)
    subset: Subset = field(default_factory=Subset)
    lengths: Lengths = field(default_factory=Lengths)

    def __post_init__(self) -> None:
        require_fields(self, "")

    @property
    def key(self) -> str:
        """`corpus/prior/seed`, as in the paths of results."""
        return f"{self.corpus}/{self.prior.name}/{self.seed}"

    def to_dict(self) -> dict[str, Any]:
        """The spec as plain JSON values."""
        return asdict(self)

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


def _neutral(section: type[Any]) -> dict[str, Any]:
    """Setting -> the value that does what was done before the setting existed, of the settings that have one."""
    return {item.name: item.metadata[NEUTRAL] for item in fields(section) if NEUTRAL in item.metadata}


def without_neutral(values: Mapping[str, Any]) -> dict[str, Any]:
    """A spec's plain values without the settings that are at their neutral value, so that a new setting renames no
    result.
    """
    neutral = {name: _neutral(section) for name, section in SECTIONS.items()}
    return {
        name: {key: value for key, value in part.items() if neutral[name].get(key, ...) != value}
        if name in neutral
        else part
        for name, part in values.items()
    }


@dataclass(frozen=True)
class RunContext:
    """What a run is told beside its spec: the configuration's name, its digests and how it differs from the paper.

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


SECTIONS: dict[str, type[Any]] = {
    "model": ModelSpec,
    "train": TrainSpec,
    "evaluate": EvaluateSpec,
    "sample": SampleSpec,
    "resources": Resources,
    "subset": Subset,
    "lengths": Lengths,
}
"""The sections of a spec that a configuration may set."""

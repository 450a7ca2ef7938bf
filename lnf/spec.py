"""What one run is: a frozen, torch-free description that travels as JSON.

Sizes are numbers of units, learning rates are per step, times in minutes, memory in GiB; nothing here is nats or bits.
"""

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from lnf.errors import UserError

Kind = Literal["text", "music"]
Role = Literal["main", "independent", "ablation", "picture"]
Gpus = Literal["auto"] | float

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
"""Short names that rule files may use, by part of a prior; anything else is a dotted path of a class."""


@dataclass(frozen=True)
class PriorSpec:
    """The mathematics of a variant. `model`, `time`, `hidden`, `transform` are dotted paths of classes.

    `time`, `hidden` and `transform` are None for a model without a latent (the LSTM baseline).
    """

    name: str
    label: str
    role: Role = "main"
    model: str = BUILTINS["model"]["latent"]
    time: str | None = None
    hidden: str | None = None
    transform: str | None = None

    @property
    def paths(self) -> list[str]:
        """The dotted paths of the classes that this variant is made of."""
        return [path for path in (self.model, self.time, self.hidden, self.transform) if path is not None]


@dataclass(frozen=True)
class ModelSpec:
    """Sizes of the networks (units, layers) and the dropout probability."""

    latent: int = 50
    hidden: int = 500
    embedding: int = 500
    layers: int = 2
    flow_layers: int = 5
    flow_hidden: int = 100
    dropout: float = 0.2


@dataclass(frozen=True)
class TrainSpec:
    """How a run is trained. Batches in sequences, patience in epochs, `state_minutes` in minutes."""

    epochs: int = 100
    batch: int = 15
    valid_batch: int = 15
    accumulate: int = 1
    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: float = 1e-3
    clip: float = 0.25
    kl_anneal: bool = True
    kl_floor: float = 1e-5
    kl_floor_epochs: int = 4
    kl_ramp_epochs: int = 10
    patience: int = 1
    decay_factor: float = 4.0
    on_decay: Literal["reset", "keep"] = "reset"
    min_learning_rate: float = 1e-6
    elbo_samples: int = 10
    pool_batches: int = 100
    max_rollbacks: int = 3
    rollback_factor: float = 0.5
    state_minutes: float = 5.0


@dataclass(frozen=True)
class EvaluateSpec:
    """Importance samples a sequence, the seed of evaluation (one for all models) and the byte budget in GiB."""

    samples: int = 30
    seed: int = 0
    memory_gb: float = 1.0


@dataclass(frozen=True)
class SampleSpec:
    """Sequences that are drawn and test sequences that are reconstructed after an evaluation, and their seed.

    `step_seconds` is how long a step of music lasts when it is played.
    """

    samples: int = 100
    reconstructions: int = 10
    seed: int = 0
    step_seconds: float = 0.5


@dataclass(frozen=True)
class Resources:
    """What a run needs: CPU threads, GPUs (a fraction is allowed) and memory in GiB."""

    cpus: int = 1
    gpus: Gpus = "auto"
    memory_gb: float = 4.0


@dataclass(frozen=True)
class Subset:
    """How many sequences of a split are drawn when a corpus is loaded (None: all), up to `max_length` steps each."""

    train: int | None = None
    valid: int | None = None
    test: int | None = None
    max_length: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class Lengths:
    """The length prior: smoothing of the histogram, and M = int(headroom * longest kept train and valid sequence)."""

    smoothing: Literal["none", "add_one"] = "add_one"
    headroom: float = 1.25


@dataclass(frozen=True)
class Spec:
    """Everything that says what a run is: corpus, prior, seed and settings."""

    corpus: str
    kind: Kind
    seed: int
    prior: PriorSpec
    model: ModelSpec = field(default_factory=ModelSpec)
    train: TrainSpec = field(default_factory=TrainSpec)
    evaluate: EvaluateSpec = field(default_factory=EvaluateSpec)
    sample: SampleSpec = field(default_factory=SampleSpec)
    resources: Resources = field(default_factory=Resources)
    subset: Subset = field(default_factory=Subset)
    lengths: Lengths = field(default_factory=Lengths)

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
        return _build(cls, values, "spec")


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

Part = TypeVar("Part")


def _build(cls: type[Part], values: Mapping[str, Any], key: str) -> Part:
    hints = get_type_hints(cls)
    if not isinstance(values, Mapping):
        raise UserError(f"{key}: {values!r}: must be a mapping")
    for unknown in values:
        if unknown not in hints:
            raise UserError(f"{key}.{unknown}: unknown key; known are {', '.join(hints)}")
    arguments: dict[str, Any] = {}
    for item in fields(cls):  # type: ignore[arg-type]
        if item.name in values:
            arguments[item.name] = _value(hints[item.name], values[item.name], f"{key}.{item.name}")
        elif item.default is MISSING and item.default_factory is MISSING:
            raise UserError(f"{key}.{item.name}: missing")
    return cls(**arguments)


def _value(hint: Any, value: Any, key: str) -> Any:
    """The value as the type of its field says; an int stands for a float. Raises UserError."""
    if hint in SECTIONS.values() or hint is PriorSpec:
        return _build(hint, value, key)
    options = get_args(hint) if get_origin(hint) not in (None, Literal) else (hint,)
    for option in options:
        if get_origin(option) is Literal and value in get_args(option):
            return value
        if option is type(value):
            return value
        if option is float and type(value) is int:
            return float(value)
    raise UserError(f"{key}: {value!r}: must be {_wording(options)}")


def _wording(options: tuple[Any, ...]) -> str:
    words = {int: "a whole number", float: "a number", str: "a text", bool: "true or false", type(None): "null"}
    return " or ".join(words.get(option) or " or ".join(map(str, get_args(option))) for option in options)

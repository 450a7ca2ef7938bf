"""Small specs for tests: every variant of the paper at sizes that run in milliseconds."""

from typing import Any, Literal

from lnf.spec import Lengths, ModelSpec, PriorSpec, Spec, TrainSpec

PRIORS: dict[str, tuple[str, str, str] | None] = {
    "lstm": None,
    "af_af": ("af", "af", "nlsq"),
    "af_scf": ("af", "scf", "nlsq"),
    "iaf_scf": ("iaf", "scf", "nlsq"),
    "af_only": ("none", "af", "nlsq"),
    "af_af_affine": ("af", "af", "affine"),
    "af_none": ("af", "none", "nlsq"),
    "af_none_affine": ("af", "none", "affine"),
}
"""Name -> (time, hidden, transform); None for the LSTM baseline."""

LATENT_PRIORS = [name for name, parts in PRIORS.items() if parts is not None]


def prior_spec(name: str) -> PriorSpec:
    """The mathematics of a variant of the paper."""
    parts = PRIORS[name]
    if parts is None:
        return PriorSpec(name=name, label=name, model="lstm")
    time, hidden, transform = parts
    return PriorSpec(name=name, label=name, time=time, hidden=hidden, transform=transform)


def tiny_spec(prior: str = "af_af", kind: Literal["text", "music"] = "text", **train: Any) -> Spec:
    """A spec with a few units; keyword arguments replace keys of its `train` section."""
    training = TrainSpec(
        epochs=4, batch=4, valid_batch=4, kl_anneal=prior != "lstm", kl_floor_epochs=0, kl_ramp_epochs=1, elbo_samples=2
    )
    return Spec(
        corpus="tiny",
        kind=kind,
        seed=0,
        prior=prior_spec(prior),
        model=ModelSpec(latent=3, hidden=6, embedding=5, layers=2, flow_layers=2, flow_hidden=7, dropout=0.0),
        train=training.replace(**train),
        lengths=Lengths(smoothing="add_one", headroom=1.25),
    )

"""Latent normalizing flows for discrete sequences (Ziegler and Rush, ICML 2019).

`lnf.build` makes a model of any row at any size, `lnf.load` reads a trained one; docs/library.md shows them. A name is
imported when it is first used, so that the command line and Snakemake, which plan, do not import PyTorch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lnf.corpora.batches import CorpusShape as CorpusShape
    from lnf.corpora.batches import SequenceBatch as SequenceBatch
    from lnf.errors import UserError as UserError
    from lnf.flows.base import HiddenFlow as HiddenFlow
    from lnf.flows.base import Prior as Prior
    from lnf.flows.hidden import AutoregressiveHidden as AutoregressiveHidden
    from lnf.flows.hidden import CouplingHidden as CouplingHidden
    from lnf.flows.hidden import ElementwiseHidden as ElementwiseHidden
    from lnf.flows.time import AutoregressiveTime as AutoregressiveTime
    from lnf.flows.time import IndependentTime as IndependentTime
    from lnf.flows.time import InverseAutoregressiveTime as InverseAutoregressiveTime
    from lnf.flows.transforms import Affine as Affine
    from lnf.flows.transforms import NLSq as NLSq
    from lnf.library import build as build
    from lnf.library import load as load
    from lnf.models.autoregressive import AutoregressiveModel as AutoregressiveModel
    from lnf.models.base import Sampling as Sampling
    from lnf.models.base import SequenceModel as SequenceModel
    from lnf.models.baseline import LSTMModel as LSTMModel
    from lnf.models.latent import LatentModel as LatentModel

_MODULES = {
    "corpora.batches": ("CorpusShape", "SequenceBatch"),
    "errors": ("UserError",),
    "flows.base": ("HiddenFlow", "Prior"),
    "flows.hidden": ("AutoregressiveHidden", "CouplingHidden", "ElementwiseHidden"),
    "flows.time": ("AutoregressiveTime", "IndependentTime", "InverseAutoregressiveTime"),
    "flows.transforms": ("Affine", "NLSq"),
    "library": ("build", "load"),
    "models.autoregressive": ("AutoregressiveModel",),
    "models.base": ("Sampling", "SequenceModel"),
    "models.baseline": ("LSTMModel",),
    "models.latent": ("LatentModel",),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}
__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]

"""Models from specs."""

from lnf.corpora.batches import CorpusShape
from lnf.models.base import SequenceModel
from lnf.spec import Spec
from lnf.system.dotted_paths import load_class


def build_model(spec: Spec, shape: CorpusShape) -> SequenceModel:
    """The untrained model of a run; weights are drawn from torch's global generator."""
    model: SequenceModel = load_class(spec.prior.model)(spec, shape)
    return model

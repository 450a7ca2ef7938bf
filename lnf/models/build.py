"""Models from specs."""

from lnf.corpora.batches import CorpusShape
from lnf.models.base import SequenceModel
from lnf.spec import Spec, class_of


def build_model(spec: Spec, shape: CorpusShape) -> SequenceModel:
    """The untrained model of a run; weights are drawn from torch's global generator."""
    model: SequenceModel = class_of("model", spec.prior.model)(spec, shape, **spec.options.model)
    return model

"""Models from specs."""

from lnf.batch import CorpusShape
from lnf.dotted import load_class
from lnf.models.base import SequenceModel
from lnf.spec import Spec


def build_model(spec: Spec, shape: CorpusShape) -> SequenceModel:
    """The untrained model of a run; weights are drawn from torch's global generator."""
    model: SequenceModel = load_class(spec.prior.model)(spec, shape)
    return model

"""Laws of use: what the pipeline does with every model works on a small one."""

import tempfile
from pathlib import Path

import torch
from torch import Tensor

from lnf.corpora.batches import SequenceBatch
from lnf.corpora.loading import Split
from lnf.kinds.base import kind_of
from lnf.laws.laws import BrokenLaw, usual_cause
from lnf.models.base import SequenceModel
from lnf.models.objectives import log_weights
from lnf.runs import checkpoint, sampling
from lnf.runs.evaluation import score
from lnf.spec import Spec

CPU = torch.device("cpu")


@usual_cause("a method expects more steps, sequences or samples than an evaluation gives it")
def is_evaluated(model: SequenceModel, batch: SequenceBatch, spec: Spec) -> None:
    """An evaluation scores every sequence with finite numbers, and draws sequences of the lengths that it asks for."""
    x = batch.x.numpy().astype(kind_of(spec.kind).dtype(model.width))
    split = Split([x[row, :length] for row, length in enumerate(batch.lengths_B.tolist())], {}, model.width)
    found = score(model, split, spec.replace(evaluate=spec.evaluate.replace(samples=3)), CPU)
    if not torch.from_numpy(found.log_prob_given_length).isfinite().all():
        raise BrokenLaw("is evaluated: a likelihood is not finite")
    lengths = torch.tensor([1, model.max_length])
    drawn = sampling.draw(model, lengths, 0, CPU)
    if [len(one) for one in drawn] != lengths.tolist():
        raise BrokenLaw(f"is evaluated: asked for {lengths.tolist()} steps, drew {[len(one) for one in drawn]}")


@usual_cause("a tensor that it needs is neither a parameter nor a persistent buffer")
@torch.no_grad()
def is_read_again(model: SequenceModel, batch: SequenceBatch, spec: Spec) -> None:
    """A model that was written to model.pt and read again has the same terms."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.pt")
        checkpoint.save(path, spec, model.shape, {}, "", {}, model.state_dict())
        again = checkpoint.load(path)[0]
    noise = model.draw_noise(batch, 2, torch.Generator().manual_seed(0))

    def terms(one: SequenceModel) -> Tensor:
        return log_weights(one.terms_given(batch, noise))

    if not torch.equal(terms(again), terms(model)):
        raise BrokenLaw("is read again: it has other terms after model.pt was written and read")

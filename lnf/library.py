"""Models by name: of any row at any size, and trained ones from their files."""

from pathlib import Path

from lnf.corpora.batches import CorpusShape
from lnf.errors import UserError
from lnf.fields import build as checked
from lnf.models.base import SequenceModel, build_model
from lnf.plan.fitting import require_fitting
from lnf.runs import checkpoint
from lnf.spec import BUILTINS, Spec


def build(row: str, shape: CorpusShape, **sizes: int | float | str) -> SequenceModel:
    """An untrained model, named as a row of the tables: "LSTM", "AF / AF", "IAF / SCF", "none / AF", "AF / none".

    Args:
        row: "LSTM" for the baseline; or the flow in time (AF, IAF, none), the flow in hidden (AF, SCF, none) and, if it
            is not NLSq, the scalar transform. Each may be the dotted path of a class.
        shape: what the model must know of a corpus.
        **sizes: settings of the section `model` of a configuration, as `latent=50, hidden=500`; else the paper's.

    Weights are drawn from torch's global generator. Raises UserError for a name or a size that is not known.

    >>> import lnf
    >>> shape = lnf.CorpusShape("text", width=27, max_length=100)
    >>> model = lnf.build("AF / SCF", shape, latent=8, hidden=32, embedding=16)
    >>> model.sample([12, 30]).x.shape
    torch.Size([2, 30])
    """
    prior = {"name": "prior", "label": row, **_parts(row)}
    spec = checked(Spec, {"corpus": "build", "kind": shape.kind, "seed": 0, "prior": prior, "model": sizes}, "build")
    if spec.model.precision != "float32":
        raise UserError("build.model.precision: the caller's to choose here: torch.autocast, or model.to(dtype)")
    require_fitting(spec)
    return build_model(spec, shape)


def load(run: str | Path) -> SequenceModel:
    """A trained model, in eval mode on the CPU, by its model.pt, by the folder of its run, or by the name of its run
    below results/: CORPUS/PRIOR/SEED or NAME/CORPUS/PRIOR/SEED.

    Raises UserError for a run that is not there, and for a file that is damaged or of another format.
    """
    return checkpoint.load(checkpoint.find(run))[0]


def _parts(row: str) -> dict[str, str]:
    given = [part.strip() for part in row.split("/")]
    if len(given) == 1:
        return {"model": _name("model", given[0])}
    if len(given) > 3:
        raise UserError(f"build: {row!r}: give MODEL, TIME / HIDDEN or TIME / HIDDEN / TRANSFORM")
    places = ("time", "hidden", "transform")
    return {part: _name(part, name) for part, name in zip(places, [*given, "nlsq"], strict=False)}


def _name(part: str, given: str) -> str:
    """The short name of a built-in class, whatever its case, or a dotted path."""
    if given.lower() in BUILTINS[part]:
        return given.lower()
    if "." not in given:
        raise UserError(f"build: {part} {given!r}: known are {', '.join(BUILTINS[part])}, and dotted paths of classes")
    return given

"""`model.pt`: a trained model with what identifies it.

Format 2 = {format, spec, digests, revision, shape, state_dict, sha256}: format 1 had no checksum. Loaded with
`strict=True`.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from lnf.corpora.batches import CorpusShape
from lnf.errors import UserError
from lnf.models.base import SequenceModel
from lnf.models.build import build_model
from lnf.spec import Spec
from lnf.system.documents import read_document, write_document

FORMAT = 2


def save(
    path: Path,
    spec: Spec,
    shape: CorpusShape,
    digests: dict[str, str],
    revision: str,
    state_dict: dict[str, Tensor],
) -> None:
    """Write `model.pt` atomically and for good."""
    document = {
        "format": FORMAT,
        "spec": spec.to_dict(),
        "digests": digests,
        "revision": revision,
        "shape": asdict(shape),
        "state_dict": state_dict,
    }
    write_document(path, document)


def load(path: Path) -> tuple[SequenceModel, Spec, dict[str, Any]]:
    """(model in eval mode, its spec, the whole document).

    Raises Damaged if the file is not whole, and UserError for a format that this revision does not read, naming the
    revision that wrote it.
    """
    document = read_document(path)
    if document.get("format") != FORMAT:
        raise UserError(
            f"{path}: model format {document.get('format')!r}, this revision reads {FORMAT};"
            f" read it with revision {document.get('revision', 'unknown')}"
        )
    spec = Spec.from_dict(document["spec"])
    model = build_model(spec, CorpusShape(**document["shape"]))
    model.load_state_dict(document["state_dict"], strict=True)
    return model.eval(), spec, document

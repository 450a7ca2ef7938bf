"""`model.pt`: a trained model with what identifies it.

Format 1 = {format, spec, digests, revision, shape, state_dict}; read with
`weights_only=True`, loaded with `strict=True`.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lnf.corpora.batches import CorpusShape
from lnf.errors import UserError
from lnf.models.base import SequenceModel
from lnf.models.build import build_model
from lnf.spec import Spec
from lnf.system.files import replacing

FORMAT = 1


def save(
    path: Path,
    spec: Spec,
    shape: CorpusShape,
    digests: dict[str, str],
    revision: str,
    state_dict: dict[str, Tensor],
) -> None:
    """Write `model.pt` atomically."""
    document = {
        "format": FORMAT,
        "spec": spec.to_dict(),
        "digests": digests,
        "revision": revision,
        "shape": asdict(shape),
        "state_dict": state_dict,
    }
    with replacing(path) as scratch:
        torch.save(document, scratch)


def load(path: Path) -> tuple[SequenceModel, Spec, dict[str, Any]]:
    """(model in eval mode, its spec, the whole document).

    Raises UserError for a format that this revision does not read, naming the revision that wrote it.
    """
    document = torch.load(path, map_location="cpu", weights_only=True)
    if document.get("format") != FORMAT:
        raise UserError(
            f"{path}: model format {document.get('format')!r}, this revision reads {FORMAT};"
            f" read it with revision {document.get('revision', 'unknown')}"
        )
    spec = Spec.from_dict(document["spec"])
    model = build_model(spec, CorpusShape(**document["shape"]))
    model.load_state_dict(document["state_dict"], strict=True)
    return model.eval(), spec, document

"""`model.pt`: a trained model with what identifies it.

{format, spec, digests, revision, definitions, shape, state_dict, sha256}, loaded with `strict=True`. Format 1 had no
checksum and is refused; the specs of format 2 are upgraded (`lnf.spec.read_spec`).
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from lnf.corpora.batches import CorpusShape
from lnf.errors import UserError
from lnf.models.base import SequenceModel, build_model
from lnf.spec import STORED_FORMAT, Spec, read_spec
from lnf.system.sealed import read_document, write_document

OLDEST = 2
MODEL = "model.pt"


def save(
    path: Path,
    spec: Spec,
    shape: CorpusShape,
    digests: dict[str, str],
    revision: str,
    definitions: dict[str, str],
    state_dict: dict[str, Tensor],
) -> None:
    """Write `model.pt` atomically and for good. `definitions` are those of the code that trained it."""
    document = {
        "format": STORED_FORMAT,
        "spec": spec.to_dict(),
        "digests": digests,
        "revision": revision,
        "definitions": definitions,
        "shape": asdict(shape),
        "state_dict": state_dict,
    }
    write_document(path, document)


def find(run: str | Path) -> Path:
    """The model.pt of a run: of its folder, or the latest of its name, CORPUS/PRIOR/SEED or NAME/CORPUS/PRIOR/SEED.

    Raises UserError if there is none, or if two configurations have a run of that name.
    """
    path = Path(run)
    for file in (path, path / MODEL):
        if file.is_file():
            return file
    results, parts = Path("results"), path.parts
    pattern = {3: ("*", *parts), 4: parts}.get(len(parts))
    found = [] if pattern is None or path.is_absolute() else list(results.glob("/".join([*pattern, "*", MODEL])))
    names = sorted({file.relative_to(results).parts[0] for file in found})
    if len(names) > 1:
        raise UserError(f"run: {run}: of which configuration? {', '.join(f'{name}/{run}' for name in names)}")
    if not found:
        raise UserError(f"run: {run}: no model.pt; give the folder of a trained run, or its name CORPUS/PRIOR/SEED")
    return max(found, key=lambda file: file.stat().st_mtime_ns)


def load(path: Path) -> tuple[SequenceModel, Spec, dict[str, Any]]:
    """(model in eval mode, its spec, the whole document).

    Raises Damaged if the file is not whole, and UserError for a format that this revision does not read, naming the
    revision that wrote it.
    """
    document = read_document(path)
    if document.get("format") not in range(OLDEST, STORED_FORMAT + 1):
        raise UserError(
            f"{path}: model format {document.get('format')!r}, this revision reads {OLDEST} to {STORED_FORMAT};"
            f" read it with revision {document.get('revision', 'unknown')}"
        )
    spec = read_spec(document["spec"], document["format"])
    model = build_model(spec, CorpusShape(**document["shape"]))
    model.load_state_dict(document["state_dict"], strict=True)
    return model.eval(), spec, document

"""A prepared Markov corpus of a few short texts, made in milliseconds."""

from pathlib import Path
from typing import Any

from lnf.corpora.prepare import prepare
from lnf.plan.digests import spec_digest
from lnf.spec import RunContext, Spec
from lnf.system.files import read_json

SETTINGS: dict[str, Any] = {
    "kind": "text",
    "lengths": {"smoothing": "add_one", "headroom": 1.25},
    "source": "lnf.corpora.sources.markov.read",
    "seed": 1,
    "letters": 5,
    "branching": 2,
    "closing": 2,
    "end": 0.3,
    "max_length": 8,
    "sequences": {"train": 40, "valid": 10, "test": 60},
}


def prepared(folder: Path) -> Path:
    """The folder data/tiny below `folder`, prepared."""
    out = folder / "data" / "tiny"
    prepare("tiny", SETTINGS, None, out)
    return out


def context(corpus: Path, spec: Spec | None = None, /, **digests: str) -> RunContext:
    """A run's context with the corpus' own digest, and the spec's if it is given."""
    data = read_json(corpus / "meta.json")["digest"]
    own = {"spec": spec_digest(spec) if spec else "spec", "code": "code", "data": data}
    return RunContext("test", {**own, **digests})

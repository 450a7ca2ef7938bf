"""A prepared Markov corpus of a few short texts, made in milliseconds."""

from pathlib import Path
from typing import Any

from lnf.corpora.prepare import prepare
from lnf.plan.digests import spec_digest
from lnf.spec import RunContext, Spec

DIGEST = "c0ffee"
SETTINGS: dict[str, Any] = {
    "kind": "text",
    "lengths": {"smoothing": "add_one", "headroom": 1.25},
    "source": "lnf.corpora.sources.markov.read",
    "max_length": 8,
    "options": {
        "seed": 1,
        "letters": 5,
        "branching": 2,
        "closing": 2,
        "end": 0.3,
        "train": 40,
        "valid": 10,
        "test": 60,
    },
}


def prepared(folder: Path) -> Path:
    """The folder data/tiny/DIGEST below `folder`, prepared."""
    out = folder / "data" / "tiny" / DIGEST
    prepare("tiny", SETTINGS, DIGEST, None, out)
    return out


def context(spec: Spec | None = None, /, **digests: str) -> RunContext:
    """A run's context with the corpus' own digest, and the spec's if it is given."""
    own = {"spec": spec_digest(spec) if spec else "spec", "code": "code", "data": DIGEST}
    return RunContext("test", {**own, **digests})

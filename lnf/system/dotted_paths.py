"""Classes by dotted path, which is how a spec names the mathematics of a variant."""

import importlib
from typing import Any

from lnf.errors import UserError


def load_class(path: str) -> Any:
    """The object that `package.module.Name` names. Raises UserError if there is none."""
    module, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as problem:
        raise UserError(f"spec: {path}: cannot be imported ({problem}); give package.module.Class") from problem

"""The checksum of what a file holds, whatever its format: a sha256 of its values that is kept among them."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def checksum(value: Any) -> str:
    """The sha256, in hex, of nested mappings and sequences of numpy arrays, numbers and texts; their order counts."""
    sha256 = hashlib.sha256()
    _feed(sha256, value)
    return sha256.hexdigest()


def _feed(sha256: Any, value: Any) -> None:
    if isinstance(value, Mapping):
        sha256.update(b"{%d" % len(value))
        for key, item in value.items():
            _feed(sha256, key)
            _feed(sha256, item)
    elif isinstance(value, np.ndarray):
        sha256.update(f"{value.dtype.str}{value.shape}".encode())
        sha256.update(np.ascontiguousarray(value).data if value.size else b"")
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        sha256.update(b"[%d" % len(value))
        for item in value:
            _feed(sha256, item)
    else:
        sha256.update(repr(value).encode() + b";")

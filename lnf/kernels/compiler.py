"""Whether there is a compiler, and how it is used."""

import importlib.util
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


@cache
def available() -> bool:
    """Whether numba is installed."""
    return importlib.util.find_spec("numba") is not None


def compiled(function: Function) -> Function:
    """The function as numba compiles it at its first call; the code is kept next to the source for later processes.

    Without numba it stays what it is, and is not to be called.
    """
    return _compiled(function, False)


def compiled_sum(function: Function) -> Function:
    """`compiled`, for a sum whose terms may be added in any order, which vector units need."""
    return _compiled(function, {"reassoc", "contract"})


def _compiled(function: Function, fastmath: Any) -> Function:
    if not available():
        return function
    import numba

    kernel: Any = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=fastmath)(function)
    return kernel  # type: ignore[no-any-return]

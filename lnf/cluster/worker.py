"""What a Ray worker calls: one step of one run, or a look at the node. Imports neither Ray nor torch by itself."""

import hashlib
import importlib
import os
import platform
import socket
import traceback
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lnf
from lnf.errors import Stopped, UserError
from lnf.system import machine_faults
from lnf.system.files import write_json

SAME_EVERYWHERE = ("torch", "ray", "numpy", "pyarrow")


def work(entry: str, kwargs: dict[str, Any], cpus: float, record: str) -> dict[str, str]:
    """Call `entry` ("module:function") with `kwargs`, with as many threads as cpus; write pid and host to `record`.

    Returns {"kind": "done" | "user" | "stopped" | "failed", "message": ...}. Exceptions are returned as text, because
    Ray would have to unpickle them in a process that does not import what the run imports.
    """
    write_json(Path(record), {"pid": os.getpid(), "host": socket.gethostname()})
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):  # read when torch is imported, below
        os.environ[variable] = str(max(1, int(cpus)))
    module, _, function = entry.partition(":")
    try:
        getattr(importlib.import_module(module), function)(**kwargs)
    except UserError as problem:
        return {"kind": "user", "message": str(problem)}
    except Stopped as stopped:
        return {"kind": "stopped", "message": str(stopped)}
    except Exception as problem:
        line = machine_faults.sentence(problem) if isinstance(problem, OSError) else None
        return {"kind": "user", "message": line} if line else {"kind": "failed", "message": traceback.format_exc()}
    return {"kind": "done", "message": ""}


def look(nonce: str) -> dict[str, str]:
    """What must be equal on every node: the text of the file `nonce`, the versions, the code of lnf."""
    path = Path(nonce)
    facts = {
        "nonce": path.read_text(encoding="utf-8") if path.exists() else "missing",
        "python": platform.python_version(),
    }
    facts |= {package: version(package) for package in SAME_EVERYWHERE}
    code = hashlib.sha256()
    for source in sorted(Path(lnf.__path__[0]).rglob("*.py")):
        code.update(source.read_bytes())
    return facts | {"lnf": code.hexdigest()[:16]}

"""Where other programs keep their caches when the user's home cannot be written to, as in some containers."""

import os
import tempfile
from pathlib import Path

OURS = Path(".lnf", "cache")
VARIABLES = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR", "NUMBA_CACHE_DIR")


def move_caches() -> str | None:
    """If the user's cache folder cannot be written to, have this process and those that it starts use one of the
    project's. Returns a line that says so, or None.
    """
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    if _writable(Path(home)):
        return None
    here = OURS.absolute()
    os.environ.update({name: str(here / name.lower()) for name in VARIABLES})
    return f"{home} cannot be written to; caches go to {OURS}"


def _writable(folder: Path) -> bool:
    """Whether a file can be made in a folder, which is made if need be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False

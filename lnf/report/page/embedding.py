"""Files as part of the page, since it is one file."""

import base64
from pathlib import Path

KINDS = {".png": "image/png", ".ogg": "audio/ogg", ".mid": "audio/midi"}


def data_uri(path: Path) -> str:
    """The file's content as an address that needs no network."""
    return f"data:{KINDS[path.suffix]};base64,{base64.b64encode(path.read_bytes()).decode()}"

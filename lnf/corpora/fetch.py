"""Raw files of public corpora: from a mirror folder, else from the cache, else downloaded; never with a wrong sha256.

The entry of a file in settings: `sha256`, `bytes`, `mirror` (its path below a mirror folder, and below the cache) and
`addresses` (in order of trial).
"""

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import requests
from pooch import HTTPDownloader

from lnf.errors import UserError
from lnf.plan.raw_files import MIRROR_VARIABLE, held
from lnf.system.files import sha256_of

ATTEMPTS = 3
PAUSE_SECONDS = 1.0
"""Before an address is tried again; doubled each time."""
TIMEOUT_SECONDS = 30
REPORT_SECONDS = 3.0


def fetch(name: str, entry: Mapping[str, Any], mirror: Path | None, cache: Path) -> Path:
    """The path of a raw file with the right sha256, in the mirror or in `cache`; downloads it into `cache` if need be.

    Raises UserError, and keeps nothing, if the mirror's file is another one or no address gives the right one.
    """
    at_hand = held(entry, mirror)
    if at_hand is not None:
        problem = fault(at_hand, entry)
        if problem is not None:
            raise UserError(
                f"data: {name}: {at_hand} is {problem}, expected {entry['bytes']} bytes, sha256 {entry['sha256']};"
                f" replace it, or name another folder with {MIRROR_VARIABLE}"
            )
        return at_hand
    cached = cache / str(entry["mirror"])
    if cached.is_file() and not fault(cached, entry):
        return cached
    failures = []
    for address in entry["addresses"]:
        failure = _download(address, name, entry, cached)
        if failure is None:
            return cached
        failures.append(f"{address}: {failure}")
    tried = "; ".join(failures) or "no address is known"
    raise UserError(
        f"data: {name}: expected {entry['bytes']} bytes, sha256 {entry['sha256']}, but {tried}; a folder that holds"
        f" {entry['mirror']} may be named with {MIRROR_VARIABLE}"
    )


def _download(address: str, name: str, entry: Mapping[str, Any], target: Path) -> str | None:
    """Download to `target`, with retries; why it failed, in words, or None. Leaves nothing else behind."""
    failure = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE_SECONDS * 2 ** (attempt - 1))
        target.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=target.parent, prefix=f".{name}.") as folder:
            scratch = Path(folder) / name
            try:
                get = HTTPDownloader(progressbar=Progress(name), timeout=TIMEOUT_SECONDS)
                get(address, str(scratch), None)
            except requests.HTTPError as problem:
                status = 0 if problem.response is None else problem.response.status_code
                failure = f"answered {status}"
                if status < 500:
                    return failure
                continue
            except (requests.RequestException, OSError) as problem:
                failure = f"failed ({type(problem).__name__})"
                continue
            wrong = fault(scratch, entry)
            if wrong is None:
                os.replace(scratch, target)
                return None
            failure = f"gave {wrong}"
    return failure


def fault(path: Path, entry: Mapping[str, Any]) -> str | None:
    """What is wrong with a file, in words, or None."""
    found = sha256_of(path)
    if found == entry["sha256"]:
        return None
    size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(512).lstrip().lower()
    what = "an html page" if head.startswith((b"<!doctype html", b"<html")) else "another file"
    if what == "another file" and size < entry["bytes"]:
        what = "a file cut short"
    return f"{what} ({size} bytes, sha256 {found})"


class Progress:
    """What pooch calls while it downloads: a line on stderr every few seconds."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.total = 0
        """Bytes to come, set by pooch; 0 if the server does not say."""
        self._done = 0
        self._reported = time.monotonic()

    def update(self, size: int) -> None:
        """So many more bytes have come."""
        self._done += size
        if time.monotonic() - self._reported > REPORT_SECONDS:
            self._reported = time.monotonic()
            print(f"lnf: {self.name}: {self._done / 1e6:.1f} of {self.total / 1e6:.1f} MB", file=sys.stderr, flush=True)

    def reset(self) -> None:
        """Start again."""
        self._done = 0

    def close(self) -> None:
        """Nothing is held open."""

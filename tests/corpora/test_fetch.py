"""Raw files: mirror, cache, download, and every way in which the wrong bytes may come."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from lnf.corpora import fetch as fetching
from lnf.corpora.fetch import fetch
from lnf.errors import UserError

GOOD = b"one two\nthree\n" * 100
ANSWERS = {
    "/good": (200, GOOD),
    "/short": (200, GOOD[:50]),
    "/page": (200, b"<!DOCTYPE html><html>moved</html>"),
    "/other": (200, b"x" * len(GOOD)),
    "/none": (404, b"not here"),
    "/busy": (503, b"later"),
}


class Handler(BaseHTTPRequestHandler):
    """Serves ANSWERS and notes what was asked for."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        Handler.asked.append(self.path)
        status, body = ANSWERS[self.path]
        if self.path == "/busy" and Handler.asked.count("/busy") == 2:
            status, body = ANSWERS["/good"]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(fetching, "PAUSE_SECONDS", 0.01)
    Handler.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()
        thread.join()


def entry(*addresses: str) -> dict[str, Any]:
    digest = hashlib.sha256(GOOD).hexdigest()
    return {"sha256": digest, "bytes": len(GOOD), "mirror": "set/a.txt", "addresses": list(addresses)}


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_mirror_is_looked_in_first_and_nothing_is_copied(tmp_path: Path, server: str) -> None:
    held = tmp_path / "mirror/set/a.txt"
    held.parent.mkdir(parents=True)
    held.write_bytes(GOOD)
    assert fetch("a.txt", entry(server + "/good"), tmp_path / "mirror", tmp_path / "raw") == held
    assert not Handler.asked and not (tmp_path / "raw").exists()


@pytest.mark.parametrize(
    ("body", "words"), [(GOOD[:7], "cut short"), (b"<html>", "html page"), (GOOD + b"!", "another file")]
)
def test_a_wrong_mirror_file_is_refused_not_passed_over(tmp_path: Path, server: str, body: bytes, words: str) -> None:
    held = tmp_path / "mirror/set/a.txt"
    held.parent.mkdir(parents=True)
    held.write_bytes(body)
    with pytest.raises(UserError, match=words) as caught:
        fetch("a.txt", entry(server + "/good"), tmp_path / "mirror", tmp_path / "raw")
    message = str(caught.value)
    assert "\n" not in message and str(held) in message
    assert hashlib.sha256(GOOD).hexdigest() in message and hashlib.sha256(body).hexdigest() in message


def test_download_goes_through_the_addresses_and_is_cached(tmp_path: Path, server: str) -> None:
    (tmp_path / "mirror").mkdir()
    wanted = entry(server + "/none", server + "/page", server + "/good")
    path = fetch("a.txt", wanted, tmp_path / "mirror", tmp_path / "raw")
    assert path == tmp_path / "raw/set/a.txt" and path.read_bytes() == GOOD
    assert Handler.asked[0] == "/none" and Handler.asked.count("/none") == 1 and Handler.asked[-1] == "/good"
    Handler.asked.clear()
    assert fetch("a.txt", wanted, None, tmp_path / "raw") == path and not Handler.asked
    assert files_below(tmp_path / "raw") == [path]


def test_a_damaged_cache_is_downloaded_again(tmp_path: Path, server: str) -> None:
    path = fetch("a.txt", entry(server + "/good"), None, tmp_path / "raw")
    path.write_bytes(b"damaged")
    assert fetch("a.txt", entry(server + "/good"), None, tmp_path / "raw").read_bytes() == GOOD


def test_a_busy_server_is_tried_again(tmp_path: Path, server: str) -> None:
    assert fetch("a.txt", entry(server + "/busy"), None, tmp_path / "raw").read_bytes() == GOOD
    assert Handler.asked == ["/busy", "/busy"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [("/short", "cut short"), ("/page", "html page"), ("/other", "another file"), ("/none", "answered 404")],
)
def test_wrong_downloads_are_one_line_and_nothing_is_kept(tmp_path: Path, server: str, answer: str, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        fetch("a.txt", entry(server + answer), None, tmp_path / "raw")
    message = str(caught.value)
    assert "\n" not in message and server + answer in message and "LNF_DATA_MIRROR" in message
    assert "a.txt" in message and hashlib.sha256(GOOD).hexdigest() in message
    assert not files_below(tmp_path / "raw")


def test_no_network_names_what_was_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(fetching, "PAUSE_SECONDS", 0.01)
    with pytest.raises(UserError, match=r"127\.0\.0\.1:1/a: failed \(ConnectionError\).*LNF_DATA_MIRROR"):
        fetch("a.txt", entry("http://127.0.0.1:1/a"), None, tmp_path / "raw")
    assert not files_below(tmp_path)

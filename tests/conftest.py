"""Settings of all tests: LNF_NO_SKIP=1 turns a skip into a failure; neither a user's cluster nor signals that a shell
ignores for what it starts in the background are inherited. Shared fixtures."""

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from lnf.plan import code_digests
from tests.finished_project import copied, finished, undisturbed, untrained

__all__ = ["copied", "finished", "undisturbed", "untrained"]


def pytest_configure() -> None:
    """What tests start must hear Ctrl-C, even if the tests themselves were started by nohup or a shell's &; processes
    that share out the tests take a thread each, before PyTorch is imported."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


def pytest_collection_finish() -> None:
    """What is imported by now stays: a fifth of the suite's time would go into looking for garbage among it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.CallInfo[None], None]:
    outcome = yield
    report: pytest.TestReport = outcome.get_result()  # type: ignore[attr-defined]
    if report.skipped and os.environ.get("LNF_NO_SKIP"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: skipped although LNF_NO_SKIP is set: {report.longrepr}"


@pytest.fixture(autouse=True)
def _slow_programs_are_marked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A unit test starts no other Python: that alone takes seconds, most of them for its imports."""
    if any(map(request.node.get_closest_marker, ("e2e", "processes", "browser"))):
        return
    start = subprocess.Popen.__init__

    def refuse(process: Any, command: Any, *more: Any, **settings: Any) -> None:
        assert sys.executable not in command, "mark the test `processes`, for it starts another Python"
        start(process, command, *more, **settings)

    monkeypatch.setattr(subprocess.Popen, "__init__", refuse)


@pytest.fixture(autouse=True)
def _no_inherited_services(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_ADDRESS", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _users_modules_are_read_again() -> Iterator[None]:
    """A process reads sources once; a test may write modules that an earlier one did not have, or had otherwise."""
    yield
    sources = code_digests.sources()
    own = {"lnf", "beyond", *sys.stdlib_module_names}
    places = {top: sources.locate(top) for top in {name.partition(".")[0] for name in sources.known} - own}
    mine = {top for top, path in places.items() if path is None or not set(path.parts) & set(code_digests.INSTALLED)}
    sources.forget(lambda name: name.partition(".")[0] in mine)

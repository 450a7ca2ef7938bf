"""What some machines lack is done without, or by another means: locks, the flushing of folders, names, a home."""

import errno
import fcntl
import getpass
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lnf.app import command_line
from lnf.errors import UserError
from lnf.plan.config import ROOT
from lnf.system import files, locks
from lnf.tracking.run_files import user


def refusing(number: int, when: Callable[..., bool] = lambda *_: True) -> Callable[..., Any]:
    def call(*arguments: Any) -> None:
        if when(*arguments):
            raise OSError(number, os.strerror(number))

    return call


HOLD = """
import sys, time, fcntl, errno
from pathlib import Path
from lnf.system import locks
def no(*_): raise OSError(errno.ENOSYS, "no locks")
fcntl.flock = no
with locks.locked(Path(sys.argv[1]), 1.0, "test"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def _no_flock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", refusing(errno.ENOSYS))


@pytest.mark.usefixtures("_no_flock")
def test_a_file_system_without_locks_still_has_one_writer(tmp_path: Path) -> None:
    path, inside = tmp_path / "state" / "lock", []

    def write() -> None:
        with locks.locked(path, 20.0, "test"):
            inside.append("in")
            assert inside.count("in") - inside.count("out") == 1
            inside.append("out")

    writers = [threading.Thread(target=write) for _ in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert inside == ["in", "out"] * 8 and list(path.parent.iterdir()) == [path]


@pytest.mark.processes
@pytest.mark.usefixtures("_no_flock")
def test_a_lock_of_a_process_that_was_killed_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    command = [sys.executable, "-c", HOLD, str(path)]
    holder = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    with pytest.raises(UserError, match=rf"test: process {holder.pid} holds {path}; wait for it"):
        locks.locked(path, 0.0, "test").__enter__()
    holder.kill()
    holder.wait()
    with locks.locked(path, 5.0, "test"):
        pass


@pytest.mark.usefixtures("_no_flock")
def test_a_lock_of_another_host_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    there = "1:1 elsewhere boot pid:[1]"
    (tmp_path / f"lock{locks.HOLDER}").write_text(there, encoding="utf-8")
    path.write_text(there, encoding="utf-8")
    with pytest.raises(UserError, match="process 1 on elsewhere holds"):
        locks.locked(path, 0.0, "test").__enter__()


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_folders_that_cannot_be_flushed_are_not(tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    real = files._flush
    monkeypatch.setattr(files, "_flush", lambda path: refusing(number)() if path.is_dir() else real(path))
    files.write_json(tmp_path / "a.json", {"a": 1})
    assert files.read_json(tmp_path / "a.json") == {"a": 1}


def test_a_folder_of_a_disk_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = files._flush
    monkeypatch.setattr(files, "_flush", lambda path: refusing(errno.EIO)() if path.is_dir() else real(path))
    with pytest.raises(OSError, match="Input/output"):
        files.write_json(tmp_path / "a.json", {"a": 1})


@pytest.mark.parametrize("problem", [KeyError("uid not found"), OSError("no username")])
def test_a_user_id_without_a_name_has_no_tag(problem: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise problem

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert user() == {}


def test_a_home_that_cannot_be_written_to_has_its_caches_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in command_line.CACHE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert command_line.move_caches() is None and "MPLCONFIGDIR" not in os.environ
    monkeypatch.setenv("HOME", "/dev/null/home")
    assert command_line.move_caches() == "/dev/null/home/.cache cannot be written to; caches go to .lnf/cache"
    assert os.environ["XDG_CACHE_HOME"].startswith(str(tmp_path / ".lnf" / "cache"))
    assert command_line.move_caches() is None  # those that are started from here find theirs


def test_an_environments_variables_are_none_of_makes(tmp_path: Path) -> None:
    """CONFIG and NAME are names that an environment may have for reasons of its own."""
    foreign = {"CONFIG": "other.yaml", "NAME": "other", "CORES": "99", "JSON": "x", "PYTHON": "other"}
    asked = ["make", "-n", "-o", ".venv/ready", "run", "remove", "bench"]
    environment = {**os.environ, **foreign}
    said = subprocess.run(asked, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    assert "other" not in said and "99" not in said and "--json" not in said
    asked = ["make", "-n", "-o", ".venv/ready", "run", "CONFIG=mine.yaml", "CORES=3"]
    said = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "--configfile mine.yaml --cores 3" in said

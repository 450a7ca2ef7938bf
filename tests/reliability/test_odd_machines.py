"""Odd machines: folders that are links or files, disks that are full, folders that cannot be written to."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lnf.app.launcher import ALWAYS
from tests.patience import LIMIT_S, finish
from tests.pipeline import Project
from tests.reliability.case import Case, acting

KIND = "Odd machines"
NOTHING = "nothing"
SMALL_DISK = 2 * ALWAYS


def a_file_named_lnf(folder: Path) -> None:
    (folder / ".lnf").touch()


def dangling_results(folder: Path) -> None:
    (folder / "results").symlink_to("/nowhere/results")


def results_a_file(folder: Path) -> None:
    (folder / "results").touch()


def editors_files(folder: Path) -> None:
    """A lock link as Emacs leaves it, and what macOS keeps next to a file: no variants. The configuration is refused
    for another reason, so that no job begins.
    """
    (folder / "rules" / "priors" / ".#af_af.smk").symlink_to("someone@host.1:2")
    (folder / "rules" / "priors" / "._af_af.smk").write_bytes(b"\x00\x05\x16\x07\xff")
    with (folder / "overlay.yaml").open("a", encoding="utf-8") as stream:
        stream.write("\nnot_a_key: 1\n")


REFUSED = [
    Case(
        ".lnf is a file",
        ".lnf: is a regular file, and .lnf must be a folder; move the file away",
        NOTHING,
        a_file_named_lnf,
    ),
    Case(
        "results is a link to what is not there",
        "results: is a link to /nowhere/results, which is not there; make that, or remove the link",
        NOTHING,
        dangling_results,
    ),
    Case(
        "results is a file",
        "results: is a regular file, and results/tiny/markov/lstm/0/… must be a folder; move the file away",
        NOTHING,
        results_a_file,
    ),
    Case(
        "an editor's lock link or a `._` file in rules/priors",
        "config: not_a_key: unknown key; …",
        "nothing: such files are no variants (here the run ends for another reason)",
        editors_files,
    ),
]
FULL = Case(
    "a disk without room when the workflow begins",
    "disk: …: about … GB needed, … GB free; free some space, or work on another disk",
    NOTHING,
    proved="tests/reliability/test_odd_machines.py::test_a_full_disk_is_told_in_a_line_a_run",
)
FILLED = Case(
    "a disk that others fill while runs train",
    "results/…: no space left on device; free some space, and give the same command again",
    "what was not written; the last state on disk counts, and the same command goes on to the same bytes",
    proved="tests/reliability/test_odd_machines.py::test_a_full_disk_is_told_in_a_line_a_run",
)
READ_ONLY = Case(
    "a folder that cannot be written to",
    "…: cannot be written to; allow it, or work in another folder",
    NOTHING,
    proved="tests/reliability/test_odd_machines.py::test_a_folder_that_cannot_be_written_to",
)
ELSEWHERE = [
    Case(
        "data/CORPUS and results/NAME are links to other places",
        "tiny: 2 runs: 2 ok",
        "nothing: the links are followed, and removed with what they lead to",
        proved="tests/reliability/test_odd_machines.py::test_links_are_followed",
    ),
    Case(
        "a locale without UTF-8 (LC_ALL=C, ISO-8859-1)",
        "",
        "nothing: every text is read and written as UTF-8",
        proved="tests/test_encodings.py::test_a_machine_without_utf_8_plans_and_shows",
    ),
    Case(
        "a umask",
        "",
        "nothing: results have the user's own mode; only Ray's token is the user's alone",
        proved="tests/end_to_end/test_pipeline.py::test_what_workers_write_is_as_open_as_the_users_own_files",
    ),
]
OTHERS = "tests/system/test_other_machines.py::test_"
WITHOUT = [
    Case(
        "a file system without locks (flock: ENOSYS)",
        "",
        "nothing: a file that only one process can create is the lock",
        proved=f"{OTHERS}a_file_system_without_locks_still_has_one_writer",
    ),
    Case(
        "a process that is killed while it holds such a lock",
        "",
        "nothing: the next one on the same host takes it over",
        proved=f"{OTHERS}a_lock_of_a_process_that_was_killed_is_taken_over",
    ),
    Case(
        "a file system that flushes no folders (fsync: EINVAL)",
        "",
        "nothing: files are flushed, folders are not",
        proved=f"{OTHERS}folders_that_cannot_be_flushed_are_not",
    ),
    Case(
        "a user id without a name",
        "",
        "nothing: MLflow is given no user",
        proved=f"{OTHERS}a_user_id_without_a_name_has_no_tag",
    ),
    Case(
        "a home that cannot be written to",
        "…/.cache cannot be written to; caches go to .lnf/cache",
        NOTHING,
        proved="tests/reliability/test_odd_machines.py::test_a_workflow_needs_no_home",
    ),
    Case(
        "an environment with variables named CONFIG, NAME or CORES",
        "",
        "nothing: make takes them from its command line only",
        proved=f"{OTHERS}an_environments_variables_are_none_of_makes",
    ),
    Case(
        "a user's matplotlibrc",
        "",
        "nothing: figures have the same bytes",
        proved="tests/report/figures/test_figures.py::test_a_users_matplotlibrc_changes_no_figure",
    ),
    Case(
        "a corpus with one sequence a split",
        "",
        "nothing: what one sequence cannot tell is left out",
        proved="tests/runs/test_one_sequence.py::test_one_sequence_a_split_is_enough",
    ),
]
ROWS = [*REFUSED, FULL, FILLED, READ_ONLY, *ELSEWHERE, *WITHOUT]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project in which nothing was ever run."""
    project = Project(tmp_path / "project")
    project.overlay()
    yield project
    project.close()


@pytest.mark.processes
@pytest.mark.parametrize(**acting(REFUSED))
def test_it_is_refused_before_any_work(project: Project, case: Case) -> None:
    assert case.act is not None
    case.act(project.folder)
    status, out = project.run("lnf", "run", "--configfile", "overlay.yaml")
    assert status == 1 and len(out.splitlines()) == 1
    case.assert_seen(out)
    assert not (project.folder / "data").exists() and not (project.folder / ".snakemake" / "locks").exists()


def in_a_room_of_its_own(words: list[str], mount: str, project: Project) -> subprocess.CompletedProcess[str]:
    """Run a shell line that mounts, and then words, with mounts that nobody else sees."""
    assert shutil.which("unshare"), "unshare (util-linux) is needed"
    line = f'{mount} && exec "$@"'
    return subprocess.run(
        ["unshare", "--map-root-user", "--mount", "bash", "-c", line, "bash", *words],
        cwd=project.folder, env=project.environment, capture_output=True, encoding="utf-8", check=False,
        timeout=LIMIT_S,
    )  # fmt: skip


@pytest.mark.processes
def test_a_folder_that_cannot_be_written_to(project: Project) -> None:
    here = str(project.folder)
    mount = f"mount --bind '{here}' '{here}' && mount -o remount,bind,ro '{here}' && cd '{here}'"
    done = in_a_room_of_its_own([sys.executable, "-m", "lnf", "run", "--configfile", "overlay.yaml"], mount, project)
    assert done.returncode == 1, done.stderr
    READ_ONLY.assert_seen(done.stdout + done.stderr)
    assert len((done.stdout + done.stderr).splitlines()) == 1


FILLING = """
import contextlib, subprocess, sys, time
from pathlib import Path

import psutil

def fill():
    with open("filler", "wb", buffering=0) as stream:
        for size in (1 << 20, 1 << 10):
            try:
                while stream.write(bytes(size)) == size:
                    pass
            except OSError:
                pass

@contextlib.contextmanager
def paused():
    # The process that trains here waits meanwhile: it must not be done before the disk is full.
    workers = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.cmdline()[1:4] == ["-m", "lnf", "train"] and Path(process.cwd()) == Path.cwd():
                process.suspend()
                workers.append(process)
    assert workers, "no worker was found"
    try:
        yield
    finally:
        for process in workers:
            process.resume()

run = [sys.executable, "-m", "lnf", "run", "--configfile", "overlay.yaml", "--cores", "2"]
fill()
print("== full", flush=True)
print(subprocess.run(run).returncode, flush=True)
Path("filler").unlink()
print("== filled", flush=True)
process = subprocess.Popen(run)
while process.poll() is None and not list(Path("results").glob("tiny/markov/af_scf/0/*/state/epoch.pt")):
    time.sleep(0.01)
with paused():
    fill()
print(process.wait(), flush=True)
Path("filler").unlink()
print("== room", flush=True)
print(subprocess.run(run).returncode, flush=True)
"""


@pytest.mark.e2e
def test_a_full_disk_is_told_in_a_line_a_run(finished: Project, project: Project, tmp_path: Path) -> None:
    """On a small disk: full at first, then filled while it trains, then with room again."""
    disk = tmp_path / "disk"
    disk.mkdir()
    kept = tmp_path / "kept"
    (tmp_path / "filling.py").write_text(FILLING, encoding="utf-8")
    project.overlay(select__priors=["af_scf"])
    mount = (
        f"mount -t tmpfs -o size={SMALL_DISK:.0f} tmpfs '{disk}' && cp -r '{project.folder}/.' '{disk}' && cd '{disk}'"
        f" && export PYTHONPATH='{disk}' && '{sys.executable}' '{tmp_path}/filling.py'; cp -r results '{kept}'; true"
    )
    done = in_a_room_of_its_own(["true"], mount, project)
    out = done.stdout + done.stderr
    assert out.count("== ") == 3, out
    full, filled, room = done.stdout.split("== ")[1:]
    assert full.split()[-1] == "1" and filled.split()[-1] == "1" and room.split()[-1] == "0", out
    FULL.assert_seen(out)
    FILLED.assert_seen(out)
    assert len(out.splitlines()) < 60
    (model,) = kept.glob("tiny/markov/af_scf/0/*/history.parquet")
    assert model.read_bytes() == finished.result("af_scf", "history.parquet").read_bytes()


@pytest.mark.e2e
def test_a_workflow_needs_no_home(project: Project) -> None:
    project.environment |= dict.fromkeys(("HOME", "XDG_CACHE_HOME"), "/dev/null/.cache")
    out = finish(project.workflow(select__priors=["lstm"]))
    next(case for case in WITHOUT if "home" in case.what).assert_seen(out)
    assert "lnf: tiny: 1 runs: 1 ok" in out


@pytest.mark.e2e
def test_links_are_followed(copied: Project, tmp_path: Path) -> None:
    """Folders on another disk, say; cleaning removes what they lead to, and nothing else."""
    for place in ("results/tiny", "data/markov"):
        elsewhere = tmp_path / "elsewhere" / place
        elsewhere.parent.mkdir(parents=True)
        (copied.folder / place).rename(elsewhere)
        (copied.folder / place).symlink_to(elsewhere)
    (tmp_path / "elsewhere" / "mine").touch()
    out = finish(copied.without("ray", "mlflow").workflow(overrides__all__evaluate={"samples": 6}))
    ELSEWHERE[0].assert_seen(out)
    status, out = copied.run("lnf", "remove", "tiny", "--yes")
    assert status == 0, out
    assert not (tmp_path / "elsewhere" / "results" / "tiny").exists()
    assert not (copied.folder / "results" / "tiny").is_symlink() and (tmp_path / "elsewhere" / "mine").exists()

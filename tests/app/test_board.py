"""The table of a workflow: states of runs, time left, failures; in a terminal and elsewhere."""

import io
import os
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from lnf.app.board import AT_WORK, DONE, FAILED, WAITING, Board, Display, Observed, Watched
from lnf.app.status import show
from lnf.app.workflow import Workflow
from lnf.plan import config
from lnf.plan.jobs import Job
from lnf.plan.results import Plan
from lnf.system.files import read_json, write_json
from tests.patience import wait_for

SELECTED = {"corpora": ["markov"], "priors": ["lstm", "af_scf"], "seeds": [0, 1]}


@pytest.fixture
def flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workflow:
    """A workflow of four runs, as its jobs' Snakemake reads it."""
    monkeypatch.chdir(tmp_path)
    planned = Workflow.of_plan(Plan(config.load(config.merge(config.read([]), {"select": SELECTED, "name": "tiny"}))))
    return Workflow("tiny", planned.root, [Job.from_outline(job.outline) for job in planned.jobs], [])


@pytest.fixture
def board(flow: Workflow) -> Board:
    return Board(flow)


def step(board: Board, stage: str, prior: str = "lstm", seed: int = 0) -> Watched:
    """A job of a run."""
    (found,) = [
        watched
        for watched in board.jobs.values()
        if watched.job.stage.name == stage
        and watched.job.wildcards.get("prior") == prior
        and watched.job.wildcards.get("seed", "0") == str(seed)
    ]
    return found


def begin(board: Board, watched: Watched, fraction: float = 0.1, seconds: float = 0.0) -> None:
    """A job that was submitted writes to its log, and then tells of its progress twice."""
    watched.submitted()
    watched.log.parent.mkdir(parents=True, exist_ok=True)
    watched.log.write_text("", encoding="utf-8")
    for part in (0.0, fraction):
        write_json(watched.job.folder / "state" / "progress.json", {"message": f"at {part}", "fraction": part})
        board.look()
        time.sleep(seconds)


def finish(watched: Watched, **facts: Any) -> None:
    """A job makes its files."""
    for file in watched.job.files:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, facts)
    watched.succeeded()


def test_a_run_waits_trains_waits_for_its_evaluation_and_is_done(board: Board) -> None:
    row = board.rows[0]
    assert [row.name for row in board.rows] == [f"markov/{p}/{s}" for p in ("lstm", "af_scf") for s in (0, 1)]
    train, evaluate = step(board, "train"), step(board, "evaluate")
    assert row.steps == [train, evaluate] and row.state == WAITING
    train.submitted()
    board.look()
    assert row.state == WAITING, "Ray has no room for it yet"
    begin(board, train)
    assert row.state == AT_WORK and board.at_work()[0].startswith("markov/lstm/0 at 0.1")
    finish(train, wall_seconds=10.0)
    assert row.state == WAITING
    begin(board, evaluate)
    assert row.state == AT_WORK
    finish(evaluate)
    assert row.state == DONE and board.summary().startswith("1 of 4 runs done (3 waiting)")


def test_a_log_of_an_earlier_workflow_is_no_sign_of_work(board: Board) -> None:
    train = step(board, "train")
    train.log.parent.mkdir(parents=True)
    train.log.write_text("lnf: of yesterday\n", encoding="utf-8")
    train.submitted()
    board.look()
    assert train.state == WAITING
    (line,) = train.failed("no node can hold it\nFor further error details see ...")
    assert line.startswith("lnf: train markov/lstm/0 failed: no node can hold it; the rest goes on; its log is logs/")
    assert board.rows[0].state == FAILED
    note = read_json(train.job.folder / "state" / "error.json")
    assert note == {"error": "Failed", "message": "no node can hold it"}


def test_what_a_job_said_last_is_told_and_its_own_note_is_kept(board: Board) -> None:
    train = step(board, "train")
    begin(board, train)
    train.log.write_text("epoch 1\nlnf: train: too large; a remedy\n", encoding="utf-8")
    write_json(train.job.folder / "state" / "error.json", {"error": "UserError", "message": "its own"})
    said, told = train.failed("exit status 1")
    assert said == "lnf: train: too large; a remedy"
    assert told == f"lnf: train markov/lstm/0 failed; the rest goes on; its log is {train.log}"
    assert read_json(train.job.folder / "state" / "error.json")["message"] == "its own"


def test_time_left_counts_runs_that_wait_and_what_runs_at_once(board: Board) -> None:
    assert board.seconds_left() is None
    finish(step(board, "train"), wall_seconds=100.0)
    finish(step(board, "evaluate"))
    assert board.seconds_left() == pytest.approx(300.0), "three more, one at a time, each as long"
    finish(step(board, "train", "af_scf"), wall_seconds=1000.0)
    finish(step(board, "evaluate", "af_scf"))
    assert board.seconds_left() == pytest.approx(1100.0), "each as long as others of its prior"
    begin(board, step(board, "train", "lstm", 1), 0.5, 0.05)
    begin(board, step(board, "train", "af_scf", 1), 0.5, 0.05)
    paces = [row.step.progress.seconds_left for row in board.rows if row.state == AT_WORK and row.step.progress]
    told = [pace for pace in paces if pace]
    assert len(told) == 2 and board.seconds_left() == pytest.approx(max(told)), "they run at the same time"
    assert "about" in board.summary() and "2 of 4 runs done (2 at work)" in board.summary()


def test_a_table_shows_failures_and_work_first_and_all_where_there_is_room(board: Board) -> None:
    begin(board, step(board, "train", "af_scf", 1))
    step(board, "train", "lstm", 1).failed("exit status 1")

    def names(height: int) -> list[str]:
        console = Console(file=io.StringIO(), width=100)
        console.print(board.table(height))
        return [line.split()[0] for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]

    assert names(40) == [row.name for row in board.rows]
    assert names(2) == ["markov/lstm/1", "markov/af_scf/1"] and names(-3) == ["markov/lstm/1"]


def test_a_job_is_known_by_its_log_whichever_rule_does_it(board: Board) -> None:
    train = step(board, "train")
    assert board.watched([str(train.log), ".snakemake/ray_logs/x.log"]) is train
    assert board.watched([]) is None and board.watched(["logs/mine.log"]) is None


def test_other_jobs_at_work_are_named(board: Board) -> None:
    check = next(watched for watched in board.jobs.values() if watched.job.stage.name == "check")
    check.submitted()
    check.log.parent.mkdir(parents=True)
    check.log.write_text("", encoding="utf-8")
    board.look()
    assert f"also check {check.job.wildcards['prior']}" in board.summary()


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_gets_a_table_that_is_redrawn_and_a_file_gets_lines(
    board: Board, terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lnf.app.board.LOOK_S", 0.01)
    monkeypatch.setattr("lnf.app.board.FIRST_S", 0.0)
    monkeypatch.setattr("lnf.app.board.EVERY_S", 3600.0)
    written = io.StringIO()
    shown = Display(Console(file=written, force_terminal=terminal, width=100, height=20, soft_wrap=True))
    shown.show(board)
    begin(board, step(board, "train"))
    shown.say("lnf: said meanwhile")
    wait_for(lambda: "0 of 4 runs done (1 at work, 3 waiting)" in written.getvalue())
    shown.close()
    assert "lnf: said meanwhile" in written.getvalue() and "markov/lstm/0 " in written.getvalue()
    assert ("\x1b[" in written.getvalue()) == terminal
    if not terminal:
        summaries = [line for line in written.getvalue().splitlines() if "runs done" in line]
        assert len(summaries) == 1, "not one a look"


def test_a_workflow_that_runs_elsewhere_is_seen_by_its_files(flow: Workflow) -> None:
    board = Board(flow, Observed)
    train, evaluate = step(board, "train"), step(board, "evaluate")
    row, other = board.rows[:2]
    board.look()
    assert {one.state for one in board.rows} == {WAITING}
    progress = train.job.folder / "state" / "progress.json"
    write_json(progress, {"message": "epoch 1/3", "fraction": 0.25})
    board.look()
    assert row.state == AT_WORK and board.at_work() == ["markov/lstm/0 epoch 1/3"] and other.state == WAITING
    os.utime(progress, (time.time() - 120, time.time() - 120))
    board.look()
    assert row.state == WAITING, "whoever wrote it is gone"
    write_json(train.job.folder / "state" / "error.json", {"error": "Failed", "message": "no"})
    board.look()
    assert row.state == FAILED
    for watched in (train, evaluate):
        for file in watched.job.files:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_json(file, {"wall_seconds": 10.0})
    board.look()
    assert row.state == DONE and board.summary().startswith("1 of 4 runs done (3 waiting)")


def test_where_there_is_no_terminal_the_state_is_printed_once(
    flow: Workflow, capsys: pytest.CaptureFixture[str]
) -> None:
    show(Plan(config.load(config.merge(config.read([]), {"select": SELECTED, "name": "tiny"}))))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[:-1]] == [
        [f"markov/{p}/{s}", WAITING] for p in ("lstm", "af_scf") for s in (0, 1)
    ]
    assert lines[-1] == "lnf: tiny: 0 of 4 runs done (4 waiting)"

"""`make demo` and `make run`: one workflow per folder, its plan in one line, its tables whatever happens."""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lnf.app import workflow_lock
from lnf.app.workflow import Workflow
from lnf.errors import UserError
from lnf.plan import config, form
from lnf.plan.needs import model_bytes
from lnf.plan.results import Plan
from lnf.spec import Spec
from lnf.system.files import damaged_name, sentence
from lnf.system.locks import Lock
from lnf.system.processes import process_identity
from lnf.system.signals import LIMIT_S, Asked, stopping
from lnf.tracking import follow

SHOW_CURSOR = "\x1b[?25h"
COPIES = 16
"""Of a model's numbers that a run in flight holds: weights, two moments, the best weights, in four states."""
AT_ONCE = 4
"""Runs in flight."""
ALWAYS = 5e7
"""Bytes for logs, tables, figures and Ray's own files."""
MIRROR_WAIT_S = 20.0
ROUNDS = 3  # of a workflow whose jobs find damaged files


@dataclass(frozen=True)
class Ended:
    """How a workflow ended: its status (128 + n for signal n), and its identity."""

    status: int
    identity: str


def run(configfiles: Sequence[Path], cores: str) -> None:
    """Run the workflow of a configuration to its end. Leaves the process with Snakemake's status if that is not 0.

    Raises UserError if the configuration is wrong, the disk too full, or another workflow alive in this folder.
    """
    plan = Plan(config.load(config.read(configfiles)))
    command = snakemake(configfiles, cores)
    flow = Workflow.of_plan(plan)
    form.check_paths(flow.folders)
    require_room([], 0)
    with workflow_lock.held() as lock:
        workflow_lock.unlock(lock, command)
        if all(Path(file).exists() for file in flow.files):
            print(f"lnf: {plan.name}: nothing to be done; the report is {plan.out / 'report.html'}")
            return
        to_train, to_evaluate = (sum(not job.done for job in jobs.values()) for jobs in (plan.trained, plan.evaluated))
        disk = require_room([run.spec for run in plan.runs], to_train)
        print(f"lnf: {plan.name}: {to_train} runs to train, {to_evaluate} to evaluate; {disk}", flush=True)
        ended = _to_its_end(plan, command, lock)
        if ended.status > 128:
            _interrupted(ended)
        if ended.status != 0:
            _views_of_what_exists(plan)
        _tell(flow, ended, configfiles)
        if ended.status != 0:
            sys.exit(ended.status)


def _to_its_end(plan: Plan, command: Sequence[str], lock: Lock) -> Ended:
    """Run Snakemake, and again while its jobs find files damaged that were taken for whole."""
    for _ in range(ROUNDS):
        there = [path for job in plan.jobs for path in job.files if path.exists()]
        ended = attend(command, lock)
        damaged = [path for path in there if not path.exists() and damaged_name(path).exists()]
        if ended.status == 0 or ended.status > 128 or not damaged:
            break
        print(f"lnf: damaged files set aside: {len(damaged)}; making them again", flush=True)
    return ended


def _interrupted(ended: Ended) -> None:
    """Leave. What mirrors to MLflow is ended too: the next workflow makes good what it left."""
    follow.stop(ended.identity)
    print("lnf: interrupted; the same command goes on where it stopped", flush=True)
    sys.exit(ended.status)


def _views_of_what_exists(plan: Plan) -> None:
    from lnf.report.existing import write_existing

    try:
        write_existing(plan)
    except (UserError, OSError) as problem:  # Snakemake's own failure is what the user must see
        said = sentence(problem) if isinstance(problem, OSError) else None
        print(f"lnf: no report: {said or problem}", file=sys.stderr, flush=True)


def _tell(flow: Workflow, ended: Ended, configfiles: Sequence[Path]) -> None:
    """The last lines: the status of the runs, where the report is, what MLflow lacks, what to type next."""
    show = "make ui" if flow.mirrored else f"lnf sync {flow.name}, then make ui"
    flow.tell()
    follow.wait(ended.identity, MIRROR_WAIT_S)
    if left := follow.left(ended.identity):
        print(f"lnf: MLflow lacks {left} runs or reports so far (see {follow.LOG}); the next workflow here makes good"
              f" what is left, or type: lnf sync {flow.name}")  # fmt: skip
    print(f"lnf: next: {again(configfiles) if ended.status else f'{show} (every run, with its curves)'}", flush=True)


def again(configfiles: Sequence[Path]) -> str:
    """The command that goes on with a workflow."""
    if len(configfiles) > 1:
        return shlex.join(["lnf", "run", "--configfile", *map(str, configfiles)])
    return shlex.join(["make", "run", *(f"CONFIG={path}" for path in configfiles)])


def require_room(specs: Sequence[Spec], runs: int) -> str:
    """How much `runs` of the specs need and how much is free, in words. Raises UserError if it is not there."""
    largest = max((model_bytes(spec) for spec in specs), default=0)
    needed = ALWAYS + (largest * (runs + COPIES * min(runs, AT_ONCE)) if runs else 0)
    free = shutil.disk_usage(".").free
    words = f"about {needed / 1e9:.1f} GB needed, {free / 1e9:.1f} GB free"
    if free < needed:
        raise UserError(f"disk: {Path.cwd()}: {words}; free some space, or work on another disk")
    scratch = Path(tempfile.gettempdir())
    if shutil.disk_usage(scratch).free < ALWAYS:
        raise UserError(f"disk: {scratch}: less than {ALWAYS / 1e9:.2f} GB free, which Ray needs; set TMPDIR")
    return f"disk: {words}"


def snakemake(configfiles: Sequence[Path], cores: str) -> list[str]:
    """The command line of the workflow."""
    overlays = ["--configfile", *map(str, configfiles)] if configfiles else []
    return [sys.executable, "-m", "snakemake", "--cores", cores, *overlays]


def attend(command: Sequence[str], lock: Lock) -> Ended:
    """Run Snakemake, which holds the lock of this folder too, and wait for it.

    Asked to stop, it and its jobs get SIGINT once, as by Ctrl-C, and killed after LIMIT_S; asked twice, at once.
    """
    process: subprocess.Popen[bytes] | None = None

    def ask() -> None:
        _say(f"lnf: stopping: each run leaves its state at its next step ({LIMIT_S:.0f} s at most); once more: at once")
        _signal(process, signal.SIGINT)
        timer = threading.Timer(LIMIT_S, _signal, (process, signal.SIGKILL))
        timer.daemon = True
        timer.start()

    with stopping(ask, lambda: _signal(process, signal.SIGKILL)) as asked:
        variables, descriptors = workflow_lock.handed(lock)
        process = subprocess.Popen(
            command, env={**os.environ, **variables}, pass_fds=descriptors, process_group=0, preexec_fn=_listen
        )
        if asked:  # before there was a process to signal
            _signal(process, signal.SIGINT)
        try:
            identity = process_identity(process.pid)
            lock.hand_to(process.pid)
            return Ended(_status(process, asked), identity)
        finally:
            if process.poll() is None:  # nothing is left behind, whatever went wrong here
                _signal(process, signal.SIGKILL)
                process.wait()


def _listen() -> None:
    """A shell that starts us in the background has us ignore Ctrl-C; the child must not inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _status(process: "subprocess.Popen[bytes]", asked: Asked) -> int:
    status = process.wait()
    if sys.stderr.isatty():
        _say(SHOW_CURSOR, end="")  # a table that was killed has left it hidden
    if status != 0 and asked:
        return asked.status
    return 128 - status if status < 0 else status


def _signal(process: "subprocess.Popen[bytes] | None", number: int) -> None:
    """Send a signal to a process' group, if there is one."""
    if process is not None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)


def _say(line: str, end: str = "\n") -> None:
    with contextlib.suppress(OSError):  # the terminal may be gone, which is why we are asked to stop
        print(line, end=end, file=sys.stderr, flush=True)

"""`make demo` and `make run`: one workflow per folder, its plan in one line, its tables whatever happens.

Snakemake runs as a child in the same terminal. Which process it is stands in `.lnf/workflow.json`, so that a lock left
by a killed workflow can be told from that of a living one.
"""

import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import psutil

from lnf.app.snakemake_output import QUIET, retell
from lnf.errors import UserError
from lnf.plan import config
from lnf.plan.results import Plan
from lnf.plan.run import Run
from lnf.spec import Spec
from lnf.system.files import read_json, write_json
from lnf.system.processes import alive, process_identity
from lnf.tracking import mirror

RECORD = Path(".lnf", "workflow.json")
LOCKS = Path(".snakemake", "locks")
MIRROR_WAIT_S = 20.0
LAST_WORDS_S = 2.0  # jobs hold Snakemake's stderr too, and may outlive it if it was killed
COPIES = 8  # of a model's numbers that a run in flight holds on disk: weights, two moments, the best, twice


def run(configfiles: Sequence[Path], cores: str) -> None:
    """Run the workflow of a configuration to its end. Leaves the process with Snakemake's status if that is not 0.

    Raises UserError if the configuration is wrong or another workflow is alive in this folder.
    """
    plan = Plan(config.load(config.read(configfiles)))
    command = snakemake(configfiles, cores)
    require_alone(command)
    jobs = planned(command)
    if jobs is None:
        print(f"lnf: {plan.name}: nothing to be done; the report is {plan.out / 'report.html'}")
        return
    to_train, to_evaluate = jobs
    disk = _disk([run.spec for run in plan.runs], to_train)
    print(f"lnf: {plan.name}: {to_train} runs to train, {to_evaluate} to evaluate; {disk}", flush=True)
    status, identity = attend(command)
    if status > 128:
        print("lnf: interrupted; the same command goes on where it stopped", flush=True)
        sys.exit(status)
    if status != 0:
        _views_of_what_exists(plan)
    _tell(plan, identity, configfiles, status)
    if status != 0:
        sys.exit(status)


def snakemake(configfiles: Sequence[Path], cores: str) -> list[str]:
    """The command line of the workflow."""
    overlays = ["--configfile", *map(str, configfiles)] if configfiles else []
    return [sys.executable, "-m", "snakemake", "--cores", cores, *overlays]


def require_alone(command: Sequence[str]) -> None:
    """Refuse (UserError) if a workflow is alive in this folder; remove the lock that a dead one left."""
    record = require_no_workflow()
    if not any(LOCKS.glob("*")):
        return
    if record is None or record["host"] != socket.gethostname():
        raise UserError(
            f"{Path.cwd()} is locked by a workflow that `make` did not start on this machine; "
            f"if it is dead, type: {sys.executable} -m snakemake --unlock"
        )
    print("lnf: the last workflow here was killed; unlocking, and going on where it stopped", flush=True)
    subprocess.run([*command, "--unlock", "--quiet", "all"], check=True, stdout=subprocess.DEVNULL)


def require_no_workflow() -> dict[str, Any] | None:
    """Refuse (UserError) if a workflow is alive in this folder. Returns the record of the last that `make` started."""
    record: dict[str, Any] | None = read_json(RECORD) if RECORD.exists() else None
    living = [str(process.pid) for process in psutil.process_iter() if _is_workflow_here(process)]
    if record is not None and record["host"] == socket.gethostname() and alive(record["owner"]):
        living = [record["owner"].partition(":")[0]]
    if living:
        raise UserError(f"another workflow is at work in {Path.cwd()} (process {living[0]}); wait for it, or stop it")
    return record


def planned(command: Sequence[str]) -> tuple[int, int] | None:
    """How many runs a dry run would train and evaluate; None if nothing at all is to be done.

    Leaves the process, with Snakemake's words and status, if there is no plan.
    """
    dry = subprocess.run(
        [*command, "--dry-run"], encoding="utf-8", errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if dry.returncode != 0:
        _pass_on(retell(dry.stdout.splitlines(), lambda: False))
        sys.exit(dry.returncode)
    if "Nothing to be done" in dry.stdout:
        return None
    table = dry.stdout.partition("total ")[0]  # the table of jobs is printed twice
    counts = Counter[str]()
    for stage, count in re.findall(r"^(train|evaluate)\w*\s+(\d+)$", table, re.MULTILINE):
        counts[stage] += int(count)
    return counts["train"], counts["evaluate"]


def attend(command: Sequence[str]) -> tuple[int, str]:
    """Run Snakemake and wait for it: its status (128 + n for signal n, 130 after Ctrl-C) and its identity.

    Ctrl-C reaches Snakemake from the terminal, and it decides how to end. What it says on stderr is retold.
    """
    interrupts: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: interrupts.append(number))
    process = subprocess.Popen([*command, *QUIET], stderr=subprocess.PIPE, encoding="utf-8", errors="replace")
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    assert process.stderr is not None
    said = retell(process.stderr, lambda: bool(interrupts))
    teller = threading.Thread(target=_pass_on, args=(said,), daemon=True)
    teller.start()
    try:
        identity = process_identity(process.pid)
        write_json(RECORD, {"owner": identity, "host": socket.gethostname(), "command": list(command)})
        status = process.wait()
        teller.join(LAST_WORDS_S)
        if status != 0 and (interrupts or status < 0):
            status = 128 + (interrupts[0] if interrupts else -status)
        return status, identity
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, before)


def _pass_on(lines: Iterable[str]) -> None:
    for line in lines:
        print(line, file=sys.stderr, flush=True)


def _is_workflow_here(process: psutil.Process) -> bool:
    """Whether a process is a Snakemake that works (not a dry run) in this folder, for one may be started by hand."""
    try:
        words = process.cmdline()
        named = any(Path(word).name == "snakemake" for word in words[:4])
        dry = any(word in ("-n", "--dry-run", "--dryrun", "--unlock") for word in words)
        return named and not dry and Path(process.cwd()) == Path.cwd()
    except (psutil.Error, OSError):  # ended meanwhile, or another user's
        return False


def _disk(specs: Sequence[Spec], runs: int) -> str:
    """About how much disk the runs need, and how much is free."""
    largest = max((_model_bytes(spec) for spec in specs), default=0)
    needed = largest * (runs + COPIES * 4) if runs else 0
    return f"disk: about {needed / 1e9:.1f} GB needed, {shutil.disk_usage('.').free / 1e9:.1f} GB free"


def _model_bytes(spec: Spec) -> int:
    """A rough size of model.pt: six LSTM-layer pairs and the flow's networks, four bytes a number."""
    model = spec.model
    recurrent = 3 * model.layers * 8 * model.hidden * max(model.hidden, model.embedding)
    flow = 2 * model.flow_layers * model.flow_hidden * (model.hidden + model.flow_hidden + 5 * model.latent)
    return 4 * (recurrent + flow)


def _views_of_what_exists(plan: Plan) -> None:
    from lnf.report.existing import write_existing

    try:
        write_existing(plan)
    except UserError as problem:  # Snakemake's own failure is what the user must see
        print(f"lnf: no report: {problem}", file=sys.stderr, flush=True)


def _tell(plan: Plan, identity: str, configfiles: Sequence[Path], status: int) -> None:
    """The last lines: how many runs stand how, where the report is, what to type next."""
    counts = Counter(_status(run) for run in plan.runs)
    how = ", ".join(f"{count} {what}" for what, count in counts.items())
    print(f"lnf: {plan.name}: {sum(counts.values())} runs: {how}")
    if not mirror.wait(identity, MIRROR_WAIT_S):
        print(f"lnf: MLflow is still catching up; if it stays behind, type: python -m lnf sync {plan.name}")
    print(f"lnf: report: {(plan.out / 'report.html').absolute()}")
    again = f"make run CONFIG={configfiles[0]}" if configfiles else "make run"
    print(f"lnf: next: {'make ui (every run, with its curves)' if status == 0 else again}", flush=True)


def _status(run: Run) -> str:
    """ok, diverged, error or not_run."""
    return str(read_json(run.folder / "run.json")["status"]) if run.status == "finished" else run.status

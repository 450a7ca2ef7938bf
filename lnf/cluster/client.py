"""A step of a run on Ray, as the process that asks for it sees it: no Ray, no torch.

`run_remote` starts a session (`lnf.cluster.session`), hands it the job, passes progress on and waits. When the head
dies its session is killed with it (Ray's own shutdown would hang and spin then), and a new one goes on with a new head.
"""

import json
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from lnf.cluster.head import Head, client_environment, connect, lost, whole
from lnf.cluster.placement import PAPER_HIDDEN, amounts
from lnf.errors import Stopped, UserError
from lnf.runs.progress import Progress
from lnf.spec import Resources
from lnf.system.processes import alive, owner, owner_folder
from lnf.system.signals import GRACE_S, Asked, stopping

RECONNECTS = 3  # new heads for one step of one run
TICK_S = 0.25
WAITING_S = 5.0
HEAD_VERDICT_S = 60.0  # the supervisor looks every second, if the machine lets it
INTERRUPTED = 130


@dataclass(frozen=True)
class RemoteJob:
    """One step of one run: call `entry` ("module:function") with `kwargs` (JSON-able) in a worker that has `resources`.

    `hidden` is the model's size, from which `gpus: auto` follows. `on_progress` is called once an epoch, as
    RUN/state/progress.json tells, and at the end; it must not block. `ask_to_stop` has the job leave its state and end
    with `lnf.errors.Stopped`; a job without it is killed when this process is asked to stop.
    """

    entry: str
    kwargs: dict[str, Any]
    resources: Resources
    run_dir: Path
    label: str
    step: str
    on_progress: Callable[[], None] | None = None
    ask_to_stop: Callable[[], None] | None = None
    hidden: int = PAPER_HIDDEN

    @property
    def record(self) -> Path:
        """The file in which the worker says that it has begun."""
        return self.run_dir / "state" / f"worker.{self.step}.json"


def run_remote(job: RemoteJob) -> None:
    """Run the job on the user's cluster or the workflow's own head, and wait for it.

    Raises UserError (one line) if the job raised one, failed (its traceback goes to stderr), cannot be placed, or if
    its worker or head died more often than is retried; Stopped if this process is asked to stop and the job has left
    its state; SystemExit if it has not, or if the workflow that asked for it is gone.
    """
    identity = owner()
    with stopping() as asked:
        try:
            for _ in range(1 + RECONNECTS):
                outcome = _attempt(job, identity, connect(identity), asked)
                if outcome["kind"] != "head_lost":
                    break
                print(f"{job.label} {job.step}: the Ray head died; going on with a new one", flush=True)
        finally:
            job.record.unlink(missing_ok=True)
        if job.on_progress:
            job.on_progress()
    if outcome["kind"] == "stopped":
        raise Stopped(outcome["message"])
    if outcome["kind"] == "failed":
        print(outcome["message"], file=sys.stderr, flush=True)
        raise UserError(f"{job.label}: {job.step} failed: {outcome['message'].strip().splitlines()[-1]}")
    if outcome["kind"] == "head_lost":
        raise UserError(f"{job.label}: {job.step}: the Ray head died {1 + RECONNECTS} times: {outcome['message']}")
    if outcome["kind"] != "done":
        raise UserError(outcome["message"])


def _attempt(job: RemoteJob, identity: str, head: Head, asked: Asked) -> dict[str, str]:
    """One session on one head: its outcome, whose kind is `head_lost` if the head died."""
    job.record.unlink(missing_ok=True)
    request = {
        "entry": job.entry, "kwargs": job.kwargs, "resources": asdict(job.resources), "hidden": job.hidden,
        "label": f"{job.label}: {job.step}", "record": str(job.record.absolute()), "project": str(Path.cwd()),
        "address": head.address, "proof": None if head.ours else str(owner_folder("ray", identity)),
    }  # fmt: skip
    with tempfile.TemporaryFile("w+", encoding="utf-8") as noise:
        session = subprocess.Popen(
            [sys.executable, "-m", "lnf.cluster.session"], env=client_environment(identity, head),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=noise, encoding="utf-8", errors="replace",
            process_group=0,  # what asks us to stop must not end it: it leaves when we do
        )  # fmt: skip
        assert session.stdin is not None and session.stdout is not None
        outcome = None
        try:
            session.stdin.write(json.dumps(request) + "\n")
            session.stdin.flush()
            outcome = _follow(job, identity, head, session.stdout, asked)
        finally:
            if outcome is None or outcome["kind"] != "done":
                session.kill()  # a session that is done leaves by itself
                session.wait()
            session.stdout.close()
        if outcome["kind"] == "worker_lost" and _dies(head, identity):
            return outcome | {"kind": "head_lost"}
        if outcome["kind"] == "worker_lost":
            noise.seek(0)
            sys.stderr.writelines(noise.readlines()[-20:])
        return outcome


def _follow(job: RemoteJob, identity: str, head: Head, answers: IO[str], asked: Asked) -> dict[str, str]:
    """Wait for the session's answer; meanwhile watch the owner and the head, and pass progress on."""
    progress = Progress(job.run_dir, job.label, job.on_progress)
    patience = time.monotonic() + WAITING_S
    end: float | None = None
    while not select.select([answers], [], [], TICK_S)[0]:
        if not alive(identity):
            print(f"lnf: {job.label}: {job.step} stops: the workflow {identity} is gone", file=sys.stderr, flush=True)
            raise SystemExit(INTERRUPTED)  # no error of the run: the next workflow goes on with it
        if lost(head, identity):
            return {"kind": "head_lost", "message": "the local head ended"}
        if asked:
            end = _ask(job, asked) if end is None else end
            if time.monotonic() > end:
                print(f"{job.label} {job.step} took too long to stop; its last state counts", flush=True)
                raise SystemExit(asked.status)
        progress.poll()
        if job.record.exists():
            patience = float("inf")
        if time.monotonic() > patience:
            patience = float("inf")
            print(f"{job.label} {job.step} waits for {amounts(asdict(job.resources))}", flush=True)
    line = answers.readline()
    if not line:
        return {"kind": "worker_lost", "message": f"{job.label}: {job.step}: the Ray session ended without a result"}
    answer: dict[str, str] = json.loads(line)
    return answer


def _ask(job: RemoteJob, asked: Asked) -> float:
    """Ask the job to stop: until when to wait for it. One that cannot be asked, or has not begun, is left."""
    if job.ask_to_stop is None or not job.record.exists():
        raise SystemExit(asked.status)
    job.ask_to_stop()
    return time.monotonic() + GRACE_S


def _dies(head: Head, identity: str) -> bool:
    """Whether a head of ours is dead, once its supervisor has noticed what is: a part of it may die before."""
    end = time.monotonic() + HEAD_VERDICT_S
    while head.ours and not whole(head) and time.monotonic() < end:
        if lost(head, identity):
            return True
        time.sleep(TICK_S)
    return lost(head, identity)

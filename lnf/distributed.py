"""Runs on Ray. The only module that imports Ray, and it does so only in a process of its own.

`run_remote` starts that process (`python -m lnf.distributed`, the session), hands it the job, passes progress on and
waits. A session joins the head, submits one plain task and writes one line of JSON. When the head dies its session is
killed with it (Ray's own shutdown would hang and spin then), and a new one goes on with a new head; when the client
dies the session notices that its standard input ends, leaves, and Ray ends the worker.
"""

import json
import logging
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from lnf.errors import UserError
from lnf.files import digest
from lnf.head import Head, client_environment, connect, lost
from lnf.lock import locked
from lnf.processes import alive, owner, owner_folder
from lnf.progress import Progress
from lnf.spec import Resources
from lnf.worker import look

RECONNECTS = 3  # new heads for one step of one run
RETRIES = 3  # new workers on one head; the run goes on from its own state
TICK_S = 0.25
WAITING_S = 5.0
HEAD_VERDICT_S = 4.0  # the supervisor needs up to 2 s to see that a part of the head died
PAPER_HIDDEN = 500
INTERRUPTED = 130
SMALL_GPU = 0.25


@dataclass(frozen=True)
class RemoteJob:
    """One step of one run: call `entry` ("module:function") with `kwargs` (JSON-able) in a worker that has `resources`.

    `hidden` is the model's size, from which `gpus: auto` follows. `on_progress` is called once an epoch, as
    RUN/state/progress.json tells, and at the end; it must not block.
    """

    entry: str
    kwargs: dict[str, Any]
    resources: Resources
    run_dir: Path
    label: str
    step: str
    on_progress: Callable[[], None] | None = None
    hidden: int = PAPER_HIDDEN

    @property
    def record(self) -> Path:
        """The file in which the worker says that it has begun."""
        return self.run_dir / "state" / f"worker.{self.step}.json"


def run_remote(job: RemoteJob) -> None:
    """Run the job on the user's cluster or the workflow's own head, and wait for it.

    Raises UserError (one line) if the job raised one, failed (its traceback goes to stderr), cannot be placed, or if
    its worker or head died more often than is retried; SystemExit if the workflow that asked for it is gone.
    """
    identity = owner()
    try:
        for _ in range(1 + RECONNECTS):
            outcome = _attempt(job, identity, connect(identity))
            if outcome["kind"] != "head_lost":
                break
            print(f"{job.label} {job.step}: the Ray head died; going on with a new one", flush=True)
    finally:
        job.record.unlink(missing_ok=True)
    if job.on_progress:
        job.on_progress()
    if outcome["kind"] == "failed":
        print(outcome["message"], file=sys.stderr, flush=True)
        raise UserError(f"{job.label}: {job.step} failed: {outcome['message'].strip().splitlines()[-1]}")
    if outcome["kind"] == "head_lost":
        raise UserError(f"{job.label}: {job.step}: the Ray head died {1 + RECONNECTS} times: {outcome['message']}")
    if outcome["kind"] != "done":
        raise UserError(outcome["message"])


def _attempt(job: RemoteJob, identity: str, head: Head) -> dict[str, str]:
    """One session on one head: its outcome, whose kind is `head_lost` if the head died."""
    job.record.unlink(missing_ok=True)
    request = {
        "entry": job.entry, "kwargs": job.kwargs, "resources": asdict(job.resources), "hidden": job.hidden,
        "label": f"{job.label}: {job.step}", "record": str(job.record.absolute()), "project": str(Path.cwd()),
        "address": head.address, "proof": None if head.ours else str(owner_folder("ray", identity)),
    }  # fmt: skip
    with tempfile.TemporaryFile("w+") as noise:
        session = subprocess.Popen(
            [sys.executable, "-m", "lnf.distributed"], env=client_environment(identity, head),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=noise, text=True,
        )  # fmt: skip
        assert session.stdin is not None and session.stdout is not None
        outcome = None
        try:
            session.stdin.write(json.dumps(request) + "\n")
            session.stdin.flush()
            outcome = _follow(job, identity, head, session.stdout)
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


def _follow(job: RemoteJob, identity: str, head: Head, answers: IO[str]) -> dict[str, str]:
    """Wait for the session's answer; meanwhile watch the owner and the head, and pass progress on."""
    progress = Progress(job.run_dir, job.label, job.on_progress)
    patience = time.monotonic() + WAITING_S
    while not select.select([answers], [], [], TICK_S)[0]:
        if not alive(identity):
            print(f"lnf: {job.label}: {job.step} stops: the workflow {identity} is gone", file=sys.stderr, flush=True)
            raise SystemExit(INTERRUPTED)  # no error of the run: the next workflow goes on with it
        if lost(head, identity):
            return {"kind": "head_lost", "message": "the local head ended"}
        progress.poll()
        if job.record.exists():
            patience = float("inf")
        if time.monotonic() > patience:
            patience = float("inf")
            print(f"{job.label} {job.step} waits for {_amounts(asdict(job.resources))}", flush=True)
    line = answers.readline()
    if not line:
        return {"kind": "worker_lost", "message": f"{job.label}: {job.step}: the Ray session ended without a result"}
    answer: dict[str, str] = json.loads(line)
    return answer


def _dies(head: Head, identity: str) -> bool:
    """Whether a head of ours turns out to be dead within the time in which its supervisor must have noticed."""
    end = time.monotonic() + HEAD_VERDICT_S
    while head.ours and time.monotonic() < end:
        if lost(head, identity):
            return True
        time.sleep(TICK_S)
    return False


def _amounts(resources: dict[str, Any]) -> str:
    return f"cpus {resources['cpus']:g}, gpus {resources['gpus']}, memory {resources['memory_gb']:.3g} GB"


# ---- below: the session, a process of its own ----


def _call(project: str, function: str, *arguments: Any) -> Any:
    """Call a function of lnf.worker in the project folder. Ray sends this one by value: nodes need nothing for it."""
    import importlib
    import os
    import sys

    os.chdir(project)
    if project not in sys.path:
        sys.path.insert(0, project)
    return getattr(importlib.import_module("lnf.worker"), function)(*arguments)


def _session(request: dict[str, Any]) -> dict[str, str]:
    """Join the cluster, place the task, wait for it. The outcome's kind: done, user, failed or worker_lost."""
    import ray
    from ray.exceptions import RayError

    try:
        if request["proof"] is not None:
            _probe(request["address"])
        ray.init(address=request["address"], log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError, RayError) as problem:
        reason = f"cannot join {request['address']}: {_first_line(problem)}"
        if request["proof"] is None:
            return {"kind": "worker_lost", "message": f"{request['label']}: {reason}"}
        return {"kind": "user", "message": f"RAY_ADDRESS: {reason}"}
    try:
        nodes = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
        if request["proof"] is not None:
            _prove(request, nodes)
        options = _options(request, [node["Resources"] for node in nodes])
        task = ray.remote(**options)(_call)
        arguments = (request["entry"], request["kwargs"], options["num_cpus"], request["record"])
        outcome: dict[str, str] = ray.get(task.remote(request["project"], "work", *arguments))
        return outcome
    except UserError as problem:
        return {"kind": "user", "message": str(problem)}
    except RayError as problem:
        message = f"{request['label']}: its worker died more than {RETRIES} times: {_first_line(problem)}"
        return {"kind": "worker_lost", "message": message}


def _probe(address: str) -> None:
    """Raise OSError within seconds if nothing listens at a "host:port", for Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if port.isdecimal() and "/" not in host:
        socket.create_connection((host, int(port)), timeout=10).close()


def _options(request: dict[str, Any], nodes: list[dict[str, float]]) -> dict[str, Any]:
    """Ray's options for the task. Raises UserError if no node can ever hold it."""
    wanted = dict(request["resources"])
    if wanted["gpus"] == "auto":
        size = 1 if request["hidden"] >= PAPER_HIDDEN else SMALL_GPU
        wanted["gpus"] = size if any(node.get("GPU", 0) for node in nodes) else 0
    memory = int(wanted["memory_gb"] * 2**30)
    need = {"CPU": wanted["cpus"], "GPU": wanted["gpus"], "memory": memory}
    if not any(all(node.get(key, 0) >= amount for key, amount in need.items()) for node in nodes):
        have = sorted({_amounts(_offer(node)) for node in nodes})
        raise UserError(
            f"{request['label']}: resources: no node can hold {_amounts(wanted)}; there are {'; '.join(have)}"
        )
    # retry_exceptions: a diverged or broken run breaks again; only a worker's or node's death is retried.
    return {"num_cpus": wanted["cpus"], "num_gpus": wanted["gpus"], "memory": memory, "max_retries": RETRIES,
            "retry_exceptions": False}  # fmt: skip


def _offer(node: dict[str, float]) -> dict[str, Any]:
    gpus, memory_gb = f"{node.get('GPU', 0):g}", node.get("memory", 0) / 2**30
    return {"cpus": node.get("CPU", 0), "gpus": gpus, "memory_gb": memory_gb}


def _prove(request: dict[str, Any], nodes: list[dict[str, Any]]) -> None:
    """Show that every node sees this project folder and has equal versions and code, once per workflow and cluster.

    Raises UserError that names the node and the difference.
    """
    folder = Path(request["proof"])
    proof = folder / f"proved-{digest([request['address'], sorted(node['NodeID'] for node in nodes)])}"
    with locked(folder / "lock", 120.0, "ray: another client is looking at the nodes"):
        if proof.exists():
            return
        nonce = (folder / f"nonce-{secrets.token_hex(8)}").absolute()
        nonce.write_text(secrets.token_hex(16))
        try:
            expected = look(str(nonce))
            for node in nodes:
                _compare(node["NodeManagerAddress"], expected, _ask(request["project"], node, str(nonce)))
        finally:
            nonce.unlink()
        proof.touch()


def _ask(project: str, node: dict[str, Any], nonce: str) -> dict[str, str]:
    import ray
    from ray.exceptions import RayError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    place = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
    options: dict[str, Any] = {"num_cpus": 0, "scheduling_strategy": place}
    task = ray.remote(**options)(_call)
    try:
        facts: dict[str, str] = ray.get(task.remote(project, "look", nonce), timeout=60)
        return facts
    except RayError as problem:
        last = str(problem).strip().splitlines()[-1]
        raise UserError(
            f"RAY_ADDRESS: node {node['NodeManagerAddress']} cannot use the project folder {project} ({last}); "
            "share it, and the environment, at the same path"
        ) from problem


def _compare(node: str, expected: dict[str, str], facts: dict[str, str]) -> None:
    for key, value in expected.items():
        if facts[key] != value and key == "nonce":
            raise UserError(f"RAY_ADDRESS: node {node} sees another project folder at {Path.cwd()}; share this one")
        if facts[key] != value:
            raise UserError(f"RAY_ADDRESS: node {node} has {key} {facts[key]}, this machine {value}; make them equal")


def _first_line(problem: Exception) -> str:
    lines = str(problem).strip().splitlines()
    return lines[0] if lines else type(problem).__name__


def main() -> None:
    """The session: one request on standard input, one line of JSON on standard output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the client, which ends this process
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)  # what Ray prints must not get among the answers
        request = json.loads(sys.stdin.readline())
        done = threading.Event()
        threading.Thread(target=_leave_with_client, args=(done,), daemon=True).start()
        outcome = _session(request)
        done.set()
        answers.write(json.dumps(outcome) + "\n")
    import ray

    ray.shutdown()
    os._exit(0)


def _leave_with_client(done: threading.Event) -> None:
    """Standard input ends when the client does, however it ended."""
    sys.stdin.read()
    if not done.is_set():
        os._exit(1)


if __name__ == "__main__":
    main()

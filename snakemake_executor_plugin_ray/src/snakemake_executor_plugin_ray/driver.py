"""The one process of a workflow that imports Ray: `python -m snakemake_executor_plugin_ray.driver`.

Its standard input holds lines of JSON: its settings at first, then `submit` and `cancel`; when it ends, so does the
driver, and a Ray that it started. Its standard output holds lines of JSON too: `ended` (job, ok, reason), `note`
(message), and `fault` (message, final), after which it exits.
"""

import contextlib
import faulthandler
import json
import logging
import os
import queue
import re
import secrets
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from snakemake_executor_plugin_ray import local_ray, worker
from snakemake_executor_plugin_ray.placement import NoNode, options_of

RETRIES = 3
"""How often a job is started again whose worker or node died."""
JOIN_LIMIT_S = 60.0
"""How long a cluster may take to let the driver in."""
WATCH_EVERY_S = 1.0
PARTS = ("gcs_server", "raylet")
"""The processes without which a local Ray is lost."""

Job = dict[str, Any]


class Fault(Exception):
    """Ray cannot be used. `final`: nor by another driver."""

    def __init__(self, message: str, final: bool) -> None:
        super().__init__(message)
        self.final = final


class Driver:
    """The jobs of a workflow as Ray tasks."""

    def __init__(self, settings: dict[str, Any], report: Callable[..., None]) -> None:
        import ray

        self._ray, self._report, self._settings = ray, report, settings
        self._inbox: queue.Queue[tuple[str, Any]] = queue.Queue()
        self._tasks: dict[str, Any] = {}
        self._jobs: dict[str, Job] = {}
        self._lost: dict[str, int] = {}
        self._waiting: dict[str, float] = {}
        self._unusable: dict[str, str] = {}
        self._cancelling = False
        self._function, self._sent_settings = self._send_what_all_jobs_share()

    def put(self, what: str, content: Any = None) -> None:
        """Have the main thread see to something."""
        self._inbox.put((what, content))

    def run(self) -> None:
        """Serve until the input ends. Raises Fault when Ray is lost."""
        watched = _parts() if self._settings["address"] is None else []
        while True:
            with contextlib.suppress(queue.Empty):
                what, content = self._inbox.get(timeout=WATCH_EVERY_S)
                if what == "end":
                    return
                getattr(self, f"_{what}")(content)
            if not all(map(_runs, watched)):
                raise Fault("a process of the local Ray ended", final=False)
            for job in list(self._waiting):
                self._place(self._jobs[job])

    def _submit(self, job: Job) -> None:
        self._jobs[job["job"]] = job
        self._waiting[job["job"]] = time.monotonic() + self._settings["wait_for_nodes"]
        self._place(job)

    def _place(self, job: Job) -> None:
        """Start a job's task if a node can hold it; a job that waited long enough for one has failed."""
        name = job["job"]
        nodes = [node for node in self._ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
        if not nodes:
            raise Fault("no node of Ray is alive", final=False)
        try:
            options = options_of(job["resources"], nodes, list(self._unusable))
        except NoNode as problem:
            if time.monotonic() > self._waiting[name]:
                del self._waiting[name]
                self._end(name, False, "; ".join([str(problem), *self._unusable.values()]))
            return
        del self._waiting[name]
        task = self._function.options(name=job["name"], **options).remote(job, self._sent_settings)
        self._tasks[name] = task
        task.future().add_done_callback(lambda done: self.put("done", (name, task, done.exception())))

    def _done(self, what: tuple[str, Any, BaseException | None]) -> None:
        name, task, problem = what
        if self._tasks.get(name) is not task:
            return
        del self._tasks[name]
        if problem is None:
            self._end(name, True, "")
            return
        exceptions = self._ray.exceptions
        cause = getattr(problem, "cause", None)
        if isinstance(problem, exceptions.TaskCancelledError):
            self._end(name, False, "cancelled")
        elif isinstance(problem, exceptions.RayTaskError):
            self._end_of_task(name, type(cause).__name__, str(cause))
        elif isinstance(problem, exceptions.OutOfMemoryError):
            self._end(name, False, f"Ray killed it, since its node ran out of memory: {_first_line(problem)}")
        else:
            self._again(name, _first_line(problem))

    def _end_of_task(self, name: str, kind: str, message: str) -> None:
        """What the task itself raised: its command failed, or its node is not to be used."""
        if kind != worker.Unusable.__name__:
            self._end(name, False, message or kind)
            return
        node = re.match(r"\[(\w+)\] (.*)", message, re.DOTALL)
        assert node is not None
        if node[1] not in self._unusable:
            self._unusable[node[1]] = node[2]
            self._report(event="note", message=f"Ray: {node[2]}; it is not used")
        self._submit(self._jobs[name])

    def _again(self, name: str, why: str) -> None:
        """Start a job again whose worker or node is gone."""
        self._lost[name] = self._lost.get(name, 0) + 1
        if self._cancelling or self._lost[name] > RETRIES:
            self._end(name, False, f"its worker died {self._lost[name]} times: {why}")
            return
        self._report(
            event="note", message=f"Ray: {self._jobs[name]['name']}: its worker died ({why}); starting it again"
        )
        self._submit({**self._jobs[name], "again": True})

    def _end(self, name: str, ok: bool, reason: str) -> None:
        self._jobs.pop(name, None)
        self._report(event="ended", job=name, ok=ok, reason=reason)

    def _cancel(self, _: Any) -> None:
        """Cancel all jobs: those that run are asked to end by their workers."""
        self._cancelling = True
        for name in list(self._waiting):
            del self._waiting[name]
            self._end(name, False, "cancelled")
        for task in self._tasks.values():
            self._ray.cancel(task, force=False)

    def _send_what_all_jobs_share(self) -> tuple[Any, Any]:
        """(The task's function, what every job is given besides its own request), each sent once."""
        records = Path(self._settings["records"])
        for others in records.parent.glob("*"):  # of workflows that were killed
            if others != records:
                shutil.rmtree(others, ignore_errors=True)
        records.mkdir(parents=True, exist_ok=True)
        proof = secrets.token_hex(16)
        (records / worker.PROOF).write_text(proof, encoding="utf-8")
        shared = {key: self._settings[key] for key in ("folder", "python", "grace_seconds")}
        shared |= {"records": str(records), "proof": proof, "environment": self._environment()}
        self._ray.cloudpickle.register_pickle_by_value(worker)  # type: ignore[no-untyped-call]
        return self._ray.remote(_task), self._ray.put(shared)

    def _environment(self) -> dict[str, str]:
        """The variables that jobs are given: on this machine all of Snakemake's, elsewhere those that travel."""
        declared: dict[str, str] = self._settings["environment"]
        if self._settings["address"] is None:
            return local_ray.without_ray(self._settings["inherited"]) | declared
        path = os.environ.get("PYTHONPATH")
        return declared | ({"PYTHONPATH": path} if path else {})

    def close(self) -> None:
        """Remove what jobs left for each other."""
        shutil.rmtree(Path(self._settings["records"]).parent, ignore_errors=True)


def _task(job: Job, settings: dict[str, Any]) -> None:
    import ray

    try:
        worker.run(job, settings)
    except worker.Unusable as problem:
        raise worker.Unusable(f"[{ray.get_runtime_context().get_node_id()}] {problem}") from None


def main() -> None:
    """Serve one workflow."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)  # what Ray prints must not get among the answers
        lock = threading.Lock()

        def report(**event: Any) -> None:
            with lock, contextlib.suppress(OSError):
                answers.write(json.dumps(event) + "\n")
                answers.flush()

        faulthandler.register(signal.SIGUSR1)  # says in driver.log what it is doing
        settings = json.loads(sys.stdin.readline())
        try:
            _serve(settings, report)
        except Fault as fault:
            report(event="fault", message=str(fault), final=fault.final)
            os._exit(1)
        except Exception as problem:  # Ray's own: another driver may do better
            report(event="fault", message=f"Ray: {_first_line(problem)}", final=False)
            raise
    os._exit(0)


def _serve(settings: dict[str, Any], report: Callable[..., None]) -> None:
    folder = None
    settings["inherited"] = dict(os.environ)
    try:
        if settings["address"] is None:
            folder = _start_local(settings)
        else:
            _join(settings["address"], report)
        driver = Driver(settings, report)
        threading.Thread(target=_read, args=(driver,), daemon=True).start()
        try:
            driver.run()
        finally:
            driver.close()
            _leave()
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _read(driver: Driver) -> None:
    """Pass on what Snakemake says; its silence ends this process, if need be without Ray's consent."""
    for line in sys.stdin:
        message = json.loads(line)
        driver.put(message.pop("do"), message)
    driver.put("end")
    timer = threading.Timer(10.0, os._exit, (1,))
    timer.daemon = True
    timer.start()


def _start_local(settings: dict[str, Any]) -> Path:
    """Start Ray on this machine; its private folder."""
    try:
        folder = local_ray.private_folder()
    except ValueError as problem:
        raise Fault(str(problem), final=True) from None
    variables = local_ray.environment(folder, os.environ)
    for name in set(os.environ) - set(variables):
        del os.environ[name]
    os.environ.update(variables)
    import ray

    ray.init(
        address="local", num_cpus=settings["cores"], include_dashboard=False, log_to_driver=False,
        object_store_memory=local_ray.OBJECT_STORE_BYTES, _temp_dir=str(folder / "r"), _node_ip_address="127.0.0.1",
        logging_level=logging.ERROR,
    )  # fmt: skip
    return folder


def _join(address: str, report: Callable[..., None]) -> None:
    """Join a cluster. Raises Fault in a line if that does not work; without an answer this process ends."""

    def give_up() -> None:
        why = f"no answer within {JOIN_LIMIT_S:.0f} s"
        report(event="fault", message=f"cannot join the Ray cluster at {address}: {why}", final=True)
        os._exit(1)

    limit = threading.Timer(JOIN_LIMIT_S, give_up)
    limit.daemon = True
    limit.start()
    os.environ.setdefault("RAY_task_oom_retries", "0")
    import ray

    try:
        _probe(address)
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as problem:
        raise Fault(f"cannot join the Ray cluster at {address}: {_first_line(problem)}", final=True) from None
    finally:
        limit.cancel()


def _probe(address: str) -> None:
    """Raise OSError within seconds if nothing listens at HOST:PORT, for Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if port.isdecimal() and "/" not in host:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


def _leave() -> None:
    import ray

    with contextlib.suppress(Exception):
        ray.shutdown()


def _parts() -> list[Any]:
    """The processes of the local Ray that everything depends on."""
    import psutil

    children = psutil.Process().children(recursive=True)
    return [child for child in children if any(part in " ".join(child.cmdline()[:1]) for part in PARTS)]


def _runs(process: Any) -> bool:
    import psutil

    return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)


def _first_line(problem: BaseException) -> str:
    """The first sentence of an error of Ray's, which explains itself at length."""
    lines = str(problem).strip().splitlines()
    return lines[0].partition(". ")[0] if lines else type(problem).__name__


if __name__ == "__main__":
    main()

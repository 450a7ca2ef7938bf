"""A session: the process that joins a Ray head for one job. The only module that imports Ray.

`python -m lnf.cluster.session` reads one request (a line of JSON), submits one plain task, waits for it and answers
with one line of JSON. When the client dies its standard input ends; it leaves, and Ray ends the worker.
"""

import json
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from lnf.cluster.placement import RETRIES, task_options
from lnf.cluster.proof import prove
from lnf.errors import UserError

JOIN_LIMIT_S = 60.0
"""How long a cluster may take to let us in."""


def _call(project: str, function: str, *arguments: Any) -> Any:
    """Call a function of lnf.cluster.worker in the project folder. Ray sends this one by value: nodes need nothing."""
    import importlib
    import os
    import sys

    os.chdir(project)
    if project not in sys.path:
        sys.path.insert(0, project)
    return getattr(importlib.import_module("lnf.cluster.worker"), function)(*arguments)


def _session(request: dict[str, Any], answer: Callable[[dict[str, str]], None]) -> dict[str, str]:
    """Join the cluster, place the task, wait for it. The outcome's kind: done, user, stopped, failed or worker_lost.

    A cluster that accepts and never answers is given up after JOIN_LIMIT_S: `answer` tells, and the process ends.
    """
    import ray
    from ray.exceptions import RayError

    def give_up() -> None:
        answer(_not_joined(request, f"no answer within {JOIN_LIMIT_S:.0f} s"))
        os._exit(1)

    limit = threading.Timer(JOIN_LIMIT_S, give_up)
    limit.daemon = True
    limit.start()
    try:
        if request["proof"] is not None:
            _probe(request["address"])
        ray.init(address=request["address"], log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError, RayError) as problem:
        return _not_joined(request, _first_line(problem))
    finally:
        limit.cancel()
    try:
        nodes = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
        if request["proof"] is not None:
            ask = partial(_ask, request["project"])
            prove(Path(request["proof"]), request["address"], nodes, ask)
        offers = [node["Resources"] for node in nodes]
        options = task_options(request["label"], request["resources"], request["hidden"], offers)
        task = ray.remote(**options)(_call)
        arguments = (request["entry"], request["kwargs"], options["num_cpus"], request["record"])
        outcome: dict[str, str] = ray.get(task.remote(request["project"], "work", *arguments))
        return outcome
    except UserError as problem:
        return {"kind": "user", "message": str(problem)}
    except RayError as problem:
        message = f"{request['label']}: its worker died more than {RETRIES} times: {_first_line(problem)}"
        return {"kind": "worker_lost", "message": message}


def _not_joined(request: dict[str, Any], why: str) -> dict[str, str]:
    reason = f"cannot join {request['address']}: {why}"
    if request["proof"] is None:
        return {"kind": "worker_lost", "message": f"{request['label']}: {reason}"}
    return {"kind": "user", "message": f"RAY_ADDRESS: {reason}"}


def _probe(address: str) -> None:
    """Raise OSError within seconds if nothing listens at a "host:port", for Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if port.isdecimal() and "/" not in host:
        socket.create_connection((host, int(port)), timeout=10).close()


def _ask(project: str, node: Mapping[str, Any], nonce: str) -> dict[str, str]:
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


def _first_line(problem: Exception) -> str:
    lines = str(problem).strip().splitlines()
    return lines[0] if lines else type(problem).__name__


def main() -> None:
    """The session: one request on standard input, one line of JSON on standard output."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)  # what Ray prints must not get among the answers
        request = json.loads(sys.stdin.readline())
        done = threading.Event()
        threading.Thread(target=_leave_with_client, args=(done,), daemon=True).start()

        def answer(outcome: dict[str, str]) -> None:
            done.set()
            answers.write(json.dumps(outcome) + "\n")
            answers.flush()

        answer(_session(request, answer))
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

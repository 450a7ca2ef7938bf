"""A step of a run as a client does it: in this process, or on Ray and mirrored to MLflow; failures are noted."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lnf.errors import UserError
from lnf.plan.digests import code_digest, spec_digest
from lnf.spec import RunContext, Spec
from lnf.system.files import read_json, write_json


def context_of(spec: Spec, data: Path, name: str) -> RunContext:
    """What a run that no workflow plans is told: today's digests and those of the corpus that it is given."""
    meta = data / "meta.json"
    if not meta.exists():
        raise UserError(f"{meta}: no such file; run `python -m lnf prepare {spec.corpus}` first")
    code = code_digest("train", spec.prior.paths)
    return RunContext(name, {"spec": spec_digest(spec), "code": code, "data": read_json(meta)["digest"]})


def train(spec: Spec, data: Path, out: Path, context: RunContext, on_ray: bool) -> None:
    """Train a run. Raises UserError; any failure is noted in OUT/state/error.json."""
    with _noting_failure(out):
        if not on_ray:
            from lnf.runs.training import train_run

            train_run(spec, data, out, context)
        else:
            arguments = {"spec": spec.to_dict(), "data": str(data), "out": str(out), "context": context.to_dict()}
            _on_ray("train", spec, out, arguments)


def evaluate(spec: Spec, data: Path, run: Path, identity: str, on_ray: bool) -> None:
    """Evaluate a trained run. Raises UserError; any failure is noted in RUN/state/error.json."""
    with _noting_failure(run):
        if not on_ray:
            from lnf.runs.evaluation import evaluate_run

            evaluate_run(spec, data, run, identity)
        else:
            arguments = {"spec": spec.to_dict(), "data": str(data), "run": str(run), "identity": identity}
            _on_ray("evaluate", spec, run, arguments)


def _on_ray(step: str, spec: Spec, run: Path, arguments: dict[str, Any]) -> None:
    from lnf.cluster.client import RemoteJob, run_remote
    from lnf.tracking import mirror

    job = RemoteJob(
        entry={"train": "lnf.runs.training:train_json", "evaluate": "lnf.runs.evaluation:evaluate_json"}[step],
        kwargs=arguments,
        resources=spec.resources,
        run_dir=run,
        label=spec.key,
        step=step,
        on_progress=lambda: mirror.request(run),
        hidden=spec.model.hidden,
    )
    run_remote(job)


@contextmanager
def _noting_failure(run: Path) -> Iterator[None]:
    """Leave RUN/state/error.json while the last attempt has failed, for tables of what exists."""
    note = run / "state" / "error.json"
    note.unlink(missing_ok=True)
    try:
        yield
    except Exception as problem:
        write_json(note, {"error": type(problem).__name__, "message": str(problem)})
        raise

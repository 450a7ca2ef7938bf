"""The jobs of a workflow as a command does them, and what those of a run do."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from lnf.errors import Stopped
from lnf.plan.jobs import perform
from lnf.plan.raw_files import mirror_folder
from lnf.plan.run import Run
from lnf.runs.progress import ask_to_stop, duration, shown
from lnf.spec import CHECKED_KINDS, Spec
from lnf.system.files import read_json, write_json
from lnf.system.sealed import read_rows
from lnf.system.signals import stopping

OF_RUNS = ("train", "evaluate")
"""The stages whose spec.json is that of a run."""


def do(stage: str, spec: Mapping[str, Any], out: Path) -> None:
    """Do a job, whose user sees how far it is. Raises UserError.

    Asked to stop, training leaves its state at its next step, and ends with Stopped.
    """
    if stage not in OF_RUNS:
        perform(stage, spec, out)
        return
    run = Run.from_dict(spec)
    if (line := first_line(run.spec)) is not None:
        print(line, flush=True)
    with shown(out, run.spec.key), stopping(lambda: ask_to_stop(out)) if stage == "train" else nullcontext():
        perform(stage, spec, out)
    print(last_line(stage, run, out), flush=True)


def prepare(corpus: str, settings: Mapping[str, Any], digest: str, mirror: str | None, out: Path) -> None:
    """Prepare a corpus into `out`."""
    from lnf.corpora.prepare import prepare

    prepare(corpus, settings, digest, mirror_folder(mirror), out)


def check(out: Path, kinds: Sequence[str] = CHECKED_KINDS, **run: Any) -> None:
    """Hold the variant of a run against the laws, on some kinds of data: OUT/check.json."""
    from lnf.laws.check import check

    check(Run.from_dict(run).spec, out / "check.json", kinds)


def train(out: Path, **spec: Any) -> None:
    """Train a run into `out`. What fails is noted in OUT/state/error.json."""
    from lnf.runs.training import train_run

    run = Run.from_dict(spec)
    with _noting_failure(out):
        train_run(run.spec, run.data, out, run.context)


def evaluate(out: Path, **spec: Any) -> None:
    """Evaluate the run that was trained into `out`. What fails is noted in OUT/state/error.json."""
    from lnf.runs.evaluation import evaluate_run

    run = Run.from_dict(spec)
    with _noting_failure(out):
        evaluate_run(run.spec, run.data, out, run.context.digests, run.evaluation)


@contextmanager
def _noting_failure(out: Path) -> Iterator[None]:
    """Leave OUT/state/error.json while the last attempt has failed, for tables of what exists."""
    note = out / "state" / "error.json"
    note.unlink(missing_ok=True)
    try:
        yield
    except Stopped:
        raise
    except Exception as problem:
        note_failure(out, type(problem).__name__, str(problem))
        raise


def note_failure(out: Path, error: str, message: str) -> None:
    """Leave OUT/state/error.json, if a run's last attempt has left none."""
    note = out / "state" / "error.json"
    with suppress(OSError):  # a disk that is full has no room for the note either
        if not note.exists():
            write_json(note, {"error": error, "message": message})


def first_line(spec: Spec) -> str | None:
    """A line on what makes a run slow on this machine, or None."""
    from lnf.runs.machine import device_of, processor, slow_precision

    slow = slow_precision(spec.model.precision, device_of(spec.resources.gpus), processor())
    return slow and f"lnf: {spec.key}: {slow}"


def last_line(step: str, run: Run, out: Path) -> str:
    """A line on what the step left in `out`."""
    facts = read_json(out / "run.json")
    if facts["status"] != "ok":
        return f"lnf: {run.spec.key}: {facts['status']}: {facts['stopped']}; {out / 'run.json'}"
    if step == "train":
        how = f"{facts['epochs']} epochs in {duration(facts['wall_seconds'])}, {facts['stopped']}"
        loss = f"best loss on valid {facts['best_valid_loss']:.3f} nats"
        return f"lnf: {run.spec.key}: trained, {how}; {loss}; {out / 'model.pt'}; next: lnf evaluate"
    file = out / f"evaluation-{run.evaluation}.parquet"
    rows = [row for row in read_rows(file) if row["metric"] == "nll"]
    numbers = ", ".join(f"{row['value']:.3f} {row['unit']} on {row['split']}" for row in rows)
    samples = f", K = {rows[0]['k']}" if rows[0]["k"] else ""
    return f"lnf: {run.spec.key}: NLL {numbers}{samples}; {file}"

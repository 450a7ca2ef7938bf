"""The steps of the DAG as a job does them: told by a file, in this process or on Ray."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from lnf.app.last_line import last_line
from lnf.errors import Stopped, UserError
from lnf.plan.code_digests import require_same_code
from lnf.plan.digests import evaluation_digest
from lnf.plan.raw_files import mirror_folder
from lnf.plan.run import Run
from lnf.runs.progress import shown
from lnf.runs.stop_request import ask_to_stop, take_back
from lnf.spec import Resources
from lnf.system.files import write_json
from lnf.system.signals import stopping

Step = Literal["train", "evaluate"]


def prepare(told: Mapping[str, Any], out: Path) -> None:
    """Prepare a corpus as it was told (`lnf.plan.results.Corpus`)."""
    from lnf.corpora.prepare import prepare

    require_same_code("data", [told["settings"]["source"]], told["code"])
    prepare(told["corpus"], told["settings"], told["digest"], mirror_folder(told["mirror"]), out)


def run_step(step: Step, run: Run, out: Path, on_ray: bool) -> None:
    """Train a run into `out`, or evaluate the one there.

    Raises UserError; whatever fails is noted in OUT/state/error.json. Asked to stop, training leaves its state at its
    next step, and ends with Stopped.
    """
    take_back(out)
    with _noting_failure(out):
        if on_ray:
            _on_ray(step, run, out)
        else:
            _here(step, run, out)


def _here(step: Step, run: Run, out: Path) -> None:
    """In this process, whose user sees how far it is."""
    with shown(out, run.spec.key):
        if step == "train":
            with stopping(lambda: ask_to_stop(out)):
                train_here(run.to_dict(), str(out))
        else:
            evaluate_here(run.to_dict(), str(out))
    print(last_line(step, run, out), flush=True)


def train_here(told: dict[str, Any], out: str) -> None:
    """Train in this process, with plain values, as a worker elsewhere does."""
    from lnf.runs.training import train_run

    run = Run.from_dict(told)
    require_same_code("train", run.spec.prior.paths, run.context.digests["code"])
    train_run(run.spec, run.data, Path(out), run.context)


def evaluate_here(told: dict[str, Any], out: str) -> None:
    """Evaluate in this process, likewise."""
    from lnf.runs.evaluation import evaluate_run

    run = Run.from_dict(told)
    if evaluation_digest(run.spec) != run.evaluation:
        raise UserError("evaluate: the code changed since this was planned; start the workflow again")
    evaluate_run(run.spec, run.data, Path(out), run.context.digests, run.evaluation)


def view(name: Literal["figures", "samples", "page"], told: Mapping[str, Any]) -> None:
    """Write a view (`lnf.plan.results.Plan.told_to_views`)."""
    module = import_module(f"lnf.report.{name}.write")
    getattr(module, f"write_{name}")(told)


def study(stage: str, told: Mapping[str, Any], out: Path) -> None:
    """Make a study as it was told (`lnf.plan.studies.Study.told`): in this process, but what is timed on Ray."""
    if stage == "speed":
        _speed_on_ray(told, out)
    elif stage == "modes":
        from lnf.runs.modes import run_modes

        require_same_code("modes", told["modules"], told["code"])
        run_modes(Path(told["runs"][0]), Path(told["data"]), told["word"], told["seed"], out)
    elif stage == "bounds":
        from lnf.runs.bounds import run_bounds

        require_same_code("bounds", told["modules"], told["code"])
        with shown(out, "/".join(Path(told["runs"][0]).parts[2:5])):  # CORPUS/PRIOR/SEED
            run_bounds(Path(told["runs"][0]), Path(told["data"]), told["settings"], told["threads"], out)
    else:
        from lnf.runs.toy import run_toy

        require_same_code("toy", [], told["code"])
        run_toy(told["settings"], out)


def speed_here(told: dict[str, Any], out: str) -> None:
    """Time sampling in this process."""
    from lnf.runs.speed import run_speed

    require_same_code("speed", told["modules"], told["code"])
    run_speed(told["runs"], told["settings"], told["threads"], told["resources"]["gpus"], Path(out))


def _speed_on_ray(told: Mapping[str, Any], out: Path) -> None:
    from lnf.cluster.client import RemoteJob, run_remote

    job = RemoteJob(
        entry="lnf.app.steps:speed_here",
        kwargs={"told": dict(told), "out": str(out)},
        resources=Resources(**told["resources"]),
        run_dir=out,
        label=f"speed of {Path(told['runs'][0]).parts[2]}",
        step="speed",
        hidden=told["hidden"],
    )
    run_remote(job)


def _on_ray(step: Step, run: Run, out: Path) -> None:
    from lnf.cluster.client import RemoteJob, run_remote

    job = RemoteJob(
        entry=f"lnf.app.steps:{step}_here",
        kwargs={"told": run.to_dict(), "out": str(out)},
        resources=run.spec.resources,
        run_dir=out,
        label=run.spec.key,
        step=step,
        ask_to_stop=(lambda: ask_to_stop(out)) if step == "train" else None,
        hidden=run.spec.model.hidden,
    )
    run_remote(job)


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
        with suppress(OSError):  # a disk that is full has no room for the note either
            write_json(note, {"error": type(problem).__name__, "message": str(problem)})
        raise

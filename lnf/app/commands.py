"""What each command does: a function of its arguments a command.

A module is imported by the command that needs it, so that a command starts fast and needs no more than it says.
"""

import json
import sys
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lnf.errors import UserError


@dataclass(frozen=True)
class JobSpec:
    """What a spec.json, or standard input, holds, and the folder that it lies in."""

    values: dict[str, Any]
    folder: Path | None


def read_spec(text: str) -> JobSpec:
    """What the file of that name holds, or standard input for "-". Raises UserError if it is no JSON mapping."""
    path = None if text == "-" else Path(text)
    if path is not None and not path.is_file():
        raise UserError(f"{text}: no such file; give a spec.json, or -")
    try:
        values = json.loads(sys.stdin.read() if path is None else path.read_text(encoding="utf-8"))
    except ValueError as problem:
        raise UserError(f"{text}: not JSON ({problem})") from None
    if not isinstance(values, dict):
        raise UserError(f"{text}: must hold a mapping")
    return JobSpec(values, None if path is None else path.parent)


def job(arguments: Namespace) -> None:
    """Do a job of a workflow."""
    from lnf.app import steps

    spec, out = arguments.spec.values, arguments.out or arguments.spec.folder
    if out is None:
        raise UserError("--out: missing; with - there is no folder that the result could go to")
    if arguments.stage in steps.OF_RUNS:
        from lnf.plan.run import Run

        run = Run.from_dict(spec, arguments.data)
        spec = {**run.job_spec, **spec, **run.to_dict()}  # what is not said is as of today
    steps.do(arguments.stage, spec, out)


def tables(arguments: Namespace) -> None:
    """Write the paper's tables; without SPEC, every view of whatever exists."""
    if arguments.spec:
        job(arguments)
    else:
        from lnf.plan.results import Plan
        from lnf.report.existing import write_existing

        write_existing(Plan(_configuration(arguments)))


def measured(arguments: Namespace) -> None:
    """Keep what a configuration measured with the sources, and show it."""
    from lnf.app.measuring import keep_measured, make_again
    from lnf.plan.config import ROOT
    from lnf.plan.results import Plan

    if arguments.again:
        make_again(ROOT)
    else:
        keep_measured(Plan(_configuration(arguments)), arguments.results, arguments.drop)


def spec(arguments: Namespace) -> None:
    """Print a run's spec and where each value comes from."""
    from lnf.plan import config, results

    values = _configuration(arguments)
    key = (arguments.corpus, arguments.prior, arguments.seed)
    run = results.run_of(values, *key)
    if arguments.json:
        print(json.dumps(run.job_spec))
    elif arguments.folder:
        print(run.folder)
    else:
        for name, (value, origin) in config.explain(values, *key).items():
            print(f"{name:24} {value!s:48} {origin}")


def sample(arguments: Namespace) -> None:
    """Draw sequences from a trained run: text, or MIDI, pictures and audio."""
    from lnf.app import sample
    from lnf.models.base import Sampling

    if arguments.reconstruct:
        sample.reconstruct(arguments.run, arguments.reconstruct, arguments.seed, arguments.data, arguments.out)
        return
    if arguments.between:
        sample.between(arguments.run, arguments.between, arguments.n, arguments.data, arguments.out)
        return
    how = Sampling(arguments.temperature, arguments.greedy)
    wish = sample.Wish(arguments.n, arguments.length, arguments.seed, how, arguments.prompt)
    sample.sample(arguments.run, wish, arguments.data, arguments.out)


def new(arguments: Namespace) -> None:
    """Write the files of a new variant: a class, its rule file, an overlay that selects it, and a test."""
    from lnf.app.new import new

    for path in new(arguments.kind, arguments.name):
        print(f"lnf: {path}")
    overlays = f"workflow/configs/demo.yaml workflow/configs/{arguments.name}.yaml"
    print(f"lnf: test it: pytest ideas/test_{arguments.name}.py")
    print(f"lnf: run it: lnf run --configfile {overlays}")


def schema(arguments: Namespace) -> None:
    """Print the JSON schema of configurations, for editors (workflow/schema.json)."""
    from lnf.plan import form

    print(json.dumps(form.schema(), indent=1))


def sync(arguments: Namespace) -> None:
    """Mirror a configuration's results to MLflow."""
    from lnf.tracking.sync import sync_all

    mirrored, wanted = sync_all(arguments.name, arguments.models)
    print(f"lnf: {mirrored} of {wanted} runs and reports of {arguments.name} mirrored to MLflow")
    if mirrored < wanted:
        lacks = f"{wanted - mirrored} runs or reports of {arguments.name}"
        raise UserError(f"sync: MLflow lacks {lacks}; type the same command again")


def ui(arguments: Namespace) -> None:
    """Open MLflow's page on this project."""
    from lnf.tracking.ui import serve

    serve(arguments.port)


def remove(arguments: Namespace) -> None:
    """Remove a configuration's results, asking first."""
    from lnf.app import cleaning

    cleaning.remove(arguments.name, arguments.yes)


def prune(arguments: Namespace) -> None:
    """Remove results that a configuration no longer asks for, asking first."""
    from lnf.app import cleaning
    from lnf.plan import config
    from lnf.plan.results import Plan

    named = config.named(arguments.name, arguments.configfile)
    cleaning.prune([Plan(values) for values in named], arguments.yes)


def run(arguments: Namespace) -> None:
    """Run a configuration's workflow."""
    from lnf.app import launcher

    launcher.run(arguments.configfile, arguments.cores)


def status(arguments: Namespace) -> None:
    """Show how far each run is of a workflow that runs elsewhere; in a terminal until all is done, or Ctrl-C."""
    from lnf.app.status import show
    from lnf.plan import config
    from lnf.plan.results import Plan

    (values, *_) = config.named(arguments.name, arguments.configfile)
    show(Plan(values))


def completion(arguments: Namespace) -> None:
    """Print the completion of this command for a shell: eval "$(lnf completion bash)"."""
    import shtab

    print(shtab.complete(arguments.whole, arguments.shell))


def _configuration(arguments: Namespace) -> Any:
    from lnf.plan import config

    return config.load(config.read(arguments.configfile))

"""The command line: arguments only. Every mistake is one line, `lnf: ...`, with exit status 1."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lnf.errors import Stopped, UserError
from lnf.system import machine_faults

Arguments = argparse.Namespace
STOPPED = 130
"""The exit status of a run that was asked to stop and left its state, whichever signal asked."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    try:
        arguments = _parser().parse_args(argv)
        arguments.command(arguments)
    except (UserError, OSError) as problem:
        line = machine_faults.sentence(problem) if isinstance(problem, OSError) else str(problem)
        if line is None:
            raise
        print(f"lnf: {line}", file=sys.stderr, flush=True)
        return 1
    except Stopped as stopped:
        print(f"lnf: {stopped}", file=sys.stderr, flush=True)
        return STOPPED
    return 0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        raise UserError(f"{message}; see {self.prog} --help")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m lnf", description="Latent normalizing flows for discrete sequences.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)

    def command(name: str, run: Callable[[Arguments], None], about: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=about, description=about)
        added.set_defaults(command=run)
        return added

    added = command("prepare", _prepare, "Prepare a corpus: raw files to Arrow files.")
    _add_told(added)
    added = command("check", _check, "Hold a variant against the laws.")
    _add_told(added)
    for step, about in (("train", "Train one run."), ("evaluate", "Evaluate a trained run.")):
        added = command(step, _step, about)
        added.set_defaults(step=step)
        _add_told(added)
        added.add_argument("--data", type=Path, help="folder of the prepared corpus; else the one that SPEC names")
        added.add_argument("--ray", action="store_true", help="on Ray, not in this process")
    for stage, about in (
        ("toy", "Fit flows to two densities on a plane."),
        ("speed", "Time sampling, on Ray."),
        ("modes", "Look at p(z_t | z_<t) of a model with two latent dimensions."),
        ("bounds", "Bound the NLL with ever more importance samples."),
    ):
        added = command(stage, _study, about)
        added.set_defaults(stage=stage)
        _add_told(added)
    added = command("gather", _gather, "Put the metrics of all runs into one file.")
    _add_told(added)
    added = command("tables", _tables, "Write the paper's tables; without SPEC, every view of whatever exists.")
    added.add_argument("told", type=_told, nargs="?", metavar="SPEC", help="spec.json of gathered metrics")
    _add_config(added)
    for view, about in (
        ("figures", "Draw the figures."),
        ("samples", "Write what the models draw as files."),
        ("page", "Write the report, one page."),
    ):
        added = command(view, _view, about)
        added.set_defaults(view=view)
        added.add_argument("told", type=_told, metavar="SPEC", help="spec.json of gathered metrics")
    added = command("measured", _measured, "Keep what a configuration measured with the sources, and show it.")
    _add_config(added)
    added.add_argument("--again", action="store_true", help="only write anew what is made of all that is kept")
    added = command("spec", _spec_of_run, "Print a run's spec and where each value comes from.")
    for name, kind in (("corpus", str), ("prior", str), ("seed", int)):
        added.add_argument(name, type=kind)
    _add_config(added)
    added.add_argument("--json", action="store_true", help="all that `train` must be told")
    added.add_argument("--folder", action="store_true", help="the folder of its results alone")
    added = command("sample", _sample, "Draw sequences from a trained run: text, or MIDI, pictures and audio.")
    added.add_argument("run", type=Path, metavar="RUN_DIR", help="folder of a trained run, with model.pt")
    added.add_argument("--n", type=int, default=20, help="how many (20)")
    lengths = added.add_mutually_exclusive_group()
    lengths.add_argument("--length", type=int, help="steps of each")
    lengths.add_argument("--lengths", choices=["prior"], default="prior", help="lengths from p(T), the default")
    added.add_argument("--temperature", type=float, default=1.0, help="1 draws from the model, the default")
    added.add_argument("--seed", type=int, default=0)
    added.add_argument("--greedy", action="store_true", help="the likeliest symbol, or the keys with p > 0.5")
    added.add_argument("--data", type=Path, help="folder of the prepared corpus; else the one of RUN_DIR/spec.json")
    added.add_argument("--out", type=Path, required=True, help="folder for the files")
    added = command("sync", _sync, "Mirror a configuration's results to MLflow.")
    added.add_argument("name")
    added = command("ui", _ui, "Open MLflow's page on this project.")
    added.add_argument("--port", type=int, default=5000)
    added = command("clean-results", _clean_results, "Remove a configuration's results, asking first.")
    added.add_argument("name")
    added.add_argument("--yes", action="store_true", help="do not ask")
    added = command("clean-old", _clean_old, "Remove results that a configuration no longer asks for, asking first.")
    added.add_argument("name")
    _add_config(added)
    added.add_argument("--yes", action="store_true", help="do not ask")
    added = command("keep", _keep, "Keep results of other code that gives the same bits, as a run made again shows.")
    _add_config(added)
    added = command("bench", _bench, "Measure how fast it is, beside what this machine can do.")
    added.add_argument("--only", nargs="+", default=[], help="words of a case, e.g. ptb af_af train; else all of them")
    added.add_argument("--threads", type=int, help="of PyTorch; else one a core")
    added.add_argument("--beside", type=int, default=1, help="processes that measure a case at the same time")
    added.add_argument("--against", metavar="REV", help="measure another git revision too, in turn, and print ratios")
    added.add_argument("--json", type=Path, help="file for the table; rows of other cases that it has stay")
    added.add_argument("--profile", type=Path, help="file for where the time of each case goes, by operation")
    added = command("run", _run, "Run a configuration's workflow.")
    added.add_argument("--configfile", type=Path, action="append", default=[])
    added.add_argument("--cores", type=_cores, default="all", help="how many, or all")
    return parser


def _cores(text: str) -> str:
    if text != "all" and not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise UserError(f"--cores {text}: a number above 0, or all, would be right")
    return text


def _add_told(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("told", type=_told, metavar="SPEC", help="spec.json, which says what is to be done, or -")
    parser.add_argument("--out", type=Path, help="where the result goes; else the folder of SPEC")


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--configfile", type=Path, action="append", default=[], help="overlay over config.yaml")


@dataclass(frozen=True)
class Told:
    """What a file, or standard input, says is to be done, and the folder that it lies in."""

    values: dict[str, Any]
    folder: Path | None


def _told(text: str) -> Told:
    path = None if text == "-" else Path(text)
    if path is not None and not path.is_file():
        raise UserError(f"{text}: no such file; give a spec.json, or -")
    try:
        values = json.loads(sys.stdin.read() if path is None else path.read_text(encoding="utf-8"))
    except ValueError as problem:
        raise UserError(f"{text}: not JSON ({problem})") from None
    if not isinstance(values, dict):
        raise UserError(f"{text}: must hold a mapping")
    return Told(values, None if path is None else path.parent)


def _out(arguments: Arguments) -> Path:
    out: Path | None = arguments.out or arguments.told.folder
    if out is None:
        raise UserError("--out: missing; with - there is no folder that the result could go to")
    return out


def _load(arguments: Arguments) -> Any:
    from lnf.plan import config

    return config.load(config.read(arguments.configfile))


def _prepare(arguments: Arguments) -> None:
    from lnf.app import steps

    steps.prepare(arguments.told.values, _out(arguments))


def _check(arguments: Arguments) -> None:
    from lnf.laws.check import check
    from lnf.plan.run import Run

    check(Run.from_dict(arguments.told.values).spec, _out(arguments) / "check.json")


def _step(arguments: Arguments) -> None:
    """Train or evaluate."""
    from lnf.app import steps
    from lnf.plan.run import Run

    run = Run.from_dict(arguments.told.values, arguments.data)
    steps.run_step(arguments.step, run, _out(arguments), arguments.ray)


def _study(arguments: Arguments) -> None:
    from lnf.app import steps

    steps.study(arguments.stage, arguments.told.values, _out(arguments))


def _gather(arguments: Arguments) -> None:
    from lnf.report.gather import gather

    gather(arguments.told.values, _out(arguments) / "metrics.parquet")


def _tables(arguments: Arguments) -> None:
    if arguments.told:
        from lnf.report.tables import write_tables

        write_tables(arguments.told.values)
    else:
        from lnf.plan.results import Plan
        from lnf.report.existing import write_existing

        write_existing(Plan(_load(arguments)))


def _view(arguments: Arguments) -> None:
    from lnf.app import steps

    steps.view(arguments.view, arguments.told.values)


def _measured(arguments: Arguments) -> None:
    from lnf.app.measuring import keep_measured, make_again
    from lnf.plan.config import ROOT
    from lnf.plan.results import Plan

    if arguments.again:
        make_again(ROOT)
    else:
        keep_measured(Plan(_load(arguments)))


def _spec_of_run(arguments: Arguments) -> None:
    from lnf.plan import config, results

    values = _load(arguments)
    key = (arguments.corpus, arguments.prior, arguments.seed)
    run = results.run_of(values, *key)
    if arguments.json:
        print(json.dumps(run.to_dict()))
    elif arguments.folder:
        print(run.folder)
    else:
        for name, (value, origin) in config.explain(values, *key).items():
            print(f"{name:24} {value!s:48} {origin}")


def _sample(arguments: Arguments) -> None:
    from lnf.app.sampling import Wish, sample
    from lnf.models.base import Sampling

    how = Sampling(arguments.temperature, arguments.greedy)
    wish = Wish(arguments.n, arguments.length, arguments.seed, how)
    sample(arguments.run, wish, arguments.data, arguments.out)


def _sync(arguments: Arguments) -> None:
    from lnf.tracking.sync import sync_all

    print(f"lnf: {sync_all(arguments.name)} runs of {arguments.name} mirrored to MLflow")


def _ui(arguments: Arguments) -> None:
    from lnf.app.ui import serve

    serve(arguments.port)


def _clean_results(arguments: Arguments) -> None:
    from lnf.app.cleaning import clean_results

    clean_results(arguments.name, arguments.yes)


def _clean_old(arguments: Arguments) -> None:
    from lnf.app.cleaning import clean_old
    from lnf.plan import config
    from lnf.plan.results import Plan

    clean_old([Plan(values) for values in config.named(arguments.name, arguments.configfile)], arguments.yes)


def _keep(arguments: Arguments) -> None:
    from lnf.app.keeping import keep
    from lnf.plan.results import Plan

    keep(Plan(_load(arguments)))


def _bench(arguments: Arguments) -> None:
    from lnf.app.benchmark import bench_against

    bench_against(
        arguments.only,
        arguments.threads,
        arguments.beside,
        arguments.against,
        arguments.json,
        arguments.profile,
    )


def _run(arguments: Arguments) -> None:
    from lnf.app.launcher import run

    run(arguments.configfile, arguments.cores)

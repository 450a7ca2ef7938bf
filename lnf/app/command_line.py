"""The command line: arguments only. Every mistake is one line, `lnf: ...`, with exit status 1."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lnf.errors import UserError
from lnf.spec import RunContext, Spec

Arguments = argparse.Namespace


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    try:
        arguments = _parser().parse_args(argv)
        arguments.command(arguments)
    except UserError as problem:
        print(f"lnf: {problem}", file=sys.stderr, flush=True)
        return 1
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
    added.add_argument("corpus")
    added.add_argument("--settings", type=_json, required=True, help="JSON: what config.yaml says of it")
    added.add_argument("--mirror", default="", help="folder that is looked in before any download")
    added.add_argument("--out", type=Path, required=True)
    added = command("check", _check, "Hold a variant against the laws.")
    added.add_argument("spec", type=_spec, help="JSON, a file, or -")
    added.add_argument("--out", type=Path, required=True)
    added = command("train", _train, "Train one run.")
    _add_run(added, "--out")
    added.add_argument("--digests", type=_json, help="JSON: spec, code and data digests that are expected")
    added.add_argument("--differs", type=_json, default={}, help="JSON: how the spec differs from the paper")
    added = command("evaluate", _evaluate, "Evaluate a trained run.")
    _add_run(added, "--run")
    added.add_argument("--identity", default="", help="text that is kept with the result: what it depends on")
    added = command("gather", _gather, "Put the metrics of all runs into one file.")
    _add_config(added)
    added.add_argument("--out", type=Path, required=True)
    added = command("tables", _tables, "Write the paper's tables, of all runs or of those that exist.")
    _add_config(added)
    added.add_argument("--metrics", type=Path, help="metrics.parquet; without it, whatever runs exist are gathered")
    added.add_argument("--published", type=Path)
    added.add_argument("--options", type=_json)
    added.add_argument("--out", type=Path)
    added = command("spec", _spec_of_run, "Print a run's spec and where each value comes from.")
    for name, kind in (("corpus", str), ("prior", str), ("seed", int)):
        added.add_argument(name, type=kind)
    _add_config(added)
    added.add_argument("--json", action="store_true", help="the spec alone, as `train` takes it")
    added = command("sync", _sync, "Mirror a configuration's results to MLflow.")
    added.add_argument("name")
    command("db", _database, "Create or upgrade the MLflow database.")
    added = command("clean-results", _clean_results, "Remove a configuration's results, asking first.")
    added.add_argument("name")
    added.add_argument("--yes", action="store_true", help="do not ask")
    added = command("run", _run, "Run a configuration's workflow.")
    added.add_argument("--configfile", type=Path, action="append", default=[])
    added.add_argument("--cores", default="all")
    return parser


def _add_run(parser: argparse.ArgumentParser, folder: str) -> None:
    parser.add_argument("spec", type=_spec, help="JSON, a file, or -")
    parser.add_argument("--data", type=Path, required=True, help="folder that prepare wrote")
    parser.add_argument(folder, type=Path, required=True)
    parser.add_argument("--name", default="adhoc", help="name of the configuration")
    parser.add_argument("--ray", action="store_true", help="on Ray, not in this process")


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--configfile", type=Path, action="append", default=[], help="overlay over config.yaml")
    parser.add_argument("--config", type=_json, help="JSON: a whole merged configuration instead of files")


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as problem:
        raise UserError(f"{text[:60]}: not JSON ({problem})") from None


def _spec(text: str) -> Spec:
    """A spec from JSON text, from a file or, for -, from standard input."""
    if text == "-":
        text = sys.stdin.read()
    elif not text.lstrip().startswith("{"):
        if not Path(text).is_file():
            raise UserError(f"{text}: no such file; a spec is JSON text, a file, or -")
        text = Path(text).read_text()
    return Spec.from_dict(_json(text))


def _load(arguments: Arguments) -> Any:
    from lnf.plan import config

    return config.load(arguments.config or config.read(arguments.configfile))


def _prepare(arguments: Arguments) -> None:
    from lnf.corpora.prepare import prepare

    mirror = Path(arguments.mirror) if arguments.mirror else None
    prepare(arguments.corpus, arguments.settings, mirror, arguments.out)


def _check(arguments: Arguments) -> None:
    from lnf.laws.check import check

    check(arguments.spec, arguments.out)


def _train(arguments: Arguments) -> None:
    from lnf.app import steps

    context = (
        RunContext(arguments.name, arguments.digests, arguments.differs)
        if arguments.digests
        else steps.context_of(arguments.spec, arguments.data, arguments.name)
    )
    steps.train(arguments.spec, arguments.data, arguments.out, context, arguments.ray)


def _evaluate(arguments: Arguments) -> None:
    from lnf.app import steps

    steps.evaluate(arguments.spec, arguments.data, arguments.run, arguments.identity, arguments.ray)


def _gather(arguments: Arguments) -> None:
    from lnf.report.gather import gather

    gather(_load(arguments), arguments.out)


def _tables(arguments: Arguments) -> None:
    from lnf.report import tables

    if arguments.metrics:
        tables.write_tables(arguments.metrics, arguments.published, arguments.options, arguments.out)
    else:
        tables.write_existing(_load(arguments))


def _spec_of_run(arguments: Arguments) -> None:
    from lnf.plan import config

    values = _load(arguments)
    run = (arguments.corpus, arguments.prior, arguments.seed)
    if arguments.json:
        print(json.dumps(config.resolve(values, *run).to_dict()))
        return
    for key, (value, origin) in config.explain(values, *run).items():
        print(f"{key:24} {value!s:48} {origin}")


def _sync(arguments: Arguments) -> None:
    from lnf.tracking.sync import sync_all

    print(f"lnf: {sync_all(arguments.name)} runs of {arguments.name} mirrored to MLflow")


def _database(arguments: Arguments) -> None:
    from lnf.tracking.sync import try_upgrade

    try_upgrade()


def _clean_results(arguments: Arguments) -> None:
    from lnf.app.cleaning import clean_results

    clean_results(arguments.name, arguments.yes)


def _run(arguments: Arguments) -> None:
    from lnf.app.launcher import run

    run(arguments.configfile, arguments.cores)

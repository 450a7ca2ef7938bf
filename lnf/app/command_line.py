"""The command line. Every mistake is one line, `lnf: ...`, with exit status 1; of the command itself, 2."""

import argparse
import io
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, TextIO

from lnf.app import commands
from lnf.app.new import KINDS
from lnf.errors import Stopped, UsageError, UserError
from lnf.plan.stages import STAGES
from lnf.system.files import sentence

Command = Callable[[argparse.Namespace], None]

FOR_PEOPLE = ("check", "train", "evaluate", "tables")
"""The jobs that are also started by hand."""

CACHE = Path(".lnf", "cache")
"""Where other programs keep their caches when the user's home cannot be written to, as in some containers."""
CACHE_VARIABLES = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR", "NUMBA_CACHE_DIR")

USAGE = 2
"""The exit status of a command that is itself wrong."""
STOPPED = 130
"""The exit status of a run that was asked to stop and left its state, whichever signal asked."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    if (moved := move_caches()) is not None:
        print(f"lnf: {moved}", file=sys.stderr, flush=True)
    try:
        arguments = parser().parse_args(argv)
        arguments.command(arguments)
    except (UserError, OSError) as problem:
        line = sentence(problem) if isinstance(problem, OSError) else str(problem)
        if line is None:
            raise
        print(f"lnf: {line}", file=sys.stderr, flush=True)
        return USAGE if isinstance(problem, UsageError) else 1
    except Stopped as stopped:
        print(f"lnf: {stopped}", file=sys.stderr, flush=True)
        return STOPPED
    return 0


def move_caches() -> str | None:
    """If the user's cache folder cannot be written to, have this process and those that it starts use one of the
    project's. Returns a line that says so, or None.
    """
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    if _writable(Path(home)):
        return None
    here = CACHE.absolute()
    os.environ.update({name: str(here / name.lower()) for name in CACHE_VARIABLES})
    return f"{home} cannot be written to; caches go to {CACHE}"


def _writable(folder: Path) -> bool:
    """Whether a file can be made in a folder, which is made if need be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


class Output(io.TextIOWrapper):
    """Text output that no longer fails when its reader closes the pipe: `lnf train SPEC | head` goes on training."""

    def write(self, text: str, /) -> int:
        """Write `text`; returns its length."""
        try:
            return super().write(text)
        except BrokenPipeError:
            self._nowhere()
            return len(text)

    def flush(self) -> None:
        """Hand on what was written."""
        try:
            super().flush()
        except BrokenPipeError:
            self._nowhere()

    def _nowhere(self) -> None:
        """Have the descriptor, which later child processes inherit too, lead nowhere."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


def tolerant(stream: TextIO) -> TextIO:
    """A stream of the system as Output, with escapes for letters that the terminal lacks; others are returned as is."""
    if type(stream) is not io.TextIOWrapper:
        return stream
    encoding, buffering = stream.encoding, stream.line_buffering
    return Output(stream.detach(), encoding=encoding, errors="backslashreplace", line_buffering=buffering)


class Parser(argparse.ArgumentParser):
    """A parser whose mistakes are UsageErrors."""

    def error(self, message: str) -> Any:
        """Raise UsageError."""
        raise UsageError(f"{message}; see {self.prog} --help")

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse does; an option that there is not is held against those of the command."""
        found, unknown = self.parse_known_args(args, namespace)
        if unknown:
            of = getattr(found, "parser", self)
            self.mistake(unknown[0], "option or argument", of.options(), of.prog)
        return found

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """As argparse does, with what is close to a word that is none of the choices."""
        if action.choices is not None and value not in action.choices:
            self.mistake(value, str(action.metavar or action.dest).lower(), list(action.choices), self.prog)

    @staticmethod
    def mistake(word: str, what: str, known: Sequence[str], prog: str) -> NoReturn:
        """Raise UsageError: there is no such thing; what is close to it is suggested."""
        from lnf.plan.form import suggest  # pydantic, which a right command need not import

        raise UsageError(f"{word}: no such {what}{suggest(word.partition('=')[0], known)}; see {prog} --help")

    def options(self) -> list[str]:
        """Every option, as it is written."""
        return [word for action in self._actions for word in action.option_strings]


class Commands:
    """The commands of a parser. The help of each is its function's docstring, unless it is given."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._added = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser, title="commands")

    def add(
        self, name: str, run: Command, about: str | None = None, hidden: bool = False, **defaults: str
    ) -> argparse.ArgumentParser:
        """A command; `defaults` are attributes that its function finds. A hidden one is not listed in the help."""
        about = about or run.__doc__
        shown: dict[str, Any] = {} if hidden else {"help": about}
        added = self._added.add_parser(name, description=about, **shown)
        added.set_defaults(command=run, parser=added, **defaults)
        return added


def parser() -> Parser:
    """The parser of the command line. Its result has `command`, a function of the result."""
    jobs = ", ".join(name for name in STAGES if name not in FOR_PEOPLE)
    whole = Parser(
        prog="lnf", description="Latent normalizing flows for discrete sequences.",
        epilog=f"Jobs, which Snakemake starts with a spec.json: {jobs}. `lnf JOB --help` says what each does.",
    )  # fmt: skip
    whole.add_argument("--version", action=Version, nargs=0, help="print the version and the revision, and exit")
    added = Commands(whole)
    for add in (_add_run, _add_status, _add_jobs, _add_measured, _add_questions, _add_sample, _add_new, _add_upkeep):
        add(added)
    _add_completion(added, whole)
    return whole


class Version(argparse.Action):
    """Prints the version, which is looked up only then."""

    def __call__(self, parser: argparse.ArgumentParser, *found: Any) -> None:
        """Print it, and exit."""
        from importlib.metadata import version

        from lnf.plan.config import ROOT
        from lnf.system.provenance import revision

        print(f"lnf {version('lnf')}, revision {revision(ROOT).text}")
        parser.exit()


def _add_jobs(to: Commands) -> None:
    """The jobs of a workflow."""
    for stage in STAGES.values():
        run = commands.tables if stage.name == "tables" else commands.job
        about = None if stage.name == "tables" else stage.about
        added = to.add(stage.name, run, about, hidden=stage.name not in FOR_PEOPLE, stage=stage.name)
        added.add_argument(
            "spec", type=commands.read_spec, metavar="SPEC", nargs="?" if stage.name == "tables" else None,
            help="spec.json, which holds what is to be done, or -",
        )  # fmt: skip
        added.add_argument("--out", type=Path, help="where the result goes; else the folder of SPEC")
        if stage.name in ("train", "evaluate"):
            added.add_argument("--data", type=Path, help="folder of the prepared corpus; else the one that SPEC names")
        if stage.name == "tables":
            _configure(added)


def _add_measured(to: Commands) -> None:
    added = to.add("measured", commands.measured)
    _configure(added)
    added.add_argument(
        "--results", type=Path, default=Path("results"), help="folder of results, of an older revision too"
    )
    added.add_argument("--drop", action="store_true", help="drop kept runs that the configuration no longer asks for")
    added.add_argument("--again", action="store_true", help="only write again what is made of all that is kept")


def _add_questions(to: Commands) -> None:
    """What is said of a run, and of results in MLflow."""
    added = to.add("spec", commands.spec)
    for name, kind in (("corpus", str), ("prior", str), ("seed", int)):
        added.add_argument(name, type=kind, help=f"the {name} of the run")
    _configure(added)
    added.add_argument("--json", action="store_true", help="a spec.json for `train` and `evaluate`")
    added.add_argument("--folder", action="store_true", help="the folder of its results alone")
    to.add("schema", commands.schema)
    added = to.add("sync", commands.sync)
    added.add_argument("name", help="name of the configuration")
    added.add_argument(
        "--models", choices=("first", "all"), default="first", help="models to log: of first seeds, or all"
    )
    to.add("ui", commands.ui).add_argument("--port", type=int, default=5000, help="of this machine (5000)")


def _add_new(to: Commands) -> None:
    added = to.add("new", commands.new)
    added.add_argument("kind", choices=KINDS, help="what is new: a combination (prior), a class, or a corpus")
    added.add_argument("name", help="lower-case letters, digits and _")


def _add_sample(to: Commands) -> None:
    added = to.add("sample", commands.sample)
    added.add_argument("run", metavar="RUN", help="folder of a trained run, or its name CORPUS/PRIOR/SEED")
    added.add_argument("--n", type=int, default=20, help="how many (20)")
    lengths = added.add_mutually_exclusive_group()
    lengths.add_argument("--length", type=int, help="steps of each")
    lengths.add_argument("--lengths", choices=["prior"], default="prior", help="lengths from p(T), the default")
    added.add_argument("--temperature", type=float, default=1.0, help="1 draws from the model, the default")
    what = added.add_mutually_exclusive_group()
    what.add_argument("--prompt", default="", help="text that every sample begins with")
    what.add_argument("--reconstruct", type=int, nargs="+", metavar="ROW", help="test sequences to reconstruct, from 0")
    what.add_argument("--between", type=int, nargs=2, metavar="ROW", help="n steps from one test sequence to another")
    added.add_argument("--seed", type=int, default=0, help="of the draw (0)")
    added.add_argument("--greedy", action="store_true", help="the likeliest symbol, or the keys with p > 0.5")
    added.add_argument("--data", type=Path, help="folder of the prepared corpus; else the one of the run")
    added.add_argument("--out", type=Path, required=True, help="folder for the files")


def _add_upkeep(to: Commands) -> None:
    """What removes results."""
    for name, run in (("remove", commands.remove), ("prune", commands.prune)):
        added = to.add(name, run)
        added.add_argument("name", help="name of the configuration")
        added.add_argument("--yes", action="store_true", help="do not ask")
        if run is commands.prune:
            _configure(added)


def _add_status(to: Commands) -> None:
    added = to.add("status", commands.status)
    added.add_argument("name", help="name of the configuration")
    _configure(added)


def _add_completion(to: Commands, whole: Parser) -> None:
    added = to.add("completion", commands.completion)
    added.add_argument("shell", choices=("bash", "zsh", "tcsh"), help="the shell that is to know the commands")
    added.set_defaults(whole=whole)


def _add_run(to: Commands) -> None:
    added = to.add("run", commands.run)
    _configure(added)
    added.add_argument("--cores", type=_cores, default="all", help="how many, or all")


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--configfile", type=Path, nargs="+", action="extend", default=[], help="overlays over config.yaml"
    )


def _cores(text: str) -> str:
    if text != "all" and not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise UsageError(f"--cores {text}: a number above 0, or all, would be right")
    return text

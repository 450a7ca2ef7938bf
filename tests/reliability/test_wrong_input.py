"""Wrong input: one line that names the key, the value and what would be right, before any work starts."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import yaml
from pydantic import ValidationError

from lnf.app.command_line import USAGE, main
from lnf.errors import UserError
from lnf.plan import config, rule_files
from lnf.plan.run import Run
from lnf.spec import SECTIONS, TrainSpec
from lnf.system.files import write_json
from tests.reliability.case import Case, acting
from tests.specs import tiny_spec
from tests.tiny_corpus import prepared

KIND = "Wrong input"
NOTHING = "nothing"
LONG = "a" * 300
MINE = {"kind": "text", "roles": ["main"], "prepare": {"source": "x.y"}}


def of_overlay(content: Any) -> Callable[[Path], list[str]]:
    """The command line with an overlay: a text, or values."""

    def act(folder: Path) -> list[str]:
        text = content if isinstance(content, str) else yaml.safe_dump(content)
        (folder / "overlay.yaml").write_text(text, encoding="utf-8")
        return ["spec", "markov", "lstm", "0", "--configfile", "overlay.yaml"]

    return act


def of_spec(section: str, **values: Any) -> Callable[[Path], list[str]]:
    """`lnf train SPEC`, with a corpus that is there."""

    def act(folder: Path) -> list[str]:
        data = prepared(folder)
        told = Run.from_dict({"spec": tiny_spec("af_scf").to_dict()}, data).to_dict()
        told["spec"][section] |= values
        write_json(folder / "run" / "spec.json", told | {"data": str(data)})
        return ["train", "run/spec.json"]

    return act


def untrained(folder: Path) -> list[str]:
    """`lnf evaluate SPEC` before `lnf train SPEC`."""
    of_spec("train")(folder)
    return ["evaluate", "run/spec.json"]


def of_command(*words: str) -> Callable[[Path], list[str]]:
    return lambda folder: list(words)


def a_folder(folder: Path) -> list[str]:
    (folder / "overlay.yaml").mkdir()
    return ["spec", "markov", "lstm", "0", "--configfile", "overlay.yaml"]


def overrides(**train: Any) -> dict[str, Any]:
    return {"overrides": {"all": {"train": train}}}


def source(path: str) -> dict[str, Any]:
    corpus = {"markov": {"prepare": {"source": path}}}
    return {"select": {"corpora": ["markov"]}, "corpora": corpus}


CORES = "a number above 0, or all, would be right"
SOURCE = "config: corpora.markov.prepare.source:"
CHOSEN = "train.epochs: 2: a best epoch is chosen only after the KL ramp (…), so it must be at least"
CASES = [
    Case("a configfile that is a folder", "config: overlay.yaml: cannot be read: Is a directory", NOTHING, a_folder),
    Case(
        "an anchor that holds itself",
        "config: overlay.yaml: an anchor holds itself; it must not",
        NOTHING,
        of_overlay("a: &a\n  b: *a\n"),
    ),
    Case(
        "a key that is given twice",
        "config: overlay.yaml: not YAML: the key 'seeds' is given twice in the mapping of line 1",
        NOTHING,
        of_overlay("select: {seeds: [0], seeds: [1]}"),
    ),
    Case(
        "a configuration that runs code (`__use_yte__`)",
        "config: overlay.yaml: __use_yte__: runs code from the file; write the values themselves",
        "nothing with `lnf run`; a plain `snakemake` has run it before lnf sees the file",
        of_overlay({"__use_yte__": True, "name": "mine"}),
    ),
    Case(
        "a name of 300 characters",
        "config: name: 'aaa… (302 characters): must be at most 64 letters, digits, _ and -, as it names the folder of…",
        NOTHING,
        of_overlay({"name": LONG}),
    ),
    Case(
        "a name that ends in a line break",
        r"config: name: 'mine\n': must be at most 64 letters, digits, _ and -, as it names the folder of…",
        NOTHING,
        of_overlay({"name": "mine\n"}),
    ),
    Case(
        "a corpus named raw",
        "config: corpora.raw: must be another name, since this is the folder of downloaded files",
        NOTHING,
        of_overlay({"corpora": {"raw": MINE}}),
    ),
    Case(
        "a corpus named checks",
        "config: corpora.checks: must be another name, since this is the folder of the results of checks",
        NOTHING,
        of_overlay({"corpora": {"checks": MINE}}),
    ),
    Case(
        "a corpus' name that ends in a line break",
        r"config: corpora.mine\n: must be a name of at most 64 lower-case letters, digits and _",
        NOTHING,
        of_overlay({"corpora": {"mine\n": MINE}}),
    ),
    Case(
        "lnf evaluate SPEC of a run that is not trained",
        "evaluate: run: no run.json in it; train the run first",
        NOTHING,
        untrained,
    ),
    Case(
        "a corpus' name of 300 characters",
        "config: corpora.aaa… (300 characters): must be a name of at most 64 lower-case letters, digits and _",
        NOTHING,
        of_overlay({"corpora": {LONG: MINE}}),
    ),
    Case(
        "a learning rate of 1e300",
        "config: overrides.all.train.learning_rate: 1e+300: must be at most 1000",
        NOTHING,
        of_overlay(overrides(learning_rate=1.0e300)),
    ),
    Case(
        "memory_gb of 1e300",
        "config: overrides.all.resources.memory_gb: 1e+300: must be at most 100000 or auto",
        NOTHING,
        of_overlay({"overrides": {"all": {"resources": {"memory_gb": 1.0e300}}}}),
    ),
    Case(
        "1.0e+2 for a whole number",
        "config: overrides.all.train.epochs: 100.0: must be a whole number, written without a dot or an exponent: 100",
        NOTHING,
        of_overlay("overrides: {all: {train: {epochs: 1.0e+2}}}"),
    ),
    Case(
        "a key with nothing after it",
        "config: overrides.all.train.epochs: null: must be a whole number (there is nothing after the key, or null)",
        NOTHING,
        of_overlay("overrides:\n  all:\n    train:\n      epochs:\n"),
    ),
    Case(
        "two epochs: all reasons, with every way out, at once",
        f"config: ptb/af_only and …: {CHOSEN} 16, or kl_anneal: false; nottingham/af_af and …: {CHOSEN} 37, or"
        " kl_anneal: false",
        NOTHING,
        of_overlay(overrides(epochs=2)),
    ),
    Case(
        "a source that does not exist",
        f"{SOURCE} lnf.corpora.sources.nope.read: no module of this name; give package.module.function",
        NOTHING,
        of_overlay(source("lnf.corpora.sources.nope.read")),
    ),
    Case(
        "a source that its module lacks",
        f"{SOURCE} lnf.corpora.sources.markov.nope: lnf.corpora.sources.markov does not define nope",
        NOTHING,
        of_overlay(source("lnf.corpora.sources.markov.nope")),
    ),
    Case(
        "a source that is a class",
        f"{SOURCE} lnf.corpora.sources.base.RawCorpus: is a class; a function would be right",
        NOTHING,
        of_overlay(source("lnf.corpora.sources.base.RawCorpus")),
    ),
    Case("--cores 0", f"--cores 0: {CORES}", NOTHING, of_command("run", "--cores", "0")),
    Case(
        "--cores -1",
        f"--cores -1: {CORES}",
        NOTHING,
        of_command("run", "--cores", "-1"),
    ),
    Case(
        "lnf train SPEC with clip -1",
        "spec.train.clip: -1.0: must be above 0",
        NOTHING,
        of_spec("train", clip=-1.0),
    ),
    Case(
        "lnf train SPEC with latent 0", "spec.model.latent: 0: must be at least 1", NOTHING, of_spec("model", latent=0)
    ),
    Case(
        "lnf train SPEC with patience 0",
        "spec.train.patience: 0: must be at least 1",
        NOTHING,
        of_spec("train", patience=0),
    ),
    Case("lnf train SPEC with batch 0", "spec.train.batch: 0: must be at least 1", NOTHING, of_spec("train", batch=0)),
    Case(
        "lnf train SPEC with two epochs",
        "tiny/af_scf/0: train.epochs: 2: a best epoch is chosen only after the KL ramp (…), so it must be at least 3,"
        " or kl_anneal: false",
        NOTHING,
        of_spec("train", epochs=2),
    ),
    Case(
        "lnf train SPEC with a class that is not there",
        "lnf.nope.Nope: no module of this name; give package.module.Class",
        NOTHING,
        of_spec("prior", time="lnf.nope.Nope"),
    ),
]


def label(text: str) -> str:
    return f'prior("mine", label={text!r}, time="af", hidden="af", transform="nlsq")\n'


RULES = [
    Case(
        "a label with a line break",
        "mine.smk: prior 'mine': label: 'a\\nb': must be one line of text, as it heads rows of tables",
        NOTHING,
        lambda: label("a\nb"),
    ),
    Case(
        "a prior's name of 300 characters",
        "mine.smk: prior aaaaaaaaaaaaaaaaaaaa...: name: 300 characters: must be at most 64",
        NOTHING,
        lambda: label("Mine").replace("mine", LONG),
    ),
    Case(
        "a dotted path to a function",
        "mine.smk: prior mine: time: 'lnf.laws.check.check': must be one of af, iaf, none or the dotted path of a class"
        " (lnf.laws.check.check: is a function; a class would be right)",
        NOTHING,
        lambda: label("Mine").replace('"af"', '"lnf.laws.check.check"', 1),
    ),
]
ELSEWHERE = [
    Case(
        "a label with |, $, ^, ~ or braces",
        "",
        "nothing: they are shown as they are written, in Markdown, LaTeX and the page",
        proved="tests/report/test_tables.py::test_what_markdown_and_latex_read_is_escaped",
    ),
]
ROWS = [*CASES, *RULES, *ELSEWHERE]


@pytest.mark.parametrize(**acting(CASES))
def test_wrong_input_is_one_line(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert case.act is not None
    words = case.act(tmp_path)
    capsys.readouterr()
    assert main(words) == (USAGE if "--cores" in words else 1)
    said = capsys.readouterr()
    case.assert_seen(said.err)
    assert said.out == "" and len(said.err.splitlines()) == 1
    assert not list(tmp_path.glob("**/*.pt"))


@pytest.mark.parametrize(**acting(RULES))
def test_a_wrong_rule_file_is_one_line(case: Case, tmp_path: Path) -> None:
    assert case.act is not None
    (tmp_path / "mine.smk").write_text(case.act(), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        rule_files.read(tmp_path / "mine.smk")
    case.assert_seen(str(caught.value))


BEYOND: dict[str, Callable[[float], float]] = {
    "ge": lambda bound: bound - 1,
    "gt": lambda bound: bound,
    "le": lambda bound: bound + 1,
    "lt": lambda bound: bound,
}
"""What annotated_types calls a bound -> a value just beyond it."""


def bounds_of(hint: Any) -> Iterator[tuple[str, float]]:
    """The bounds of an annotation, of the parts of a union too."""
    for mark in getattr(hint, "__metadata__", ()):
        for found in getattr(mark, "metadata", ()):
            yield from ((name, getattr(found, name)) for name in BEYOND if hasattr(found, name))
    for part in get_args(hint):
        yield from bounds_of(part)


BOUNDED = [
    (section, name, bound, value)
    for section, cls in SECTIONS.items()
    for name, hint in get_type_hints(cls, include_extras=True).items()
    for bound, value in bounds_of(hint)
]


def test_bounds_are_found() -> None:
    assert len(BOUNDED) > 60


@pytest.mark.parametrize(("section", "name", "bound", "value"), BOUNDED)
def test_one_set_of_bounds_holds_for_library_file_and_configuration(
    section: str, name: str, bound: str, value: float
) -> None:
    """A value just beyond each bound is refused by all three, by the file and the configuration in the same words."""
    beyond = BEYOND[bound](value)
    default = getattr(SECTIONS[section](), name)
    beyond = int(beyond) if default is None or isinstance(default, int) else float(beyond)
    with pytest.raises(ValidationError, match=name):
        SECTIONS[section](**{name: beyond})
    told = tiny_spec().to_dict()
    told[section][name] = beyond
    with pytest.raises(UserError) as of_file:
        type(tiny_spec()).from_dict(told)
    assert str(of_file.value).startswith(f"spec.{section}.{name}: {beyond!r}: must be ")
    with pytest.raises(UserError) as of_configuration:
        config.load(config.merge(config.read(), {"defaults": {section: {name: beyond}}}))
    assert str(of_configuration.value) == str(of_file.value).replace("spec.", "config: defaults.", 1)


def test_a_wrong_type_is_refused_by_the_library_too() -> None:
    with pytest.raises(ValidationError, match="clip"):
        TrainSpec(clip="x")  # type: ignore[arg-type]

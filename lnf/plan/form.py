"""The form of a configuration, config.yaml with overlays merged over it, and checks between its sections.

workflow/schema.json is made from it.
"""

import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field

from lnf.errors import UserError
from lnf.fields import Checked, remedy, shown
from lnf.plan.code_digests import sources
from lnf.plan.fitting import misfits
from lnf.plan.rule_files import Declared
from lnf.plan.stages import reserved
from lnf.plan.sweeps import RANDOM
from lnf.spec import KINDS, LONGEST_NAME, SECTIONS, Kind, PriorSpec, Role, Sections, Seed, Some, Spec, Value, kind_path

Item = TypeVar("Item")


def _once_each(values: list[Item]) -> list[Item]:
    if any(value in values[:n] for n, value in enumerate(values)):
        raise remedy("a list that holds each value once")
    return values


def _folder_name(text: str) -> str:
    if not re.fullmatch(rf"[A-Za-z0-9][A-Za-z0-9_-]{{0,{LONGEST_NAME - 1}}}", text):
        raise remedy(f"at most {LONGEST_NAME} letters, digits, _ and -, as it names the folder of the results")
    return text


def _name(text: str) -> str:
    if not re.fullmatch(rf"[a-z][a-z0-9_]{{0,{LONGEST_NAME - 1}}}", text):
        raise remedy(f"a name of at most {LONGEST_NAME} lower-case letters, digits and _")
    return text


def _corpus_name(text: str) -> str:
    if text in reserved():
        taken = "downloaded files" if text == "raw" else f"the results of {text}"
        raise remedy(f"another name, since this is the folder of {taken}")
    return _name(text)


def _scope(name: str) -> str:
    if name not in ("all", *KINDS) and "." not in name:
        raise remedy(f"one of all, {', '.join(KINDS)}, or the dotted path of a kind")
    return name


def _setting(key: str) -> str:
    if key != RANDOM and (key.partition(".")[0] not in SECTIONS or not re.fullmatch(r"\w+(\.\w+)+", key)):
        raise remedy(f"{RANDOM}, or SECTION.SETTING with a section of {', '.join(SECTIONS)}")
    return key


def _file_name(text: str) -> str:
    if not re.fullmatch(r"[^/\n]+", text):
        raise remedy("the name of a file, without a folder")
    return text


def _sha256(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise remedy("64 hex digits")
    return text


Listed = Annotated[list[Item], Field(min_length=1), AfterValidator(_once_each)]
Seeds = Listed[Seed]
Name = Annotated[str, AfterValidator(_name)]
Text = Annotated[str, Field(min_length=1)]
Points = Annotated[int, Field(ge=1, le=10**7)]
Million = Annotated[int, Field(ge=1, le=10**6)]


class Select(Checked):
    """Which runs are planned."""

    corpora: Listed[str]
    priors: Literal["all"] | Listed[str]
    """Names of priors, or all that are no drafts."""
    seeds: Seeds
    role_seeds: dict[Role, Seeds]
    """Role -> seeds, where a role gets other seeds than the rest."""


class Data(Checked):
    """Where raw files come from."""

    mirror: str | None
    """A folder that is looked in before any download."""


class Ray(Checked):
    """The cluster that runs the jobs."""

    address: str | None


class File(Checked):
    """A raw file. `addresses` are tried in turn; `mirror` is a path below the mirror folder."""

    mirror: str
    bytes: Some
    sha256: Annotated[str, AfterValidator(_sha256)]
    addresses: list[str]


class Counts(Checked):
    """A number for each split."""

    train: Some
    valid: Some
    test: Some


class Expected(Checked):
    """Counts that must come out of a corpus; `width` is the number of symbols or keys."""

    sequences: Counts | None = None
    steps: Counts | None = None
    width: Some | None = None


class Prepare(Checked):
    """How a corpus is made: `source` is the dotted path of its reader, `packages` those whose versions count."""

    source: str
    options: dict[str, Value] = Field(default_factory=dict)
    files: dict[Annotated[str, AfterValidator(_file_name)], File] = Field(default_factory=dict)
    inputs: Text | None = None
    """A folder or a glob of files of one's own."""
    packages: list[str] = Field(default_factory=list)
    expect: Expected = Expected()
    min_length: Some | None = None
    max_length: Some | None = None


class Corpus(Sections):
    """A data set: the kind of its data, the roles of the variants that are trained on it, and its own settings."""

    kind: Kind
    roles: Listed[Role]
    word: Text | None = None
    """The text that the picture of modes spells."""
    prepare: Prepare


Scope = Annotated[str, AfterValidator(_scope)]
"""Of a variant's settings: all corpora, or those of a kind."""


class Overrides(Checked):
    """Settings of an overlay, for all runs or for those of a corpus or of a prior."""

    all: Sections
    corpora: dict[Name, Sections]
    priors: dict[Name, Sections]


class Toy(Checked):
    """Flows on a plane: steps of Adam, points of a batch and of each split, layers and units of a MADE."""

    steps: Points
    batch: Points
    learning_rate: Annotated[float, Field(gt=0, le=1000)]
    train: Points
    test: Annotated[int, Field(ge=2, le=10**7)]
    layers: Annotated[int, Field(ge=1, le=256)]
    width: Annotated[int, Field(ge=3, le=65536)]
    seeds: Seeds


class Speed(Checked):
    """Sampling time: numbers of sequences, and how many lengths are measured how often."""

    batches: Listed[Million]
    lengths: Annotated[int, Field(ge=1, le=16)]
    repeats: Annotated[int, Field(ge=1, le=1000)]


class Bounds(Checked):
    """NLL by the number of importance samples, of some sequences of test (null: all)."""

    samples: Listed[Million]
    sequences: Annotated[int, Field(ge=2)] | None
    seed: Annotated[int, Field(ge=0, lt=2**32)]


class Tables(Checked):
    """What Markdown and LaTeX tables show: digits after the point, splits, and models that the paper quotes."""

    decimals: Annotated[int, Field(ge=0, le=12)]
    splits: Listed[Literal["test", "valid"]]
    others: bool


class MLflow(Checked):
    """What is mirrored to MLflow next to each run: the models of first seeds, or of all."""

    models: Literal["first", "all"]


class Draw(Checked):
    """Some points of a grid: how many, and the seed of the draw."""

    count: Some
    seed: Seed


Setting = Annotated[str, AfterValidator(_setting)]
"""`random`, or the dotted key of a setting."""


class Configuration(Checked):
    """A whole configuration of lnf."""

    name: Annotated[str, AfterValidator(_folder_name)]
    note: str
    """Shown below the report's answer."""
    select: Select
    data: Data
    ray: Ray
    defaults: Sections
    kinds: dict[Kind, Sections]
    corpora: dict[Annotated[str, AfterValidator(_corpus_name)], Corpus]
    priors: dict[Name, dict[Scope, Sections]]
    overrides: Overrides
    toy: Toy | None
    speed: Speed | None
    bounds: Bounds | None
    sweep: dict[Setting, Listed[Value] | Draw] | None
    """Setting -> its values, of the one prior that is selected; `random`: so many points of the grid."""
    mlflow: MLflow | None
    tables: Tables

    @classmethod
    def _meant(cls, key: str) -> str:
        return f"overrides.all.{key}?" if key in SECTIONS else super()._meant(key)


def schema() -> dict[str, Any]:
    """The JSON schema of an overlay, which may leave out any key, for editors."""
    form = _without_required(Configuration.model_json_schema())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **form}


def _without_required(form: Any) -> Any:
    if isinstance(form, dict):
        return {key: _without_required(value) for key, value in form.items() if key != "required"}
    return [_without_required(item) for item in form] if isinstance(form, list) else form


def check_names(values: Mapping[str, Any], declared: Declared) -> None:
    """Raise UserError if a corpus or prior is named that nothing defines, or whose rule file cannot be read."""
    corpora = values["corpora"]
    selected = values["select"]["priors"]
    for name, problem in declared.problems.items():
        if name in selected or (selected == "all" and name not in declared.drafts):
            raise UserError(problem)
    priors = {**declared.variants, **declared.problems}
    named = [
        ("select.corpora", values["select"]["corpora"], corpora, "corpus"),
        ("select.priors", [] if selected == "all" else selected, priors, "prior"),
        ("priors", values["priors"], priors, "prior"),
        ("overrides.corpora", values["overrides"]["corpora"], corpora, "corpus"),
        ("overrides.priors", values["overrides"]["priors"], priors, "prior"),
    ]
    for key, names, known, what in named:
        for name in names:
            if name not in known:
                raise UserError(f"config: {key}: {name}: unknown {what}{suggest(name, known)}")


def check_sources(values: Mapping[str, Any]) -> None:
    """Raise UserError if the source of a selected corpus is no function, or its kind no class."""
    for corpus in values["select"]["corpora"]:
        settings = values["corpora"][corpus]
        asked: list[tuple[str, str, Literal["function", "class"]]] = [
            ("prepare.source", settings["prepare"]["source"], "function"),
            ("kind", kind_path(settings["kind"]), "class"),
        ]
        for key, path, wanted in asked:
            try:
                sources().module_of(path, wanted)
            except UserError as problem:
                raise UserError(f"config: corpora.{corpus}.{key}: {problem}") from None


def check_sweep(values: Mapping[str, Any]) -> None:
    """Raise UserError for a sweep of not one prior, or whose settings and draw are not what their keys say."""
    sweep, selected = values["sweep"] or {}, values["select"]["priors"]
    if values["sweep"] is not None and (selected == "all" or len(selected) != 1):
        raise UserError(f"config: select.priors: {shown(selected)}: must be a list of one prior, which the sweep is of")
    for key, value in sweep.items():
        if (key == RANDOM) != isinstance(value, Mapping):
            right = "count and seed" if key == RANDOM else "a list of values"
            raise UserError(f"config: sweep.{key}: {shown(value)}: must be {right}")
    if values["sweep"] is not None and not set(sweep) - {RANDOM}:
        raise UserError("config: sweep: names no setting; SECTION.SETTING: [values] would be right")


def check_selection(
    values: Mapping[str, Any], priors: Mapping[str, PriorSpec], runs: Sequence[tuple[str, str, int]]
) -> None:
    """Raise UserError if a selected corpus or prior would be in no run, which is never what was meant."""
    for corpus in values["select"]["corpora"]:
        if corpus not in {run[0] for run in runs}:
            roles = ", ".join(values["corpora"][corpus]["roles"])
            raise UserError(f"config: select.corpora: {corpus}: no selected prior has a role that it trains ({roles})")
    for prior in [] if values["select"]["priors"] == "all" or values["sweep"] else values["select"]["priors"]:
        if prior not in {run[1] for run in runs}:
            role = priors[prior].role
            raise UserError(f"config: select.priors: {prior}: no selected corpus trains its role ({role})")


def check_specs(specs: Iterable[Spec]) -> None:
    """Raise UserError if settings of planned runs do not fit together: one line with all that is wrong, once each."""
    found: dict[str, list[str]] = {}
    for spec in specs:
        for misfit in misfits(spec):
            found.setdefault(str(misfit), []).append(f"{spec.corpus}/{spec.prior.name}")
    lines = []
    for line, runs in found.items():
        first, *others = dict.fromkeys(runs)
        lines.append(f"{first}{f' and {len(others)} more' if others else ''}: {line}")
    if lines:
        raise UserError(f"config: {'; '.join(lines)}")


def check_paths(folders: Collection[Path]) -> None:
    """Raise UserError if a folder that will be written to cannot be: for a file, a dangling link, a missing right."""
    for folder in folders:
        for place in (folder, *folder.parents):
            if place.is_symlink() and not place.exists():
                target = place.readlink()
                raise UserError(f"{place}: is a link to {target}, which is not there; make that, or remove the link")
            if place.exists():
                _require_writable(place, folder)
                break


def _require_writable(place: Path, folder: Path) -> None:
    if not place.is_dir():
        raise UserError(f"{place}: is a regular file, and {folder} must be a folder; move the file away")
    if not os.access(place, os.W_OK | os.X_OK):
        raise UserError(f"{place.absolute()}: cannot be written to; allow it, or work in another folder")


def suggest(name: str, known: Collection[str]) -> str:
    """`; did you mean X?`, or the known names if none is close."""
    close = get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(known)}"

"""The configuration: what is planned, and the spec of each planned run. Torch-free, for Snakemake and the command line.

Later layers win: defaults < kinds.KIND < corpora.NAME < priors.NAME.all < priors.NAME.KIND < overrides.all <
overrides.corpora.NAME < overrides.priors.NAME.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from lnf.errors import UserError
from lnf.plan import rule_files, validation
from lnf.spec import SECTIONS, PriorSpec, Spec

ROOT = Path(__file__).resolve().parents[2]
"""The folder that holds config.yaml, rules/ and workflow/."""

RUNS_CODE = "__use_yte__"
"""A key that has Snakemake run a configuration file as a template."""

Layer = tuple[str, Mapping[str, Any]]
"""Where settings come from, and the settings by section."""


@dataclass(frozen=True)
class Config:
    """A validated configuration: its values and the variants that rule files declare, in the tables' order."""

    values: Mapping[str, Any]
    priors: Mapping[str, PriorSpec]
    root: Path
    specs: dict[tuple[str, str, int], Spec] = field(default_factory=dict, init=False, repr=False, compare=False)
    """The specs that were resolved, each once."""

    def __getitem__(self, key: str) -> Any:
        return self.values[key]

    @property
    def name(self) -> str:
        """The folder of its results."""
        return str(self.values["name"])

    @cached_property
    def paper(self) -> "Config":
        """The configuration of the paper, with the variants declared here."""
        return Config(_read_yaml(self.root / "config.yaml"), self.priors, self.root)


def read(configfiles: Sequence[Path] = (), root: Path = ROOT) -> dict[str, Any]:
    """config.yaml with overlays merged over it as Snakemake does: mappings deeply, all else replaced."""
    values = _read_yaml(root / "config.yaml")
    for path in configfiles:
        values = merge(values, _read_yaml(Path(path)))
    return values


def named(name: str, configfiles: Sequence[Path] = (), root: Path = ROOT) -> list[Config]:
    """The configurations of that name: of the overlays given, else of config.yaml and every overlay beside the schema.

    Raises UserError if there is none.
    """
    folder = root / "workflow" / "configs"
    choices = [list(configfiles)] if configfiles else [[], *([path] for path in sorted(folder.glob("*.yaml")))]
    found = [load(values, root) for values in (read(choice, root) for choice in choices) if values["name"] == name]
    if not found:
        where = ", ".join(map(str, configfiles)) or f"config.yaml or {folder.relative_to(root)}"
        raise UserError(f"config: name: no configuration {name!r} in {where}; name its overlay with --configfile")
    return found


def load(values: Mapping[str, Any], root: Path = ROOT) -> Config:
    """A configuration from its merged values. Raises UserError, one line, for the first mistake found."""
    validation.check_schema(values, root / "workflow" / "schema.yaml")
    declared = rule_files.read_all(root / "rules" / "priors")
    order = [name for name in values["priors"] if name in declared]
    config = Config(values, {name: declared[name] for name in [*order, *declared]}, root)
    validation.check_names(values, declared)
    validation.check_sources(values)
    validation.check_selection(config.values, config.priors, plan(config))
    validation.check_specs(resolve(config, *run) for run in plan(config))
    return config


def plan(config: Config) -> list[tuple[str, str, int]]:
    """(corpus, prior, seed) of every training run, corpora and priors in the order of their selection."""
    select = config["select"]
    priors = list(config.priors) if select["priors"] == "all" else select["priors"]
    return [
        (corpus, prior, seed)
        for corpus in select["corpora"]
        for prior in priors
        if config.priors[prior].role in config["corpora"][corpus]["roles"]
        for seed in select["role_seeds"].get(config.priors[prior].role, select["seeds"])
    ]


def resolve(config: Config, corpus: str, prior: str, seed: int) -> Spec:
    """The spec of a run. Raises UserError for an unknown corpus or prior and for a value of a wrong type."""
    if (corpus, prior, seed) not in config.specs:
        config.specs[corpus, prior, seed] = _resolved(config, corpus, prior, seed)
    return config.specs[corpus, prior, seed]


def _resolved(config: Config, corpus: str, prior: str, seed: int) -> Spec:
    merged: dict[str, Any] = {}
    for _, settings in _layers(config, corpus, prior):
        merged = merge(merged, settings)
    variant = config.priors[prior]
    kind = config["corpora"][corpus]["kind"]
    head = {"corpus": corpus, "kind": kind, "seed": seed, "prior": _fields(variant)}
    try:
        return Spec.from_dict({**head, **merged})
    except UserError as problem:
        raise UserError(f"config: {corpus}/{prior}: {problem}") from None


def explain(config: Config, corpus: str, prior: str, seed: int) -> dict[str, tuple[Any, str]]:
    """Dotted key of the spec -> (value, where it came from)."""
    spec = resolve(config, corpus, prior, seed)
    origins = dict.fromkeys(flatten({"prior": _fields(config.priors[prior])}), f"rules/priors ({prior})")
    for origin, settings in _layers(config, corpus, prior):
        origins |= dict.fromkeys(flatten(settings), origin)
    origins |= {"corpus": "argument", "seed": "argument", "kind": f"corpora.{corpus}.kind"}
    return {key: (value, origins.get(key, "lnf/spec.py")) for key, value in flatten(spec.to_dict()).items()}


def differs(config: Config, corpus: str, prior: str, seed: int) -> dict[str, list[Any]]:
    """Dotted key -> [ours, paper] of a run's settings that are not those of config.yaml, which may lack the corpus."""
    if corpus not in config.paper["corpora"]:
        return {"corpus": [corpus, None]}
    ours = flatten(resolve(config, corpus, prior, seed).to_dict())
    paper = flatten(resolve(config.paper, corpus, prior, seed).to_dict())
    return {key: [value, paper[key]] for key, value in ours.items() if value != paper[key]}


def corpus_settings(config: Config, corpus: str) -> dict[str, Any]:
    """What `prepare` is given for a corpus: kind, length prior and its `prepare` section.

    Overrides of the length prior do not count: the prepared corpus is shared by all configurations.
    """
    values = config["corpora"][corpus]
    layers = (config["defaults"], config["kinds"][values["kind"]], values)
    lengths: dict[str, Any] = {}
    for layer in layers:
        lengths |= layer.get("lengths", {})
    return {"kind": values["kind"], "lengths": lengths, **values["prepare"]}


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`above` over `below`: mappings are merged deeply, everything else is replaced. Neither is changed."""
    merged = dict(below)
    for key, value in above.items():
        if isinstance(value, Mapping):
            under = merged.get(key)
            merged[key] = merge(under if isinstance(under, Mapping) else {}, value)
        else:
            merged[key] = value
    return merged


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _layers(config: Config, corpus: str, prior: str) -> Iterator[Layer]:
    """The layers of a run's settings, the last one strongest."""
    for section, name, known in (("corpora", corpus, config["corpora"]), ("priors", prior, config.priors)):
        if name not in known:
            raise UserError(f"config: {name}: no such entry in {section}{validation.suggest(name, known)}")
    kind = config["corpora"][corpus]["kind"]
    yield "defaults", config["defaults"]
    yield f"kinds.{kind}", config["kinds"][kind]
    settings = config["corpora"][corpus]
    yield f"corpora.{corpus}", {key: settings[key] for key in SECTIONS if key in settings}
    for scope in ("all", kind):
        yield f"priors.{prior}.{scope}", config["priors"].get(prior, {}).get(scope, {})
    overrides = config["overrides"]
    yield "overrides.all", overrides["all"]
    yield f"overrides.corpora.{corpus}", overrides["corpora"].get(corpus, {})
    yield f"overrides.priors.{prior}", overrides["priors"].get(prior, {})


def _fields(variant: PriorSpec) -> dict[str, Any]:
    return dict(vars(variant))


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _OnceEach)
    except FileNotFoundError:
        raise UserError(f"config: {path}: no such file") from None
    except OSError as problem:
        raise UserError(f"config: {path}: cannot be read: {problem.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as problem:
        raise UserError(f"config: {path}: not YAML: {' '.join(str(problem).split())}") from None
    if not isinstance(values, dict):
        raise UserError(f"config: {path}: must hold keys at its top level")
    if RUNS_CODE in values:
        raise UserError(f"config: {path}: {RUNS_CODE}: runs code that stands in the file; write the values themselves")
    try:
        json.dumps(values, default=str)
    except (ValueError, RecursionError):
        raise UserError(f"config: {path}: an anchor holds itself; it must not") from None
    return values


class _OnceEach(yaml.SafeLoader):
    """YAML in which a key stands once in a mapping; of two, YAML's own loader takes the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value if not key.tag.endswith(":merge")]
        twice = next((key for n, key in enumerate(keys) if key in keys[:n]), None)
        if twice is not None:
            line = node.start_mark.line + 1
            raise yaml.constructor.ConstructorError(
                problem=f"the key {twice!r} stands twice in the mapping of line {line}"
            )
        return super().construct_mapping(node, deep)

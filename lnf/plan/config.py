"""The configuration: what is planned, and the spec of each planned run. Torch-free, for Snakemake and the command line.

Later layers win, the more specific ones: defaults < kinds.KIND < corpora.NAME < overrides.all < the rule file of the
prior < priors.NAME.all < priors.NAME.KIND < overrides.corpora.NAME < overrides.priors.NAME < sweep.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from lnf.errors import UserError
from lnf.fields import build
from lnf.plan import form, options, rule_files
from lnf.plan.form import Configuration
from lnf.plan.rule_files import Variant
from lnf.plan.sweeps import LEFT_OUT, Point, points_of
from lnf.spec import SECTIONS, PriorSpec, Spec, class_path

ROOT = Path(__file__).resolve().parents[2]
"""The folder that holds config.yaml, rules/ and workflow/."""

RUNS_CODE = "__use_yte__"
"""A key that has Snakemake run a configuration file as a template."""

Layer = tuple[str, Mapping[str, Any]]
"""Where settings come from, and the settings by section."""
NAMES = ("prior.name", "prior.label")
ONE_LAYER = {"model": {"flow_layers": 1}}
"""What hidden 'none' needs: several transforms given one context do no more than one."""


@dataclass(frozen=True)
class Config:
    """A validated configuration: its values and the variants that rule files declare, in the tables' order."""

    values: Mapping[str, Any]
    variants: Mapping[str, Variant]
    root: Path
    problems: Mapping[str, str] = field(default_factory=dict)
    """Rule file, without its ending -> why it cannot be read."""
    points: Mapping[str, Point] = field(default_factory=dict)
    """Variants that are points of a sweep, by name."""
    specs: dict[tuple[str, str, int], Spec] = field(default_factory=dict, init=False, repr=False, compare=False)
    """The specs that were resolved, each once."""

    def __getitem__(self, key: str) -> Any:
        return self.values[key]

    @cached_property
    def priors(self) -> dict[str, PriorSpec]:
        """Name -> the mathematics of each variant."""
        return {name: variant.prior for name, variant in self.variants.items()}

    @property
    def rule_files(self) -> list[Path]:
        """The rule files of the variants that are planned."""
        planned = {run[1] for run in plan(self)}
        files = [variant.file for name, variant in self.variants.items() if name in planned]
        return [file for file in dict.fromkeys(files) if file is not None]

    def base_of(self, prior: str) -> str:
        """The prior that a variant is a point of; else the variant itself."""
        return self.points[prior].base if prior in self.points else prior

    @property
    def name(self) -> str:
        """The folder of its results."""
        return str(self.values["name"])

    @cached_property
    def paper(self) -> "Config":
        """The configuration of the paper, with the variants declared here."""
        return Config(_read_yaml(self.root / "config.yaml"), self.variants, self.root)


def read(configfiles: Sequence[Path] = (), root: Path = ROOT) -> dict[str, Any]:
    """config.yaml with overlays merged over it as Snakemake does: mappings deeply, all else replaced."""
    values = _read_yaml(root / "config.yaml")
    for path in configfiles:
        values = merge(values, _read_yaml(Path(path)))
    return values


def named(name: str, configfiles: Sequence[Path] = (), root: Path = ROOT) -> list[Config]:
    """The configurations of that name: of the overlays given, else of config.yaml and every overlay next to the schema.

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
    try:
        build(Configuration, values, "")
    except UserError as problem:
        raise UserError(f"config: {problem}") from None
    declared = rule_files.read_all(root / "rules" / "priors")
    order = [name for name in values["priors"] if name in declared.variants]
    form.check_names(values, declared)
    form.check_sources(values)
    form.check_sweep(values)
    variants = {name: declared.variants[name] for name in [*order, *declared.variants]}
    points = {}
    if values["sweep"] is not None:
        (base,) = values["select"]["priors"]
        points = {point.name: point for point in points_of(values["sweep"], base)}
        variants |= {name: point.of(variants[base]) for name, point in points.items()}
    config = Config(values, variants, root, declared.problems, points)
    form.check_selection(config.values, config.priors, plan(config))
    _check_options(config)
    form.check_specs(resolve(config, *run) for run in plan(config))
    return config


def plan(config: Config) -> list[tuple[str, str, int]]:
    """(corpus, prior, seed) of every training run, corpora and priors in the order of their selection."""
    select = config["select"]
    finished = [name for name, variant in config.variants.items() if not variant.draft]
    priors = finished if select["priors"] == "all" else list(config.points) or select["priors"]
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
    if variant.hidden == "none":
        merged = merge(merged, ONE_LAYER)
    kind = config["corpora"][corpus]["kind"]
    head = {"corpus": corpus, "kind": kind, "seed": seed, "prior": _fields(variant)}
    given = merged.get("options", {})
    try:
        merged["options"] = {
            part: options.complete(class_path(part, name), given.get(part, {}), f"options.{part}")
            for part, name in variant.parts.items()
        }
        return Spec.from_dict({**head, **merged})
    except UserError as problem:
        raise UserError(f"config: {corpus}/{prior}: {problem}") from None


def explain(config: Config, corpus: str, prior: str, seed: int) -> dict[str, tuple[Any, str]]:
    """Dotted key of the spec -> (value, where it came from)."""
    spec = resolve(config, corpus, prior, seed)
    origins = dict.fromkeys(flatten({"prior": _fields(config.priors[prior])}), f"rules/priors ({prior})")
    for origin, settings in _layers(config, corpus, prior):
        origins |= dict.fromkeys(flatten(settings), origin)
    if spec.prior.hidden == "none":
        origins |= dict.fromkeys(flatten(ONE_LAYER), "hidden 'none'")
    origins |= {"corpus": "argument", "seed": "argument", "kind": f"corpora.{corpus}.kind"}
    return {key: (value, origins.get(key, "default of the code")) for key, value in flatten(spec.to_dict()).items()}


def differs(config: Config, corpus: str, prior: str, seed: int) -> dict[str, list[Any]]:
    """Dotted key -> [ours, paper] of a run's settings that are not those of config.yaml, which may lack the corpus."""
    if corpus not in config.paper["corpora"]:
        return {"corpus": [corpus, None]}
    ours = flatten(resolve(config, corpus, prior, seed).to_dict())
    paper = flatten(resolve(config.paper, corpus, config.base_of(prior), seed).to_dict())
    other = {key: [value, paper.get(key)] for key, value in ours.items() if value != paper.get(key)}
    return {key: both for key, both in other.items() if prior not in config.points or key not in NAMES}


def beyond_the_paper(config: Config) -> dict[str, Any]:
    """The overlay of a configuration: its values that are not those of config.yaml, without its sweep."""
    return _changes(_read_yaml(config.root / "config.yaml"), {**config.values, "sweep": None})


def _changes(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """What `merge` over `below` gives `above`."""
    changed: dict[str, Any] = {}
    for key, value in above.items():
        under = below.get(key, ...)
        if isinstance(value, Mapping) and isinstance(under, Mapping):
            if inner := _changes(under, value):
                changed[key] = inner
        elif value != under:
            changed[key] = value
    return changed


def corpus_settings(config: Config, corpus: str) -> dict[str, Any]:
    """What `prepare` is given for a corpus: kind, length prior and its `prepare` section.

    Overrides of the length prior do not count: the prepared corpus is shared by all configurations.
    """
    values = config["corpora"][corpus]
    layers = (config["defaults"], config["kinds"].get(values["kind"], {}), values)
    lengths: dict[str, Any] = {}
    for layer in layers:
        lengths |= layer.get("lengths", {})
    prepare = values["prepare"]
    chosen = options.complete(
        prepare["source"], prepare.get("options", {}), f"config: corpora.{corpus}.prepare.options"
    )
    return {"kind": values["kind"], "lengths": lengths, **prepare, **({"options": chosen} if chosen else {})}


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
        if section == "priors" and name in config.problems:
            raise UserError(config.problems[name])
        if name not in known:
            raise UserError(f"config: {name}: no such entry in {section}{form.suggest(name, known)}")
    values, kind = config.values, config["corpora"][corpus]["kind"]
    takes = {part: options.known_options(class_path(part, name)) for part, name in config.priors[prior].parts.items()}
    settings = {key: value for key, value in values["corpora"][corpus].items() if key in SECTIONS}
    overrides = values["overrides"]
    for origin, general in (
        ("defaults", values["defaults"]),
        (f"kinds.{kind}", values["kinds"].get(kind, {})),
        (f"corpora.{corpus}", settings),
        ("overrides.all", overrides["all"]),
    ):
        yield origin, _applicable(general, takes)
    yield f"rules/priors ({prior})", {"options": config.variants[prior].options}
    base = config.base_of(prior)
    for scope in ("all", kind):
        yield f"priors.{base}.{scope}", values["priors"].get(base, {}).get(scope, {})
    yield f"overrides.corpora.{corpus}", _applicable(overrides["corpora"].get(corpus, {}), takes)
    yield f"overrides.priors.{base}", overrides["priors"].get(base, {})
    if prior in config.points:
        yield "sweep", merge(config.points[prior].sections, LEFT_OUT)


def _check_options(config: Config) -> None:
    """Raise UserError for an option that no planned prior has, or that is of a part which its prior lacks."""
    values, overrides = config.values, config["overrides"]
    planned = dict.fromkeys(run[1] for run in plan(config))
    known = {
        (part, name)
        for prior in planned
        for part, path in config.priors[prior].parts.items()
        for name in options.known_options(class_path(part, path))
    }
    general = {"defaults": values["defaults"], "overrides.all": overrides["all"]}
    for key, settings in (
        ("kinds", values["kinds"]),
        ("corpora", values["corpora"]),
        ("overrides.corpora", overrides["corpora"]),
    ):
        general |= {f"{key}.{name}": entry for name, entry in settings.items()}
    for origin, settings in general.items():
        for part, given in settings.get("options", {}).items():
            for name in given:
                if (part, name) not in known:
                    raise UserError(f"config: {origin}.options.{part}.{name}: no planned prior has such an option")
    for prior in planned:
        base = config.base_of(prior)
        scopes = {f"priors.{base}.{scope}": entry for scope, entry in values["priors"].get(base, {}).items()}
        own = {f"overrides.priors.{base}": overrides["priors"].get(base, {}), **scopes}
        if prior in config.points:
            own["sweep"] = config.points[prior].sections
        own[f"rules/priors ({prior})"] = {"options": config.variants[prior].options}
        for origin, settings in own.items():
            for part in settings.get("options", {}):
                if part not in config.priors[prior].parts:
                    raise UserError(f"config: {origin}.options.{part}: {prior} has no {part}")


def _applicable(settings: Mapping[str, Any], takes: Mapping[str, Collection[str]]) -> Mapping[str, Any]:
    """Settings for several priors, without the options of classes that this one is not made of."""
    if "options" not in settings:
        return settings
    chosen = {
        part: {name: value for name, value in given.items() if name in takes.get(part, ())}
        for part, given in settings["options"].items()
    }
    return {**settings, "options": {part: given for part, given in chosen.items() if given}}


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
        raise UserError(f"config: {path}: {RUNS_CODE}: runs code from the file; write the values themselves")
    try:
        json.dumps(values, default=str)
    except (ValueError, RecursionError):
        raise UserError(f"config: {path}: an anchor holds itself; it must not") from None
    return values


class _OnceEach(yaml.CSafeLoader):  # its parser is in C, eight times as fast as yaml.SafeLoader's
    """YAML in which a mapping has each key once; of two, YAML's own loader takes the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value if not key.tag.endswith(":merge")]
        twice = next((key for n, key in enumerate(keys) if key in keys[:n]), None)
        if twice is not None:
            line = node.start_mark.line + 1
            raise yaml.constructor.ConstructorError(
                problem=f"the key {twice!r} is given twice in the mapping of line {line}"
            )
        return super().construct_mapping(node, deep)

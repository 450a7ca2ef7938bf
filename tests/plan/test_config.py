"""Configuration: plan, precedence, and one line for each mistake."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import yaml

from lnf.errors import UserError
from lnf.plan import config, form
from lnf.spec import SECTIONS, PriorSpec, RunContext, Spec, without_neutral
from lnf.system.files import digest

PAPER = config.load(config.read())
PRIORS = ["lstm", "af_only", "af_af", "af_scf", "iaf_scf", "af_af_affine", "af_none", "af_none_affine", "af_af_2d"]
MUSIC = ["nottingham", "piano_midi", "muse_data", "jsb_chorales"]


def loaded(changes: dict[str, Any]) -> config.Config:
    return config.load(config.merge(config.read(), changes))


def mistake(changes: dict[str, Any]) -> str:
    with pytest.raises(UserError) as caught:
        loaded(changes)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_paper_plans_72_runs_and_a_picture() -> None:
    runs = config.plan(PAPER)
    assert len(runs) == len(set(runs)) == 73
    assert {run[1] for run in runs if run[0] == "ptb"} == set(PRIORS)
    for corpus in MUSIC:
        assert {run[1] for run in runs if run[0] == corpus} == {"lstm", "af_af", "af_scf", "iaf_scf"}
    assert {run[2] for run in runs} == {0, 1, 2} and [run for run in runs if run[1] == "af_af_2d"] == [
        ("ptb", "af_af_2d", 0)
    ]
    assert [name for name, variant in PAPER.variants.items() if not variant.draft] == PRIORS


def test_defaults_are_complete_and_equal_the_dataclasses() -> None:
    for section, kind in SECTIONS.items():
        if section != "options":  # the paper's classes have none
            assert kind(**PAPER["defaults"][section]) == kind()
            assert set(PAPER["defaults"][section]) == set(kind.model_fields)


def test_paper_overrides_nothing() -> None:
    assert PAPER["overrides"] == {"all": {}, "corpora": {}, "priors": {}}
    assert config.differs(PAPER, "ptb", "iaf_scf", 0) == {}


@pytest.mark.parametrize(
    ("corpus", "prior", "expected"),
    [
        ("ptb", "af_af", {"model.flow_layers": 5, "model.dropout": 0.2, "train.batch": 15, "train.patience": 1}),
        ("ptb", "af_af", {"train.kl_floor_epochs": 4, "train.kl_ramp_epochs": 10, "train.elbo_samples": 10}),
        ("ptb", "af_af", {"lengths.smoothing": "none", "lengths.headroom": 1.0, "evaluate.samples": 30}),
        ("ptb", "iaf_scf", {"model.flow_layers": 3, "model.dropout": 0.0}),
        ("nottingham", "iaf_scf", {"model.flow_layers": 5, "model.dropout": 0.2, "train.batch": 5}),
        ("nottingham", "af_af", {"train.valid_batch": 1, "train.kl_floor_epochs": 20, "train.kl_ramp_epochs": 15}),
        ("jsb_chorales", "af_af", {"train.batch": 5, "train.valid_batch": 64, "train.elbo_samples": 1}),
        ("piano_midi", "af_scf", {"train.batch": 1, "train.accumulate": 8, "evaluate.samples": 4, "train.patience": 2}),
        ("muse_data", "af_scf", {"train.batch": 1, "train.accumulate": 8, "evaluate.samples": 4}),
        ("ptb", "lstm", {"train.optimizer": "sgd", "train.learning_rate": 20.0, "model.dropout": 0.1}),
        ("ptb", "lstm", {"train.patience": 1, "train.elbo_samples": 1, "train.kl_anneal": False}),
        ("muse_data", "lstm", {"train.batch": 15, "train.accumulate": 1, "train.patience": 4, "model.dropout": 0.1}),
        ("ptb", "af_none", {"model.flow_layers": 1, "model.dropout": 0.2}),
        ("jsb_chorales", "lstm", {"lengths.smoothing": "add_one", "lengths.headroom": 1.25}),
    ],
)
def test_published_settings(corpus: str, prior: str, expected: dict[str, Any]) -> None:
    values = config.flatten(config.resolve(PAPER, corpus, prior, 0).to_dict())
    assert {key: values[key] for key in expected} == expected


def test_later_layers_win() -> None:
    layers = [
        ("defaults", {"defaults": {"train": {"batch": 1}}}),
        ("kinds.music", {"kinds": {"music": {"train": {"batch": 2}}}}),
        ("corpora.jsb_chorales", {"corpora": {"jsb_chorales": {"train": {"batch": 3}}}}),
        ("overrides.all", {"overrides": {"all": {"train": {"batch": 4}}}}),
        ("priors.af_af.all", {"priors": {"af_af": {"all": {"train": {"batch": 5}}}}}),
        ("priors.af_af.music", {"priors": {"af_af": {"music": {"train": {"batch": 6}}}}}),
        ("overrides.corpora.jsb_chorales", {"overrides": {"corpora": {"jsb_chorales": {"train": {"batch": 7}}}}}),
        ("overrides.priors.af_af", {"overrides": {"priors": {"af_af": {"train": {"batch": 8}}}}}),
    ]
    values = config.read()
    del values["corpora"]["jsb_chorales"]["train"]["batch"]
    for value, (origin, layer) in enumerate(layers, start=1):
        values = config.merge(values, layer)
        ours = config.load(values)
        assert config.resolve(ours, "jsb_chorales", "af_af", 0).train.batch == value
        assert config.explain(ours, "jsb_chorales", "af_af", 0)["train.batch"] == (value, origin)
        assert config.resolve(ours, "ptb", "af_scf", 0).train.batch == (1 if value < 4 else 4)


def test_differs_names_ours_and_the_papers() -> None:
    ours = loaded({"overrides": {"all": {"train": {"batch": 4}}}})
    assert config.differs(ours, "ptb", "af_af", 1) == {"train.batch": [4, 15]}


def test_role_seeds_restrict_a_role() -> None:
    runs = config.plan(loaded({"select": {"role_seeds": {"ablation": [7]}}}))
    assert [run[2] for run in runs if run[1] == "af_none"] == [7]
    assert [run[2] for run in runs if run[1] == "af_only"] == [0, 1, 2]


def test_merging_is_deep_and_replaces_lists(tmp_path: Path) -> None:
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("select: {seeds: [4]}\nname: mine\n")
    values = config.read([overlay])
    assert values["select"]["seeds"] == [4]
    assert values["select"]["corpora"] == PAPER["select"]["corpora"]


@pytest.mark.parametrize("overlay", sorted(path.stem for path in (config.ROOT / "workflow" / "configs").glob("*.yaml")))
def test_overlays_load_under_their_own_name(overlay: str) -> None:
    """And have the paper's corpora, if of another kind."""
    ours = config.load(config.read([config.ROOT / "workflow" / "configs" / f"{overlay}.yaml"]))
    assert ours.name == overlay
    for corpus in {run[0] for run in config.plan(ours)} & PAPER["corpora"].keys():
        here, paper = (config.corpus_settings(one, corpus) for one in (ours, PAPER))
        assert {**here, "kind": None} == {**paper, "kind": None}


OVERLAYS = [None, *sorted((config.ROOT / "workflow" / "configs").glob("*.yaml"))]


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.stem if path else "paper")
def test_committed_configurations_resolve_to_the_same_specs_as_ever(overlay: Path | None) -> None:
    """specs.json: configuration -> corpus/prior -> digest of the spec without its seed and without settings that came
    later and are at their neutral values.
    """
    ours = config.load(config.read([overlay] if overlay else []))
    found = {}
    for corpus, prior, seed in config.plan(ours):
        spec = without_neutral(config.resolve(ours, corpus, prior, seed).to_dict())
        del spec["seed"]
        found[f"{corpus}/{prior}"] = digest(spec)
    kept = json.loads(Path(__file__).with_name("specs.json").read_text(encoding="utf-8"))[ours.name]
    assert found == kept, "a committed configuration changed; if that is meant, put its new digests into specs.json"


def test_the_schema_for_editors_is_that_of_the_code() -> None:
    written = json.loads((config.ROOT / "workflow" / "schema.json").read_text(encoding="utf-8"))
    assert written == form.schema(), "run `lnf schema > workflow/schema.json`"


def few_epochs(floor: int, ramp: int, least: int) -> str:
    return (
        f"train.epochs: 15: a best epoch is chosen only after the KL ramp (kl_floor_epochs {floor} and kl_ramp_epochs"
        f" {ramp}), so it must be at least {least}, or kl_floor_epochs + kl_ramp_epochs of at most 13, or kl_anneal:"
        " false"
    )


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"defaults": {"train": {"epocs": 3}}},
            "defaults.train.epocs: unknown key; did you mean defaults.train.epochs?",
        ),
        ({"train": {"epochs": 3}}, "train: unknown key; did you mean overrides.all.train?"),
        ({"selct": {}}, "selct: unknown key; did you mean select?"),
        ({"defaults": {"train": {"epochs": "many"}}}, "defaults.train.epochs: 'many': must be a whole number"),
        ({"defaults": {"train": {"epochs": -1}}}, "defaults.train.epochs: -1: must be at least 1"),
        ({"defaults": {"train": {"batch": True}}}, "defaults.train.batch: true: must be a whole number"),
        (
            {"defaults": {"train": {"learning_rate": "1e-3"}}},
            "defaults.train.learning_rate: '1e-3': must be a number (YAML wants a dot: 1.0e-3)",
        ),
        ({"defaults": {"train": {"optimizer": "adm"}}}, "defaults.train.optimizer: 'adm': must be one of adam, sgd"),
        ({"corpora": {2012: {}}}, "corpora.2012: a key must be a text; put it in quotes"),
        ({"defaults": {"train": {"clip": math.inf}}}, "defaults.train.clip: inf: must be a finite number"),
        ({"data": None}, "data: null: must be a mapping (there is nothing after the key, or null)"),
        (
            {"name": "a/b"},
            "name: 'a/b': must be at most 64 letters, digits, _ and -, as it names the folder of the results",
        ),
        ({"select": {"seeds": [0, 0]}}, "select.seeds: [0, 0]: must be a list that holds each value once"),
        ({"select": {"seeds": []}}, "select.seeds: []: must be a list of at least 1"),
        ({"select": {"priors": ["af_aff"]}}, "select.priors: af_aff: unknown prior; did you mean af_af?"),
        ({"select": {"corpora": ["ptbb"]}}, "select.corpora: ptbb: unknown corpus; did you mean ptb?"),
        ({"priors": {"af_sfc": {}}}, "priors: af_sfc: unknown prior; did you mean af_scf?"),
        ({"overrides": {"priors": {"lstmm": {}}}}, "overrides.priors: lstmm: unknown prior; did you mean lstm?"),
        ({"overrides": {"corpora": {"pbt": {}}}}, "overrides.corpora: pbt: unknown corpus; did you mean ptb?"),
        ({"corpora": {"new": {"kind": "text"}}}, "corpora.new.roles: missing"),
        (
            {"corpora": {"ptb": {"kind": "txt"}}},
            "corpora.ptb.kind: 'txt': must be one of text, music, symbols, or the dotted path of a class",
        ),
        (
            {"overrides": {"all": {"resources": {"gpus": "al"}}}},
            "overrides.all.resources.gpus: 'al': must be a number or auto",
        ),
        (
            {"select": {"priors": ["af_none"], "corpora": ["jsb_chorales"]}},
            "select.corpora: jsb_chorales: no selected prior has a role that it trains (main, beyond)",
        ),
        (
            {"select": {"priors": ["lstm", "af_none"], "corpora": ["jsb_chorales"]}},
            "select.priors: af_none: no selected corpus trains its role (ablation)",
        ),
        (
            {"defaults": {"model": {"flow_hidden": 50}}},
            "ptb/af_only and 6 more: model.flow_hidden: 50: must exceed model.latent (50) with hidden 'af'",
        ),
        (
            {"defaults": {"train": {"epochs": 15}}},
            f"ptb/af_only and 7 more: {few_epochs(4, 10, 16)}; nottingham/af_af and 11 more: {few_epochs(20, 15, 37)}",
        ),
        (
            {"overrides": {"corpora": {"ptb": {"subset": {"train": 9}}}}},
            "ptb/lstm and 8 more: lengths.smoothing: none: must be add_one when subset draws from a corpus",
        ),
        (
            {"overrides": {"corpora": {"ptb": {"train": {"transpose": 5}}}}},
            "ptb/lstm and 8 more: train.transpose: 5: must be 0 for text, which has no keys to be moved along",
        ),
    ],
)
def test_mistakes_get_one_line(changes: dict[str, Any], line: str) -> None:
    assert mistake(changes) == f"config: {line}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "not YAML"),
        ("- a", "must hold keys"),
        (None, "no such file"),
        (
            "name: a\nselect: {seeds: [0]}\nselect: {seeds: [1]}\n",
            "the key 'select' is given twice in the mapping of line 1",
        ),
        (
            "overrides:\n  all: {train: {epochs: 3,\n    epochs: 4}}\n",
            "the key 'epochs' is given twice in the mapping of line 2",
        ),
        ("a: &a\n  b: *a\n", "an anchor holds itself"),
        ("a: \udce4".encode("utf-8", "surrogateescape"), "not YAML"),
    ],
    ids=str,
)
def test_unreadable_configuration_files(tmp_path: Path, text: str | bytes | None, words: str) -> None:
    path = tmp_path / "overlay.yaml"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=words) as caught:
        config.read([path])
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_folder_is_no_configuration_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        config.read([tmp_path])


def test_anchors_and_merges_are_yaml(tmp_path: Path) -> None:
    path = tmp_path / "overlay.yaml"
    path.write_text("base: &base {x: 1, y: 2}\nname: {<<: *base, y: 3}\n", encoding="utf-8")
    assert config.read([path])["name"] == {"x": 1, "y": 3}


def test_results_below_a_regular_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("results").write_text("", encoding="utf-8")
    with pytest.raises(UserError, match=r"^results: is a regular file, and results/paper/ptb must be a folder"):
        form.check_paths([Path("data"), Path("results", "paper", "ptb")])


def test_a_corpus_of_ones_own_is_no_corpus_of_the_paper() -> None:
    mine = {"mine": {**PAPER["corpora"]["markov"]}}
    ours = config.load(config.merge(config.read(), {"corpora": mine, "select": {"corpora": ["mine"]}}))
    assert config.differs(ours, "mine", "af_af", 0) == {"corpus": ["mine", None]}


def test_spec_survives_json() -> None:
    spec = config.resolve(PAPER, "ptb", "iaf_scf", 2)
    assert Spec.from_dict(yaml.safe_load(yaml.safe_dump(spec.to_dict()))) == spec
    context = RunContext("paper", {"spec": "a"}, {"train.batch": [1, 2]})
    assert RunContext.from_dict(context.to_dict()) == context
    minimal = Spec.from_dict({"corpus": "c", "kind": "text", "seed": 0, "prior": {"name": "a", "label": "A"}})
    assert minimal.prior == PriorSpec(name="a", label="A")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"seed": 0.5}, "spec.seed: 0.5: must be a whole number"),
        ({"kind": "txt"}, "spec.kind: 'txt': must be one of text, music, symbols, or the dotted path of a class"),
        ({"train": {"epocs": 1}}, "spec.train.epocs: unknown key"),
        ({"train": 3}, "spec.train: 3: must be a mapping"),
        ({"resources": {"gpus": "all"}}, "spec.resources.gpus: 'all': must be a number or auto"),
        ({"prior": {"name": "a"}}, "spec.prior.label: missing"),
    ],
)
def test_mistakes_in_a_spec(change: dict[str, Any], line: str) -> None:
    values = config.resolve(PAPER, "ptb", "lstm", 0).to_dict()
    with pytest.raises(UserError) as caught:
        Spec.from_dict({**values, **change})
    assert str(caught.value).startswith(line)

"""Options of a user's classes: from the rule file and the configuration to the constructor, the digest and model.pt."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from lnf.corpora.batches import CorpusShape
from lnf.errors import UserError
from lnf.laws.contract import require_contract
from lnf.laws.instances import model_of, small
from lnf.laws.laws import BrokenLaw
from lnf.models.base import build_model
from lnf.plan import code_digests, config, options, origin, rule_files
from lnf.plan.digests import check_digest, spec_digest
from lnf.plan.results import run_of, told_of
from lnf.runs.checkpoint import load, save
from lnf.spec import CHECKED_KINDS, Spec

CLASSES = """
from typing import Literal
from lnf.flows.hidden import CouplingHidden
from lnf.models.latent import LatentModel
from lnf.flows.time import AutoregressiveTime
from lnf.flows.transforms import Affine


class Wide(CouplingHidden):
    def __init__(self, transform, width=100, *, factor: int = 2, **others):
        super().__init__(transform, width=factor * width, **others)


class Slow(AutoregressiveTime):
    def __init__(self, hidden, *, pace: float = 1.0, how: Literal["a", "b"] | None = None, **sizes):
        super().__init__(hidden, **sizes)
        self.pace, self.how = pace, how


class Slower(Slow):
    def __init__(self, hidden, *, more: bool, **options):
        super().__init__(hidden, **options)
        self.more = more


class Scaled(Affine):
    def __init__(self, *, scale: float = 1.0):
        self.scale = scale


class Named(LatentModel):
    def __init__(self, *sizes, title: str = "none"):
        super().__init__(*sizes)
        self.title = title


class Odd:
    def __init__(self, *, sizes: list[int] = [1]):
        pass


class Computed:
    def __init__(self, *, size: int = 2 * 3):
        pass
"""
RULES = """
FACTOR = 3
prior(
    "mine", label="Mine", model="my_options.Named", time="my_options.Slower", hidden="my_options.Wide",
    transform="my_options.Scaled", options={"hidden": {"factor": FACTOR}, "time": {"more": True}},
)
"""


@pytest.fixture(autouse=True)
def classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_options.py").write_text(CLASSES, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.fixture
def float64() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def loaded(tmp_path: Path, changes: dict[str, Any], rules: str = RULES) -> config.Config:
    """A configuration of the user's variant, and of the paper's."""
    folder = tmp_path / "root"
    for name in ("config.yaml", "rules/priors", "workflow"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if not (folder / name).exists():
            (folder / name).symlink_to(config.ROOT / name)
    (folder / "rules" / "priors").unlink()
    (folder / "rules" / "priors").mkdir()
    for file in rule_files.rule_files(config.ROOT / "rules" / "priors"):
        (folder / "rules" / "priors" / file.name).symlink_to(file)
    (folder / "rules" / "priors" / "mine.smk").write_text(rules, encoding="utf-8")
    return config.load(config.merge(config.read(), changes), folder)


def mine(tmp_path: Path, changes: dict[str, Any], rules: str = RULES) -> Spec:
    return config.resolve(loaded(tmp_path, changes, rules), "chorales", "mine", 0)


SELECTED = {"select": {"corpora": ["chorales"]}}


def test_options_reach_the_spec_with_their_defaults(tmp_path: Path) -> None:
    spec = mine(tmp_path, SELECTED)
    assert spec.options.model_dump() == {
        "model": {"title": "none"},
        "time": {"more": True, "pace": 1.0, "how": None},
        "hidden": {"factor": 3},
        "transform": {"scale": 1.0},
    }
    assert config.resolve(loaded(tmp_path / "2", SELECTED), "chorales", "af_af", 0).options.model_dump() == {
        "model": {}, "time": {}, "hidden": {}, "transform": {}
    }  # fmt: skip


def test_the_more_specific_layer_wins_and_others_variants_are_left_alone(tmp_path: Path) -> None:
    layers = [
        {"defaults": {"options": {"hidden": {"factor": 4}, "time": {"pace": 4}}}},
        {"kinds": {"music": {"options": {"time": {"pace": 5}}}}},
        {"corpora": {"chorales": {"options": {"time": {"pace": 6}}}}},
        {"overrides": {"all": {"options": {"time": {"pace": 7}}}}},
        {"priors": {"mine": {"all": {"options": {"time": {"pace": 8}}}}}},
        {"priors": {"mine": {"music": {"options": {"time": {"pace": 9}}}}}},
        {"overrides": {"corpora": {"chorales": {"options": {"time": {"pace": 10}}}}}},
        {"overrides": {"priors": {"mine": {"options": {"time": {"pace": 11}, "hidden": {"factor": 5}}}}}},
    ]
    changes: dict[str, Any] = SELECTED
    for number, layer in enumerate(layers):
        changes = config.merge(changes, layer)
        spec = mine(tmp_path / str(number), changes)
        assert spec.options.time["pace"] == 4 + number and type(spec.options.time["pace"]) is float
        assert spec.options.hidden["factor"] == (5 if number == 7 else 3)  # the rule file is above the defaults


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('"factor"', '"facto"', "options.hidden.facto: my_options.Wide has no such option; known are factor"),
        ("FACTOR = 3", 'FACTOR = "x"', "options.hidden.factor: 'x': must be a whole number"),
        ('"more": True', '"pace": 1.0', "options.time.more: missing; it has no default"),
        ('"more": True', '"more": True, "how": "c"', "options.time.how: 'c': must be one of a, b"),
        ('"time": {', '"tme": {', "prior mine: options.tme: unknown key; did you mean prior mine: options.time?"),
        (
            'options={"hidden": {"factor": FACTOR}, "time": {"more": True}}',
            'options="x"',
            "options: 'x': must be a mapping",
        ),
        ("FACTOR},", "OTHER},", "must be a literal, or a name that is assigned one above"),
        ("Scaled", "Odd", "option sizes: list[int]: annotate it with int, float, str, bool, None, Literal or a union"),
        ("Scaled", "Computed", "option size: its default 2 * 3 must be a literal"),
    ],
)
def test_a_mistake_in_the_options_of_a_rule_file_gets_one_line(tmp_path: Path, old: str, new: str, line: str) -> None:
    with pytest.raises(UserError) as caught:
        loaded(tmp_path, SELECTED, RULES.replace(old, new))
    assert line in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"kinds": {"music": {"options": {"time": {"pase": 1}}}}},
            "kinds.music.options.time.pase: no planned prior",
        ),
        ({"overrides": {"priors": {"lstm": {"options": {"time": {"a": 1}}}}}}, "options.time: lstm has no time"),
        ({"overrides": {"priors": {"mine": {"options": {"time": {"pace": [1]}}}}}}, "options.time.pace: [1]: must be"),
    ],
)
def test_a_mistake_in_the_options_of_a_configuration_gets_one_line(
    tmp_path: Path, changes: dict[str, Any], line: str
) -> None:
    with pytest.raises(UserError) as caught:
        loaded(tmp_path, {**SELECTED, **changes})
    assert line in str(caught.value) and "\n" not in str(caught.value)


def test_options_are_part_of_what_names_a_result(tmp_path: Path) -> None:
    one = mine(tmp_path, SELECTED)
    other = one.replace(options=one.options.replace(transform={"scale": 2.0}))
    assert spec_digest(one) != spec_digest(other) and check_digest(one, ["text"]) != check_digest(other, ["text"])


def test_tables_and_mlflow_show_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ours = loaded(tmp_path, SELECTED)
    run = run_of(ours, "chorales", "mine", 0)
    assert told_of(run)["label"] == "Mine (more = True, factor = 3)"
    assert told_of(run_of(ours, "chorales", "af_af", 0))["label"] == "AF / AF"
    assert config.flatten(run.spec.to_dict())["options.hidden.factor"] == 3
    assert config.explain(ours, "chorales", "mine", 0)["options.hidden.factor"] == (3, "rules/priors (mine)")


def test_a_model_is_rebuilt_with_the_options_that_it_was_trained_with(tmp_path: Path) -> None:
    size = {"latent": 3, "hidden": 6, "embedding": 5, "layers": 1, "flow_layers": 2, "flow_hidden": 7}
    spec = mine(tmp_path, {**SELECTED, "overrides": {"priors": {"mine": {"model": size}}}})
    spec = spec.replace(options=spec.options.replace(model={"title": "T"}, transform={"scale": 2.0}))
    shape = CorpusShape("music", 5, 8, torch.zeros(9))
    weights = build_model(spec, shape).state_dict()
    save(tmp_path / "model.pt", spec, shape, {}, "revision", {}, weights)
    (tmp_path / "my_options.py").write_text(CLASSES.replace("factor: int = 2", "factor: int = 9"), encoding="utf-8")
    rebuilt, _, _ = load(tmp_path / "model.pt")
    prior: Any = rebuilt.prior
    layer = prior.flow.layers[0]
    assert (rebuilt.title, prior.more, layer.transform.scale) == ("T", True, 2.0)
    assert layer.input.weight.shape[0] == 3 * 7


def test_laws_are_checked_with_the_options(tmp_path: Path, float64: None) -> None:
    spec = small(mine(tmp_path, SELECTED))
    require_contract(spec, CHECKED_KINDS)
    assert all(type(model_of(spec, kind)).__name__ == "Named" for kind in ("text", "music"))
    with pytest.raises(BrokenLaw, match="transform: Scaled"):
        require_contract(spec.replace(options=spec.options.replace(transform={"scael": 1.0})), CHECKED_KINDS)


def test_a_draft_joins_no_configuration_unless_it_is_selected(tmp_path: Path) -> None:
    draft = RULES.replace('label="Mine"', 'label="Mine", draft=True')
    assert "mine" not in {run[1] for run in config.plan(loaded(tmp_path, SELECTED, draft))}
    selected = {"select": {"corpora": ["chorales"], "priors": ["lstm", "mine"]}}
    ours = loaded(tmp_path / "2", selected, draft)
    assert {run[1] for run in config.plan(ours)} == {"lstm", "mine"}
    assert [path.name for path in ours.rule_files] == ["lstm.smk", "mine.smk"]


@pytest.mark.parametrize("rules", ["prior(", RULES.replace("my_options.Wide", "nowhere.Wide"), ""])
def test_a_rule_file_that_is_not_selected_stops_nothing(tmp_path: Path, rules: str) -> None:
    selected = {"select": {"corpora": ["chorales"], "priors": ["lstm"]}}
    ours = loaded(tmp_path, selected, rules)
    assert {run[1] for run in config.plan(ours)} == {"lstm"}
    with pytest.raises(UserError, match=r"^mine\.smk:"):
        config.resolve(ours, "chorales", "mine", 0)
    with pytest.raises(UserError, match=r"^mine\.smk:"):
        loaded(tmp_path / "2", {"select": {"corpora": ["chorales"], "priors": ["lstm", "mine"]}}, rules)


def test_the_rule_file_of_a_run_is_found_next_to_broken_and_doubled_ones(tmp_path: Path) -> None:
    """Training notes its file; what is wrong with another variant's does not stop it."""
    loaded(tmp_path, SELECTED)
    folder = tmp_path / "root" / "rules" / "priors"
    (folder / "a_broken.smk").write_text("prior(", encoding="utf-8")
    (folder / "lstm_2.smk").write_text((folder / "lstm.smk").read_text(encoding="utf-8"), encoding="utf-8")
    assert origin._rule_file(tmp_path / "root", "mine") == [folder / "mine.smk"]
    assert origin._rule_file(tmp_path / "root", "lstm") == [folder / "lstm.smk"]
    assert origin._rule_file(tmp_path / "root", "nobody") == []


def test_hidden_none_ignores_what_it_has_no_use_for(tmp_path: Path) -> None:
    rules = 'prior("mine", label="Mine", time="af", hidden="none", transform="affine")\n'
    spec = mine(tmp_path, {**SELECTED, "overrides": {"priors": {"mine": {"model": {"flow_layers": 7}}}}}, rules)
    assert spec.model.flow_layers == 1


def test_options_of_a_reader(tmp_path: Path) -> None:
    ours = loaded(
        tmp_path, {"select": {"corpora": ["markov"]}, "corpora": {"markov": {"prepare": {"options": {"letters": 9}}}}}
    )
    assert config.corpus_settings(ours, "markov")["options"]["letters"] == 9
    assert "options" not in config.corpus_settings(ours, "chorales")
    assert options.known_options("lnf.corpora.sources.markov.read") >= {"letters", "end", "train"}
    wrong = {"corpora": {"markov": {"prepare": {"options": {"leters": 9}}}}}
    with pytest.raises(UserError, match=r"config: corpora\.markov\.prepare\.options\.leters: .* has no such option"):
        config.corpus_settings(loaded(tmp_path / "2", wrong), "markov")


def test_options_are_known_when_the_code_was_digested_before() -> None:
    """A digest leaves annotations out."""
    source = "lnf.corpora.sources.markov.read"
    assert source in code_digests.sources().definitions_of("prepare", [source])
    options._options.cache_clear()
    assert "letters" in options.known_options(source)

"""Names of results: what another setting, another code or another raw file moves, and what it leaves where it is."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lnf.errors import UserError
from lnf.plan import code_digests, config
from lnf.plan.raw_files import mirror_folder
from lnf.plan.results import VIEWS, Plan, Run, run_of
from tests.plan.test_digests import copy_of_lnf

SMALL = {"name": "small", "select": {"corpora": ["markov", "ptb"], "priors": ["lstm", "af_scf"], "seeds": [0, 1]}}
FAMILIES: dict[str, Callable[[Plan], list[Path]]] = {
    "data": lambda plan: [corpus.folder for corpus in plan.corpora.values()],
    "checks": lambda plan: [check.folder for check in plan.checks.values()],
    "runs": lambda plan: [run.folder for run in plan.runs],
    "evaluations": lambda plan: [Path(run.evaluated[0].name) for run in plan.runs],
    "metrics": lambda plan: [plan.metrics],
    "studies": lambda plan: [study.folder for study in plan.studies],
    **{view: lambda plan, view=view: plan.views[view].files for view in VIEWS},  # type: ignore[misc]
}


def plan_of(*changes: dict[str, Any]) -> Plan:
    values = config.merge(config.read(), SMALL)
    for change in changes:
        values = config.merge(values, change)
    return Plan(config.load(values))


Places = dict[str, list[Path]]


def places(*changes: dict[str, Any]) -> Places:
    plan = plan_of(*changes)
    return {name: paths(plan) for name, paths in FAMILIES.items()}


def moved(before: Places, after: Places) -> set[str]:
    return {name for name in FAMILIES if before[name] != after[name]}


@pytest.mark.parametrize(
    ("change", "families"),
    [
        ({"overrides": {"all": {"train": {"batch": 7}}}}, {"runs", "studies", "metrics", *VIEWS}),
        ({"overrides": {"all": {"evaluate": {"samples": 7}}}}, {"evaluations", "metrics", *VIEWS}),
        ({"overrides": {"all": {"evaluate": {"memory_gb": 7.0}}}}, {"page"}),
        ({"overrides": {"all": {"resources": {"memory_gb": 7.0}, "train": {"state_minutes": 7.0}}}}, {"page"}),
        ({"toy": {"steps": 7}}, {"studies", "figures", "page"}),
        ({"speed": None}, {"studies", "figures", "page"}),
        ({"bounds": {"samples": [1, 2], "sequences": None, "seed": 0}}, {"studies", "figures", "page"}),
        ({"tables": {"decimals": 7}}, {"tables", "page"}),
        (
            {"corpora": {"markov": {"prepare": {"options": {"seed": 7}}}}},
            {"data", "runs", "studies", "metrics", *VIEWS},
        ),
        ({"corpora": {"markov": {"prepare": {"expect": {"width": 12}}}}}, {"page"}),
        ({"corpora": {"ptb": {"prepare": {"packages": ["numpy"]}}}}, {"data", "runs", "studies", "metrics", *VIEWS}),
        ({"select": {"seeds": [0, 7]}}, {"runs", "metrics", *VIEWS}),
    ],
    ids=lambda value: str(sorted(value) if isinstance(value, set) else value),
)
def test_what_a_setting_moves(change: dict[str, Any], families: set[str]) -> None:
    assert moved(places(), places(change)) == families


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Places]]:
    """A copy of lnf that digests are taken of, and the places before it changes."""
    with pytest.MonkeyPatch.context() as patch:
        yield copy_of_lnf(tmp_path_factory.mktemp("copy"), patch), places()


@pytest.mark.parametrize(
    ("module", "families"),
    [
        ("corpora/sources/markov", {"data", "runs", "studies", "metrics", *VIEWS}),
        ("corpora/prepare", {"data", "runs", "studies", "metrics", *VIEWS}),
        ("flows/time", {"checks", "runs", "evaluations", "studies", "metrics", *VIEWS}),
        ("laws/laws", {"checks"}),
        ("runs/state", {"runs", "studies", "metrics", *VIEWS}),
        ("runs/evaluation", {"checks", "evaluations", "studies", "metrics", *VIEWS}),
        ("studies/speed", {"studies", "figures", "page"}),
        ("report/table_formats", {"tables", "figures", "page"}),
        ("report/figures/nats", {"figures", "page"}),
        ("app/board", set()),
        ("tracking/sync", set()),
        ("app/launcher", set()),
    ],
)
def test_what_code_moves(module: str, families: set[str], copy: tuple[Path, Places]) -> None:
    """A statement that acts when the module is imported, so that every stage which imports it depends on it."""
    package, before = copy
    path, name = package / f"{module}.py", f"lnf.{module.replace('/', '.')}"
    text = path.read_text(encoding="utf-8")
    path.write_text(text + "\nfor _ in (): pass\n", encoding="utf-8")
    code_digests._sources(package).forget(name.__eq__)
    after = places()
    path.write_text(text, encoding="utf-8")
    code_digests._sources(package).forget(name.__eq__)
    assert moved(before, after) == families


def test_bounds_are_of_each_corpus_models_that_are_not_exact() -> None:
    select = {"corpora": ["markov", "ptb"], "priors": ["lstm", "af_af", "iaf_scf"], "seeds": [0, 1]}
    plan = plan_of(
        {"select": select, "bounds": {"samples": [1, 2], "sequences": None, "seed": 0}, "toy": None, "speed": None}
    )
    expected = [(corpus, prior) for corpus in ("markov", "ptb") for prior in ("af_af", "iaf_scf")]
    assert {study.stage.name for study in plan.studies} == {"bounds"}
    assert [tuple(Path(study.arguments["run"]).parts[2:5]) for study in plan.studies] == [
        (corpus, prior, "0") for corpus, prior in expected
    ]
    assert len({study.folder for study in plan.studies}) == len(expected)
    exact = plan_of(
        {
            "select": {**select, "priors": ["lstm"]},
            "bounds": {"samples": [1], "sequences": None, "seed": 0},
            "toy": None,
            "speed": None,
        }
    )
    assert not exact.studies


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of lnf that digests are taken of."""

    return copy_of_lnf(tmp_path, monkeypatch)


def test_a_raw_file_that_was_edited_is_another_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LNF_DATA_MIRROR", raising=False)
    absent, markov = places(), plan_of().corpora["markov"]
    file = tmp_path / "ptb" / "train.txt"
    file.parent.mkdir()
    file.write_text("edited\n", encoding="utf-8")
    monkeypatch.setenv("LNF_DATA_MIRROR", str(tmp_path))
    assert moved(absent, places()) == {"data", "runs", "studies", "metrics", *VIEWS}
    assert plan_of().corpora["markov"] == markov
    file.unlink()
    assert not moved(absent, places())


def test_the_mirror_of_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configured, named = tmp_path / "configured", tmp_path / "named"
    monkeypatch.delenv("LNF_DATA_MIRROR", raising=False)
    assert mirror_folder(None) is None
    for folder in (configured, named):
        folder.mkdir()
    assert mirror_folder(str(configured)) == configured
    monkeypatch.setenv("LNF_DATA_MIRROR", str(named))
    assert mirror_folder(str(configured)) == named
    monkeypatch.setenv("LNF_DATA_MIRROR", str(tmp_path / "absent"))
    with pytest.raises(UserError, match="absent is not a folder"):
        mirror_folder(None)


def test_a_run_survives_json() -> None:
    run = run_of(plan_of().config, "markov", "af_scf", 1)
    assert run in plan_of().runs
    assert Run.from_dict(run.to_dict()) == run


def test_a_run_is_told_in_full_or_completed(tmp_path: Path) -> None:
    run = run_of(plan_of().config, "markov", "af_scf", 1)
    with pytest.raises(UserError, match=r"meta\.json: no such file; name with --data"):
        Run.from_dict({"spec": run.spec.to_dict()}, tmp_path)
    (tmp_path / "meta.json").write_text('{"digest": "d1"}', encoding="utf-8")
    told = Run.from_dict({"spec": run.spec.to_dict()}, tmp_path)
    assert told.context.digests == run.context.digests | {"data": "d1"}
    assert (told.evaluation, told.context.name, told.data) == (run.evaluation, "adhoc", tmp_path)
    for values, words in (({}, "spec: missing"), ({**run.to_dict(), "sped": 1}, "sped: unknown key")):
        with pytest.raises(UserError, match=words):
            Run.from_dict(values)

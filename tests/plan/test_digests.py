"""What changes a digest, and what does not."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from lnf.errors import UserError
from lnf.plan import code_digests, config, digests
from lnf.spec import _FORMER_PATHS, STORED_FORMAT, read_spec

PAPER = config.load(config.read())
RUNS = {prior: config.resolve(PAPER, "ptb", prior, 0) for prior in PAPER.priors}


def code(prior: str) -> str:
    return code_digests.code_digest("train", RUNS[prior].prior.paths)


def copy_of_lnf(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of lnf below `folder`, that digests are taken of from now on."""
    copy = folder / "lnf"
    shutil.copytree(code_digests.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(code_digests, "PACKAGE", copy)
    return copy


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of lnf that digests are taken of."""
    return copy_of_lnf(tmp_path, monkeypatch)


def test_comments_docstrings_and_layout_do_not_count(package: Path) -> None:
    before = {prior: code(prior) for prior in RUNS}
    for path in package.rglob("*.py"):
        text = path.read_text()
        path.write_text(f'"""Another docstring."""\n# a comment\n\n{text}\n\n# the end\n')
    assert {prior: code(prior) for prior in RUNS} == before


def test_a_changed_flow_changes_the_runs_that_use_it(package: Path) -> None:
    before = {prior: code(prior) for prior in RUNS}
    path = package / "hidden" / "coupling.py"
    path.write_text(path.read_text() + "\nCHANGED = 1\n")
    changed = {prior for prior in RUNS if code(prior) != before[prior]}
    assert changed == {"af_scf", "iaf_scf"}


def test_a_changed_trainer_changes_all(package: Path) -> None:
    before = {prior: code(prior) for prior in RUNS}
    path = package / "runs" / "training.py"
    path.write_text(path.read_text() + "\nCHANGED = 1\n")
    assert all(code(prior) != before[prior] for prior in RUNS)


def test_stages_have_their_own_digests(package: Path) -> None:
    before = {stage: code_digests.code_digest(stage) for stage in code_digests.ROOTS}  # type: ignore[arg-type]
    path = package / "runs" / "evaluation.py"
    path.write_text(path.read_text() + "\nCHANGED = 1\n")
    changed = {stage for stage in code_digests.ROOTS if code_digests.code_digest(stage) != before[stage]}  # type: ignore[arg-type]
    assert changed == {"evaluate", "bounds"}


def test_training_does_not_depend_on_ray_mlflow_or_the_configuration() -> None:
    reached = code_digests.reached("train", RUNS["af_af"].prior.paths)
    assert {"lnf.runs.training", "lnf.spec", "lnf.hidden.autoregressive", "lnf.hidden"} <= set(reached)
    assert not {
        "lnf.cluster.client",
        "lnf.tracking.sync",
        "lnf.plan.config",
        "lnf.hidden.coupling",
        "lnf.models.lstm",
    } & set(reached)


def test_a_users_module_counts_with_its_neighbours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "flow.py").write_text(
        "from . import helper\nfrom .other import thing\nimport os\n\nclass Flow:\n    pass\n"
    )
    (folder / "helper.py").write_text("raise RuntimeError('read, never run')\n")
    (folder / "other.py").write_text("thing = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    before = code_digests.code_digest("train", ["mine.flow.Flow"])
    assert {"mine", "mine.flow", "mine.helper", "mine.other"} <= set(code_digests.reached("train", ["mine.flow.Flow"]))
    (folder / "other.py").write_text("thing = 22\n")
    assert code_digests.code_digest("train", ["mine.flow.Flow"]) != before
    with pytest.raises(UserError, match=r"mine\.flow does not define Flaw"):
        code_digests.code_digest("train", ["mine.flow.Flaw"])
    with pytest.raises(UserError, match="no module of this name"):
        code_digests.code_digest("train", ["mine.nothing.Flow"])


def test_a_helper_in_another_top_level_file_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_flow.py").write_text("import my_helper\nimport numpy\nimport os\n\nclass Flow:\n    pass\n")
    (tmp_path / "my_helper.py").write_text("from my_folder.deep import x\n")
    (tmp_path / "my_folder").mkdir()  # without __init__.py, which Python takes for a package too
    (tmp_path / "my_folder" / "deep.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    before = code_digests.code_digest("train", ["my_flow.Flow"])
    reached = set(code_digests.reached("train", ["my_flow.Flow"]))
    assert {"my_flow", "my_helper", "my_folder.deep"} <= reached
    assert not {"numpy", "os", "torch"} & {name.partition(".")[0] for name in reached}
    (tmp_path / "my_folder" / "deep.py").write_text("x = 22\n")
    assert code_digests.code_digest("train", ["my_flow.Flow"]) != before


def test_the_digest_is_the_same_whichever_python_computes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pinned: computed alike by Python 3.11, 3.12 and 3.13."""
    code = """
@decorated(1, *xs, key=None, **ys)
class Flow(Base, metaclass=M):
    'text'
    x: int = 0x10
    def f(self, a, /, b=1, *c, d: 'T' = ..., **e) -> None:
        with a as b, c: yield
        for i, (j, *k) in {1: 2, **e}.items(): print(f'{i!r:>{j}} {k=} \\u00fc', b'x', 1e-300, 2j, sep='ü')
        try: return lambda x=1: (x := 2) if x else [y async for y in x if y]
        except* (A, B) as error: raise C from error
        match a:
            case {'k': [1, *_], **rest} if rest: del a[1:, ::2], a.b
            case Point(x=0) | None: global g; nonlocal_ = not -1 @ 2
"""
    (tmp_path / "pinned.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert code_digests.reached("train", ["pinned.Flow"])["pinned"] == "789cd518e4a9a4c7"


def test_code_that_changed_since_the_plan_is_refused(package: Path) -> None:
    paths = RUNS["af_scf"].prior.paths
    planned = code_digests.code_digest("train", paths)
    code_digests.require_same_code("train", paths, planned)
    path = package / "hidden" / "coupling.py"
    path.write_text(path.read_text(encoding="utf-8") + "\nCHANGED = 1\n", encoding="utf-8")
    with pytest.raises(UserError, match="train: the code changed since this was planned"):
        code_digests.require_same_code("train", paths, planned)


def test_spec_digest_covers_what_training_depends_on() -> None:
    spec = RUNS["af_af"]
    same = [
        replace(spec, evaluate=replace(spec.evaluate, samples=5)),
        replace(spec, prior=replace(spec.prior, label="Other", role="ablation")),
        replace(spec, resources=replace(spec.resources, gpus=0.5, memory_gb=9.0)),
        replace(spec, train=replace(spec.train, state_minutes=1.0)),
    ]
    other = [
        replace(spec, seed=1),
        replace(spec, train=replace(spec.train, batch=3)),
        replace(spec, resources=replace(spec.resources, cpus=2)),
        replace(spec, lengths=replace(spec.lengths, headroom=2.0)),
        replace(spec, subset=replace(spec.subset, seed=2)),
    ]
    assert {digests.spec_digest(variant) for variant in same} == {digests.spec_digest(spec)}
    assert len({digests.spec_digest(variant) for variant in [spec, *other]}) == 1 + len(other)


def test_a_setting_at_its_neutral_value_is_in_no_digest() -> None:
    """So that a setting that comes later renames no result; its value counts, not that it is the default."""
    spec = RUNS["af_af"]
    known = {name: set(section) for name, section in digests.train_identity(spec).items() if name in ("model", "train")}
    assert known["model"].isdisjoint({"posterior_dropout", "decoder_dropout"})
    assert known["train"].isdisjoint({"weight_decay", "average", "bound", "transpose"})
    other = replace(spec, train=replace(spec.train, bound="iwae"), model=replace(spec.model, decoder_dropout=0.1))
    assert digests.train_identity(other)["train"]["bound"] == "iwae"
    assert digests.train_identity(other)["model"]["decoder_dropout"] == 0.1


def test_a_stored_spec_of_an_earlier_format_is_the_same_spec() -> None:
    """Before format 3: dotted paths of built-in classes, and no settings that came later."""
    for spec in RUNS.values():
        stored = spec.to_dict()
        assert read_spec(stored, STORED_FORMAT) == spec
        for part, former in _FORMER_PATHS.items():
            short = {name: path for path, name in former.items()}
            stored["prior"][part] = short.get(stored["prior"][part], stored["prior"][part])
        assert "lnf." in stored["prior"]["model"]
        for name in ("transpose", "bound", "average", "weight_decay"):
            del stored["train"][name]
        del stored["model"]["posterior_dropout"], stored["model"]["decoder_dropout"]
        for format_before in (None, 2):
            assert read_spec(stored, format_before) == spec
            assert digests.spec_digest(read_spec(stored, format_before)) == digests.spec_digest(spec)
    with pytest.raises(UserError, match=r"spec: format 4: this lnf reads formats up to 3; update lnf"):
        read_spec(RUNS["lstm"].to_dict(), 4)


def test_a_users_class_may_be_moved_between_modules() -> None:
    spec = RUNS["af_af"]
    here, there = (replace(spec, prior=replace(spec.prior, transform=path)) for path in ("mine.a.Sinh", "mine.b.Sinh"))
    assert digests.spec_digest(here) == digests.spec_digest(there) != digests.spec_digest(spec)


def test_data_digest_covers_contents_not_addresses() -> None:
    settings = config.corpus_settings(PAPER, "ptb")
    moved = config.merge(settings, {"files": {"train.txt": {"addresses": [], "mirror": "elsewhere"}}, "expect": {}})
    other = config.merge(settings, {"files": {"train.txt": {"sha256": "0" * 64}}})
    assert digests.data_digest(moved) == digests.data_digest(settings)
    assert digests.data_digest(other) != digests.data_digest(settings)
    assert set(digests.run_digests(RUNS["lstm"], "d1")) == {"spec", "code", "data"}

"""What changes a digest, and what does not."""

import ast
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lnf.errors import UserError
from lnf.plan import code_digests, config, digests
from lnf.plan.stages import STAGES
from lnf.spec import _FORMER_PATHS, STORED_FORMAT, read_spec

PAPER = config.load(config.read())
RUNS = {prior: config.resolve(PAPER, "ptb", prior, 0) for prior in PAPER.priors}


def code(prior: str) -> str:
    return code_digests.sources().code_digest("train", RUNS[prior].prior.paths)


def read_again() -> None:
    """Forget the sources that were read: a process reads them once."""
    code_digests._sources.cache_clear()


def read_mine_again() -> None:
    """Forget the sources of a user's own."""
    code_digests.sources().forget(lambda name: name.partition(".")[0] != "lnf")


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


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text, path
    path.write_text(text.replace(old, new), encoding="utf-8")
    name = ".".join(["lnf", *path.relative_to(code_digests.PACKAGE).with_suffix("").parts])
    code_digests.sources().forget(name.__eq__)


def test_comments_docstrings_and_layout_do_not_count(package: Path) -> None:
    before = {prior: code(prior) for prior in RUNS}
    for path in package.rglob("*.py"):
        text = path.read_text()
        path.write_text(f'"""Another docstring."""\n# a comment\n\n{text}\n\n# the end\nUNUSED = 1\n')
    read_again()
    assert {prior: code(prior) for prior in RUNS} == before


def test_a_changed_flow_changes_the_runs_that_use_it(package: Path) -> None:
    before = {prior: code(prior) for prior in RUNS}
    edit(package / "flows" / "hidden.py", "self.kept = latent // 2", "self.kept = (latent + 1) // 2")
    changed = {prior for prior in RUNS if code(prior) != before[prior]}
    assert changed == {"af_scf", "iaf_scf"}


def test_a_changed_trainer_changes_all(package: Path) -> None:
    before = {prior: code(prior) for prior in RUNS}
    edit(package / "runs" / "schedule.py", "self.impatience += 1", "self.impatience += 2")
    assert all(code(prior) != before[prior] for prior in RUNS)


def test_stages_have_their_own_digests(package: Path) -> None:
    before = {stage: code_digests.sources().code_digest(stage) for stage in STAGES}
    edit(package / "runs" / "evaluation.py", "memory_gb * 2**30", "memory_gb * 2**29")
    changed = {stage for stage in STAGES if code_digests.sources().code_digest(stage) != before[stage]}
    assert changed == {"check", "evaluate", "bounds"}  # a check evaluates a small model


def test_training_depends_on_neither_ray_nor_mlflow_nor_messages(package: Path) -> None:
    found = code_digests.sources().definitions_of("train", RUNS["af_af"].prior.paths)
    modules = {name.rpartition(".")[0] for name in found}
    assert {"lnf.runs.state", "lnf.flows.hidden", "lnf.flows.transforms", "lnf.runs.seeds"} <= modules
    assert not modules & {"lnf.app.board", "lnf.tracking.sync", "lnf.plan.config",
                          "lnf.models.baseline", "lnf.errors", "lnf.system.locks", "lnf.system.files"}  # fmt: skip
    assert "lnf.flows.hidden._CouplingLayer" not in found
    assert "lnf.runs.checkpoint.save" in found and "lnf.runs.checkpoint.load" not in found


def test_every_definition_in_the_closure_counts_and_no_other_of_its_modules(package: Path) -> None:
    """Each definition of each module that training reaches is changed in turn."""
    closure, before = code_digests.sources().definitions_of("train", RUNS["af_scf"].prior.paths), code("af_scf")
    counted = 0
    for module in sorted({name.rpartition(".")[0] for name in closure}):
        path = package.joinpath(*module.split(".")[1:]).with_suffix(".py")
        text = path.read_text(encoding="utf-8")
        for names, changed in changed_definitions(text):
            path.write_text(changed, encoding="utf-8")
            code_digests._sources(package).forget(module.__eq__)
            inside = any(f"{module}.{name}" in closure for name in names)
            assert (code("af_scf") != before) == inside, (module, names)
            counted += 1
        path.write_text(text, encoding="utf-8")
        code_digests._sources(package).forget(module.__eq__)
    assert code("af_scf") == before and counted > len(closure)


def changed_definitions(text: str) -> Iterator[tuple[list[str], str]]:
    """(names, the module's text with that definition changed), of each definition of a module."""
    for number, node in enumerate(ast.parse(text).body):
        tree = ast.parse(text)
        one: Any = tree.body[number]
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            one.body.append(ast.parse("changed = 1").body[0])
            yield [node.name], ast.unparse(tree)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            one.value = ast.Tuple([node.value], ast.Load())
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)]
            yield names, ast.unparse(tree)


MOVED = """
from lnf.flows.split import AutoregressiveTime
from lnf.flows.split import InverseAutoregressiveTime
from lnf.flows.split import IndependentTime
"""


def test_moving_definitions_to_other_modules_changes_nothing(package: Path) -> None:
    """A class with all that is in its file, and a function that leaves its neighbours."""
    before = {prior: code(prior) for prior in RUNS}
    (package / "flows" / "split.py").write_bytes((package / "flows" / "time.py").read_bytes())
    (package / "flows" / "time.py").write_text(MOVED)
    loading = package / "corpora" / "loading.py"
    text = loading.read_text(encoding="utf-8")
    start = text.index("def _draw(")
    moved = text[start : text.index("\n\n\ndef ", start)]
    imports = text[text.index("from pathlib") : text.index("@dataclass")]
    (package / "corpora" / "subsets.py").write_text(f"{imports}\nfrom lnf.corpora.loading import Split\n{moved}")
    loading.write_text(f"from lnf.corpora.subsets import _draw\n{text.replace(moved, '')}")
    read_again()
    assert {prior: code(prior) for prior in RUNS} == before
    assert "lnf.corpora.subsets._draw" in code_digests.sources().definitions_of("train", RUNS["af_scf"].prior.paths)
    edit(package / "corpora" / "subsets.py", "replace=False", "replace=True")
    assert all(code(prior) != before[prior] for prior in RUNS)


FLOW = '''
from . import helper
from .other import thing as it
import mine.third
import os

SIZE = 3
UNUSED = 4

class Base:
    def f(self): return ahead(SIZE)

class Flow(Base):
    """Text."""
    def g(self, x: "helper.Nothing" = it) -> None:
        if x: raise ValueError(f"no luck with {unused()}")
        print(f"{x} is fine")
        unused = 1
        return helper.double(x), mine.third.MORE, unused

def ahead(n):
    return back(n - 1) if n else 0

def back(n):
    return ahead(n)

def unused(): return 1
'''
HELPER = "import math\ndef double(x): return math.log(x)\ndef triple(x): return 3 * x\n"


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of a user's own."""
    folder = tmp_path / "mine"
    folder.mkdir()
    files = {"__init__": "", "flow": FLOW, "helper": HELPER, "other": "thing = 1\nthing2 = 1\n", "third": "MORE = 1\n"}
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return folder


@pytest.mark.parametrize(
    ("file", "old", "new", "counts"),
    [
        ("flow", "SIZE = 3", "SIZE = 4", True),
        ("flow", "UNUSED = 4", "UNUSED = 5", False),
        ("flow", "class Flow(Base)", "class Flow(Base, object)", True),
        ("flow", "def f(self): return", "def f(self, y=1): return", True),
        ("flow", "Text.", "More text.", False),
        ("flow", "no luck with", "hard luck with", False),
        ("flow", "raise ValueError(", "raise TypeError(", True),
        ("flow", "is fine", "is well", False),
        ("flow", "{x} is", "{ahead(x)} is", True),
        ("flow", 'x: "helper.Nothing"', "x: int", False),
        ("flow", "return back(n - 1) if", "return back(n - 2) if", True),
        ("flow", "    return ahead(n)\n", "    return ahead(n) + 0\n", True),
        ("flow", "def unused(): return 1", "def unused(): return 2", False),
        ("flow", "import thing as it", "import thing2 as it", True),
        ("other", "thing2 = 1", "thing2 = 2", False),
        ("other", "thing = 1", "thing = 2", True),
        ("helper", "math.log(x)", "math.exp(x)", True),
        ("helper", "import math", "import cmath as math", True),
        ("helper", "3 * x", "4 * x", False),
        ("third", "MORE = 1", "MORE = 2", True),
        ("third", "MORE = 1", "MORE = 1\nfor n in range(2):\n    print(n)", True),
        ("__init__", "", "import torch\ntorch.set_default_dtype(torch.float64)\n", True),
        ("other", "thing = 1", "import mine.helper as h\nh.double.times = 2\nthing = 1", True),
        ("helper", "import math", "import math\ndef keep(f): return f\n@keep\ndef aside(): pass", True),
    ],
)
def test_what_counts_of_a_users_package(mine: Path, file: str, old: str, new: str, counts: bool) -> None:
    before = code_digests.sources().code_digest("train", ["mine.flow.Flow"])
    path = mine / f"{file}.py"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1) if old else new, encoding="utf-8")
    read_mine_again()
    assert (code_digests.sources().code_digest("train", ["mine.flow.Flow"]) != before) == counts


def test_a_name_bound_to_another_definition_counts_though_both_are_reached(mine: Path) -> None:
    """The two functions are alike but for what they refer to, and both are in the closure before and after."""
    (mine / "a.py").write_text("def inner(): return 1\ndef f(): return inner()\n", encoding="utf-8")
    (mine / "b.py").write_text("def inner(): return 2\ndef f(): return inner()\n", encoding="utf-8")
    found = []
    for first, second in ("ab", "ba"):
        imports = f"from mine.{first} import f\nfrom mine.{second} import f as g\n"
        (mine / "flow.py").write_text(
            f"{imports}class Flow:\n    def h(self): return f() + 2 * g()\n", encoding="utf-8"
        )
        read_mine_again()
        found.append(code_digests.sources().code_digest("train", ["mine.flow.Flow"]))
    assert found[0] != found[1]


def test_a_users_definitions_may_be_moved(mine: Path) -> None:
    before = code_digests.sources().code_digest("train", ["mine.flow.Flow"])
    (mine / "moved.py").write_text(FLOW, encoding="utf-8")
    (mine / "flow.py").write_text("from mine.moved import Flow\n", encoding="utf-8")
    read_mine_again()
    assert code_digests.sources().code_digest("train", ["mine.flow.Flow"]) == before
    assert code_digests.sources().code_digest("train", ["mine.moved.Flow"]) == before


@pytest.mark.parametrize("use", ["importlib.import_module('mine.helper')", "vars(helper)"])
def test_a_module_given_by_name_or_used_as_a_value_counts_whole(mine: Path, use: str) -> None:
    text = f"import importlib\nfrom mine import helper\nclass Flow:\n    def f(self): return {use}\n"
    (mine / "flow.py").write_text(text, encoding="utf-8")
    before = code_digests.sources().code_digest("train", ["mine.flow.Flow"])
    (mine / "helper.py").write_text(HELPER.replace("3 * x", "5 * x"), encoding="utf-8")
    read_mine_again()
    assert code_digests.sources().code_digest("train", ["mine.flow.Flow"]) != before


def test_a_users_modules_are_read_and_never_run(mine: Path) -> None:
    (mine / "helper.py").write_text(f"{HELPER}\nraise RuntimeError('read, never run')\n", encoding="utf-8")
    found = set(code_digests.sources().definitions_of("train", ["mine.flow.Flow"]))
    assert {"mine.flow.Flow", "mine.flow.Base", "mine.flow.back", "mine.helper.double", "mine.other.thing"} <= found
    assert not {"numpy", "os", "torch"} & {name.partition(".")[0] for name in found}
    with pytest.raises(UserError, match=r"mine\.flow does not define Flaw"):
        code_digests.sources().code_digest("train", ["mine.flow.Flaw"])
    with pytest.raises(UserError, match="no module of this name"):
        code_digests.sources().code_digest("train", ["mine.nothing.Flow"])


def test_a_helper_in_another_top_level_file_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_flow.py").write_text("from my_helper import x\n\nclass Flow:\n    y = x\n")
    (tmp_path / "my_helper.py").write_text("from my_folder.deep import x\n")
    (tmp_path / "my_folder").mkdir()  # without __init__.py, which Python takes for a package too
    (tmp_path / "my_folder" / "deep.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    before = code_digests.sources().code_digest("train", ["my_flow.Flow"])
    (tmp_path / "my_folder" / "deep.py").write_text("x = 22\n")
    read_mine_again()
    assert code_digests.sources().code_digest("train", ["my_flow.Flow"]) != before


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
        y = f'{i!r:>{j}} {k=} \\u00fc'
        try: return lambda x=1: (x := 2) if x else [y async for y in x if y]
        except* (A, B) as error: raise C from error
        match a:
            case {'k': [1, *_], **rest} if rest: del a[1:, ::2], a.b
            case Point(x=0) | None: global g; nonlocal_ = not -1 @ 2
"""
    (tmp_path / "pinned.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert code_digests.sources().definitions_of("train", ["pinned.Flow"])["pinned.Flow"] == "6b19d0c29942a185"


def test_code_that_changed_since_the_plan_is_refused(package: Path) -> None:
    paths = RUNS["af_scf"].prior.paths
    planned = code_digests.sources().code_digest("train", paths)
    code_digests.sources().require_same_code("train", paths, planned)
    edit(package / "flows" / "hidden.py", "self.kept = latent // 2", "self.kept = (latent + 1) // 2")
    with pytest.raises(UserError, match="train: the code changed since this was planned"):
        code_digests.sources().require_same_code("train", paths, planned)


def test_spec_digest_covers_what_training_depends_on() -> None:
    spec = RUNS["af_af"]
    same = [
        spec.replace(evaluate=spec.evaluate.replace(samples=5)),
        spec.replace(prior=spec.prior.replace(label="Other", role="ablation")),
        spec.replace(resources=spec.resources.replace(gpus=0.5, memory_gb=9.0)),
        spec.replace(train=spec.train.replace(state_minutes=1.0)),
    ]
    other = [
        spec.replace(seed=1),
        spec.replace(train=spec.train.replace(batch=3)),
        spec.replace(resources=spec.resources.replace(cpus=2)),
        spec.replace(lengths=spec.lengths.replace(headroom=2.0)),
        spec.replace(subset=spec.subset.replace(seed=2)),
    ]
    assert {digests.spec_digest(variant) for variant in same} == {digests.spec_digest(spec)}
    assert len({digests.spec_digest(variant) for variant in [spec, *other]}) == 1 + len(other)


def test_a_setting_at_its_neutral_value_is_in_no_digest() -> None:
    """So that a setting that comes later renames no result; its value counts, not that it is the default."""
    spec = RUNS["af_af"]
    known = {name: set(section) for name, section in digests.train_identity(spec).items() if name in ("model", "train")}
    assert known["model"].isdisjoint({"posterior_dropout", "decoder_dropout"})
    assert known["train"].isdisjoint({"weight_decay", "average", "bound", "transpose"})
    other = spec.replace(train=spec.train.replace(bound="iwae"), model=spec.model.replace(decoder_dropout=0.1))
    assert digests.train_identity(other)["train"]["bound"] == "iwae"
    assert digests.train_identity(other)["model"]["decoder_dropout"] == 0.1


def test_a_stored_spec_of_an_earlier_format_is_the_same_spec() -> None:
    """Before format 3: dotted paths of built-in classes, and no settings that came later."""
    for spec in (one for one in RUNS.values() if one.prior.role != "beyond"):
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
    here, there = (spec.replace(prior=spec.prior.replace(transform=path)) for path in ("mine.a.Sinh", "mine.b.Sinh"))
    assert digests.spec_digest(here) == digests.spec_digest(there) != digests.spec_digest(spec)


def test_data_digest_covers_contents_not_addresses() -> None:
    settings = config.corpus_settings(PAPER, "ptb")
    moved = config.merge(settings, {"files": {"train.txt": {"addresses": [], "mirror": "elsewhere"}}, "expect": {}})
    other = config.merge(settings, {"files": {"train.txt": {"sha256": "0" * 64}}})
    assert digests.data_digest(moved) == digests.data_digest(settings)
    assert digests.data_digest(other) != digests.data_digest(settings)
    assert set(digests.run_digests(RUNS["lstm"], "d1")) == {"spec", "code", "data"}

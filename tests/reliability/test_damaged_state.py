"""Damaged files: every bit counts, the reader says which file and what becomes of it, and the work goes on."""

import random
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
import torch

from lnf.app import workflow_lock
from lnf.app.command_line import main
from lnf.errors import UserError
from lnf.plan.run import Run
from lnf.runs.state import State
from lnf.spec import EvaluateSpec, SampleSpec
from lnf.system.files import Damaged, damaged_name, read_json, write_json
from lnf.system.sealed import read_arrays, read_document, read_table, write_arrays, write_document, write_table
from lnf.tracking.run_files import RunFiles
from tests.patience import finish
from tests.pipeline import Project
from tests.reliability.case import Case, acting
from tests.specs import tiny_spec
from tests.tiny_corpus import prepared
from tests.training import Cut, cut_after

KIND = "Damaged files"
SPEC = tiny_spec("af_scf").replace(
    evaluate=EvaluateSpec(samples=3),
    sample=SampleSpec(samples=4, reconstructions=1),
)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a corpus, a run `whole` that is evaluated, and a run `cut` inside an epoch."""
    folder = tmp_path_factory.mktemp("original")
    corpus, each_step = prepared(folder), SPEC.replace(train=SPEC.train.replace(state_minutes=0.0))
    for name, spec in (("whole", SPEC), ("cut", each_step)):
        told = Run.from_dict({"spec": spec.to_dict()}, corpus).to_dict()
        write_json(folder / name / "spec.json", told | {"data": "data/tiny/c0ffee"})
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["train", "whole/spec.json"]) == main(["evaluate", "whole/spec.json"]) == 0
        cut_after(patch, 25)
        with pytest.raises(Cut):
            main(["train", "cut/spec.json"])
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy to be spoilt, which is the working directory."""
    shutil.copytree(original, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path / "copy"


def flip(path: Path) -> None:
    """A bit in the middle; of an archive, near the end of its largest member, since not all between members matters."""
    content = bytearray(path.read_bytes())
    place = len(content) // 2
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            largest = max(archive.infolist(), key=lambda member: member.compress_size)
        place = largest.header_offset + largest.compress_size
    content[place] ^= 1
    path.write_bytes(content)


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def empty(path: Path) -> None:
    path.write_bytes(b"")


WAYS = {"one bit flipped": flip, "cut short": shorten, "emptied": empty}
TEXTS = {"cut short": shorten, "emptied": empty}


def evaluation(name: str = "evaluation") -> Path:
    (path,) = Path("whole").glob(f"{name}-*.parquet")
    return path


def states(*names: str) -> Callable[..., None]:
    """Damage states of the cut run: training goes on, to the bytes of the run that was not cut."""

    def act(case: Case, damage: Callable[[Path], None], capsys: pytest.CaptureFixture[str]) -> None:
        for name in ("step.pt", "epoch.pt", "epoch.before.pt")[: -1 if names[0] == "step.pt" else None]:
            if names == ("epoch.pt",) and name == "step.pt":
                Path("cut/state/step.pt").unlink()
        for name in names:
            damage(Path("cut/state", name))
        assert main(["train", "cut/spec.json"]) == 0
        case.assert_seen("".join(capsys.readouterr()))
        assert Path("cut/history.parquet").read_bytes() == Path("whole/history.parquet").read_bytes()

    return act


def model(case: Case, damage: Callable[[Path], None], capsys: pytest.CaptureFixture[str]) -> None:
    scores = evaluation()
    before = scores.read_bytes()
    scores.unlink()
    damage(Path("whole/model.pt"))
    assert main(["evaluate", "whole/spec.json"]) == 1
    case.assert_seen("".join(capsys.readouterr()))
    assert not Path("whole/model.pt").exists() and damaged_name(Path("whole/model.pt")).exists()
    assert main(["train", "whole/spec.json"]) == main(["evaluate", "whole/spec.json"]) == 0
    assert scores.read_bytes() == before


def facts(case: Case, damage: Callable[[Path], None], capsys: pytest.CaptureFixture[str]) -> None:
    damage(Path("whole/run.json"))
    assert main(["evaluate", "whole/spec.json"]) == 1
    case.assert_seen("".join(capsys.readouterr()))
    assert main(["train", "whole/spec.json"]) == main(["evaluate", "whole/spec.json"]) == 0


def of_corpus(name: str) -> Callable[..., None]:
    def act(case: Case, damage: Callable[[Path], None], capsys: pytest.CaptureFixture[str]) -> None:
        file = Path("data/tiny/c0ffee", name)
        damage(file)
        assert main(["train", "cut/spec.json"]) == 1
        case.assert_seen("".join(capsys.readouterr()))
        assert not file.exists()
        shutil.rmtree("data")
        prepared(Path())
        assert main(["train", "cut/spec.json"]) == 0

    return act


def scores(case: Case, damage: Callable[[Path], None], capsys: pytest.CaptureFixture[str]) -> None:
    told = read_json(Path("whole/spec.json"))
    run = {"corpus": "tiny", "kind": "text", "prior": "p", "label": "p", "role": "main", "seed": 0, "folder": "whole"}
    run |= {"evaluation": told["evaluation"], "digests": told["digests"]}
    write_json(Path("gather/spec.json"), {"runs": [run], "corpora": []})
    damage(evaluation())
    assert main(["gather", "gather/spec.json"]) == 1
    case.assert_seen("".join(capsys.readouterr()))
    assert main(["evaluate", "whole/spec.json"]) == main(["gather", "gather/spec.json"]) == 0


def record(case: Case, damage: Callable[[Path], None], capsys: pytest.CaptureFixture[str]) -> None:
    with workflow_lock.held():
        pass
    damage(workflow_lock.LOCK)
    with workflow_lock.held():
        assert capsys.readouterr().err == case.sees


def curve(case: Case, damage: Callable[[Path], None], capsys: pytest.CaptureFixture[str]) -> None:
    damage(Path("cut/state/history.jsonl"))
    with pytest.raises(Damaged) as caught:
        RunFiles.read(Path("cut"))
    case.assert_seen(str(caught.value))
    assert main(["train", "cut/spec.json"]) == 0


AGAIN = "and the same workflow makes it again"
BEFORE = "and training goes on from the state before it"
CASES = [
    Case(
        "state/epoch.pt, the state of a run that trains",
        f"…/epoch.pt: damaged (…); it is set aside as epoch.pt.damaged, {BEFORE}",
        "one epoch of training; the result has the same bytes",
        states("epoch.pt"),
    ),
    Case(
        "state/step.pt",
        f"…/step.pt: damaged (…); it is set aside as step.pt.damaged, {BEFORE}",
        "what was trained since the epoch began; the same bytes",
        states("step.pt"),
    ),
    Case(
        "both states at the start of an epoch and that inside it",
        f"…/epoch.before.pt: damaged (…); it is set aside as epoch.before.pt.damaged, {BEFORE}",
        "the run starts again; the same bytes",
        states("step.pt", "epoch.pt", "epoch.before.pt"),
    ),
    Case(
        "model.pt",
        f"…/model.pt: damaged (…); it is set aside as model.pt.damaged, {AGAIN}",
        "the training of that run",
        model,
    ),
    Case(
        "evaluation-DIGEST.parquet",
        f"…: damaged (…); it is set aside as …, {AGAIN}",
        "that evaluation",
        scores,
    ),
    Case(
        "a corpus' train.arrow",
        f"…/train.arrow: damaged (its checksum is another); it is set aside as train.arrow.damaged, {AGAIN}",
        "nothing: it is prepared again",
        of_corpus("train.arrow"),
    ),
]
TEXT_CASES = [
    Case(
        "run.json",
        f"…/run.json: damaged (not JSON: …); it is set aside as run.json.damaged, {AGAIN}",
        "the training of that run",
        facts,
    ),
    Case(
        "a corpus' meta.json",
        f"…/meta.json: damaged (not JSON: …); it is set aside as meta.json.damaged, {AGAIN}",
        "nothing: it is prepared again",
        of_corpus("meta.json"),
    ),
    Case(
        ".lnf/workflow.lock",
        "",
        "nothing",
        record,
    ),
]
CURVE = Case(
    "state/history.jsonl",
    "…/history.jsonl: damaged (not JSON: …); it is set aside as history.jsonl.damaged, and the run writes it again",
    "nothing",
    curve,
)
WHOLE_WORKFLOW = Case(
    "a model that a workflow's job finds damaged",
    "damaged files set aside: 1; making them again",
    "the training of that run; the same command makes it again, to the same bytes",
    proved="tests/reliability/test_damaged_state.py::test_a_workflow_goes_on_past_a_damaged_model",
)
NOT_FINITE = [
    Case(
        "weights that are not finite when a model is to be kept",
        "tiny/af_scf/0: epoch …: loss not finite; again with learning rate …",
        "the run goes back as after any divergence; it never counts as ok",
        proved="tests/reliability/test_damaged_state.py::test_weights_that_are_not_finite_are_no_result",
    ),
    Case(
        "a metric that is not finite",
        "tiny/af_scf/0: valid nll is nan: a finite number would be right",
        "that evaluation; the run's status is error",
        proved="tests/reliability/test_damaged_state.py::test_metrics_that_are_not_finite_are_no_result",
    ),
]
ROWS = [*CASES, *TEXT_CASES, CURVE, WHOLE_WORKFLOW, *NOT_FINITE]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(**acting(CASES))
def test_a_damaged_file_is_named_and_made_again(
    folder: Path, case: Case, way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert case.act is not None
    case.act(case, WAYS[way], capsys)


@pytest.mark.parametrize("way", TEXTS)
@pytest.mark.parametrize(**acting(TEXT_CASES))
def test_a_damaged_text_is_named_and_made_again(
    folder: Path, case: Case, way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert case.act is not None
    case.act(case, TEXTS[way], capsys)


def test_a_damaged_curve_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    curve(CURVE, shorten, capsys)  # an empty one is a curve without a point


def _document(path: Path) -> None:
    write_document(path, {"a": torch.randn(3, 4), "b": {"n": 1.5, "t": torch.tensor(2)}, "x": ["s", None, True]})


def _arrays(path: Path) -> None:
    write_arrays(path, {"a": np.arange(12.0).reshape(3, 4), "b": np.array([1, 2, 3])})


def _table(path: Path) -> None:
    rows = [{"split": "test", "value": 0.1 * n, "k": None if n % 2 else n, "x": [n, n + 1]} for n in range(9)]
    write_table(path, pyarrow.Table.from_pylist(rows), {"run": "r", "status": "ok"})


def _values(path: Path, read: Callable[[Path], Any]) -> str:
    """What a file says."""
    table = read(path)
    return repr((table.to_pydict(), table.schema.metadata) if isinstance(table, pyarrow.Table) else table)


@pytest.mark.parametrize(
    ("write", "read"),
    [(_document, read_document), (_arrays, read_arrays), (_table, read_table)],
    ids=["pt", "npz", "parquet"],
)
def test_no_flipped_bit_and_no_cut_changes_what_is_read(
    write: Callable[[Path], None], read: Callable[[Path], Any], tmp_path: Path
) -> None:
    """A file that is read at all says what was written; most flips, and every cut, are refused."""
    path = tmp_path / "file"
    write(path)
    whole, right = path.read_bytes(), _values(path, read)
    draw, refused = random.Random(0), 0
    for place in [draw.randrange(8 * len(whole)) for _ in range(400)]:
        content = bytearray(whole)
        content[place // 8] ^= 1 << place % 8
        path.write_bytes(content)
        try:
            assert _values(path, read) == right
        except UserError:
            refused += 1
    assert refused > 100
    for length in (0, 1, len(whole) // 3, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(Damaged, match="file: damaged"):
            read(path)


def test_a_file_without_a_checksum_is_another_revisions_and_left_alone(tmp_path: Path) -> None:
    torch.save({"format": 1}, tmp_path / "model.pt")
    with pytest.raises(UserError, match="has no checksum, so an older revision wrote it"):
        read_document(tmp_path / "model.pt")
    assert (tmp_path / "model.pt").exists()


def test_weights_that_are_not_finite_are_no_result(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A weight of a position that no sequence has, so that every loss is finite."""
    step = State.step

    def poisoned(self: State) -> None:
        step(self)
        with torch.no_grad():
            self.model.get_parameter("prior.context.initial_position.weight")[-1] = torch.inf

    monkeypatch.setattr(State, "step", poisoned)
    assert main(["train", "cut/spec.json"]) == 0
    assert read_json(Path("cut/run.json"))["status"] == "diverged"
    NOT_FINITE[0].assert_seen(capsys.readouterr().out)


def test_metrics_that_are_not_finite_are_no_result(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("lnf.runs.evaluation.log_weights", lambda terms: terms.distortion_SB * torch.nan)
    evaluation().unlink()
    assert main(["evaluate", "whole/spec.json"]) == 1
    NOT_FINITE[1].assert_seen(capsys.readouterr().err)
    assert read_json(Path("whole/state/error.json"))["error"] == "UserError"


@pytest.mark.e2e
def test_a_workflow_goes_on_past_a_damaged_model(copied: Project) -> None:
    """It is found when other scores are asked for; the model is trained again, and scored."""
    copied.overlay()
    model = copied.result("lstm", "model.pt")
    whole, history = read_document(model)["state_dict"], copied.result("lstm", "history.parquet").read_bytes()
    flip(model)
    out = finish(copied.without("ray", "mlflow").workflow(overrides__all__evaluate={"samples": 6}))
    WHOLE_WORKFLOW.assert_seen(out)
    assert "lnf: tiny: 2 runs: 2 ok" in out
    again = read_document(model)["state_dict"]
    assert whole.keys() == again.keys() and all(torch.equal(whole[name], again[name]) for name in whole)
    assert copied.result("lstm", "history.parquet").read_bytes() == history

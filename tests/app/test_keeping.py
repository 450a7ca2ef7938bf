"""Results of other code are kept where a run made again shows equal bits, and nowhere else."""

import shutil
from pathlib import Path

import pyarrow
import pytest

from lnf.app.keeping import keep
from lnf.plan import config
from lnf.plan.results import Plan
from lnf.plan.run import EVALUATED, Run
from lnf.report.gather import gather, read_metrics
from lnf.system.files import digest, read_json, write_json
from lnf.system.parquet import write_table

SMALL = {"name": "small", "select": {"corpora": ["markov"], "priors": ["lstm", "af_af"], "seeds": [0, 1]}}


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """A plan of which other code made every run."""
    monkeypatch.chdir(tmp_path)
    plan = Plan(config.load(config.merge(config.read(), SMALL)))
    for run in plan.runs:
        leave(run, code="older")
    return plan


def leave(run: Run, history: float = 1.0, score: float = 2.0, **digests: str) -> Path:
    """A finished run, of today's digests but for those given."""
    made = run.context.digests | digests
    folder, evaluation = run.place / digest(made), run.evaluation if not digests else "e0"
    facts = {"digests": made, "status": "ok", "revision": "abc", "corpus": "markov", "prior": "p", "seed": 0}
    write_json(folder / "run.json", facts)
    write_json(folder / "spec.json", {"evaluation": evaluation})
    (folder / "model.pt").write_bytes(f"model of {run.spec.key}".encode())
    (folder / "history.parquet").write_bytes(f"history {history} of {run.spec.key}".encode())
    row = {"split": "test", "metric": "nll", "unit": "bpc", "value": score, "estimator": "exact", "k": None, "n": 1}
    table = pyarrow.Table.from_pylist([row])
    whose = {"run": digest(made), "evaluation": evaluation, "status": "ok"}
    for what in EVALUATED:
        write_table(folder / f"{what}-{evaluation}.parquet", table.replace_schema_metadata(whose))
    return folder


def of(plan: Plan, prior: str) -> list[Run]:
    return [run for run in plan.runs if run.spec.prior.name == prior]


def test_nothing_is_kept_without_a_proof(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    keep(plan)
    assert not any(run.folder.exists() for run in plan.runs)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[0].startswith(
        "lnf: keep: lstm on text: no run of today's code equals an older one; make one: "
    )


def test_a_run_made_again_proves_its_variant_and_no_other(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    again, other = of(plan, "af_af")
    leave(again)
    keep(plan)
    assert "markov/af_af/1: " in capsys.readouterr().out and "kept" not in read_json(again.folder / "run.json")
    facts = read_json(other.folder / "run.json")
    assert facts["digests"] == other.context.digests and facts["revision"] == "abc"
    assert facts["kept"]["digests"] == other.context.digests | {"code": "older"}
    assert (other.folder / "model.pt").read_bytes() == b"model of markov/af_af/1"
    assert all(path.exists() for path in other.evaluated)
    assert not any(run.folder.exists() for run in of(plan, "lstm"))
    gather(plan.gathered, Path("metrics.parquet"), existing=True)
    found = {(row["prior"], row["seed"]): (row["status"], row["code"]) for row in read_metrics(Path("metrics.parquet"))}
    assert found["af_af", 0] == ("ok", "current") and found["af_af", 1] == ("ok", "kept")
    assert found["lstm", 0] == ("not_run", None)


def test_another_history_or_what_was_kept_itself_proves_nothing(plan: Plan) -> None:
    again, other = of(plan, "af_af")
    leave(again, history=1.5)
    keep(plan)
    assert not other.folder.exists()
    facts = read_json(leave(again) / "run.json")
    write_json(again.folder / "run.json", {**facts, "kept": {"digests": {}}})
    keep(plan)
    assert not other.folder.exists()


def test_other_scores_are_made_anew(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    again, other = of(plan, "af_af")
    leave(again, score=2.5)
    keep(plan)
    assert "without its scores" in capsys.readouterr().out
    assert (other.folder / "run.json").exists() and not any(path.exists() for path in other.evaluated)


@pytest.mark.parametrize("code", ["older", "today's"])
@pytest.mark.parametrize("difference", ["none", "sequences", "symbols"])
def test_other_data_counts_only_with_the_same_sequences_and_symbols(plan: Plan, difference: str, code: str) -> None:
    """Code of a reader that is other, alone or together with that of the run."""
    again, other = of(plan, "af_af")
    shutil.rmtree(other.place)
    leave(again)
    leave(other, data="d0", **({"code": "older"} if code == "older" else {}))
    for folder in (again.data, again.data.parent / "d0"):
        spoilt = folder.name == "d0"
        text = "other" if spoilt and difference == "sequences" else "same"
        vocabulary = ["b", "a"] if spoilt and difference == "symbols" else ["a", "b"]
        write_json(folder / "meta.json", {"kind": "text", "width": 2, "vocabulary": vocabulary})
        for split in ("train", "valid", "test"):
            (folder / f"{split}.arrow").write_text(text, encoding="utf-8")
    keep(plan)
    assert other.folder.exists() == (difference == "none")


def test_another_spec_is_another_run(plan: Plan) -> None:
    again, other = of(plan, "af_af")
    shutil.rmtree(other.place)
    leave(again)
    leave(other, code="older", spec="s0")
    keep(plan)
    assert not other.folder.exists()

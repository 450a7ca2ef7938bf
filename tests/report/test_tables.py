"""Tables from pinned metrics."""

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow
import pytest

from lnf.plan import config
from lnf.plan.results import Plan
from lnf.plan.stages import TABLES
from lnf.report import tables
from lnf.report.existing import write_existing
from lnf.report.frames import frame_of, records
from lnf.report.metrics import METRICS, Row
from lnf.system.sealed import write_table

PUBLISHED = config.ROOT / "reports" / "paper.csv"
OPTIONS = {"decimals": 2, "splits": ["test"], "others": True}


def row(corpus: str, prior: str, seed: int | None, **values: Any) -> Row:
    kind = "text" if corpus in ("ptb", "markov") else "music"
    ablation = prior in ("af_af_affine", "af_none", "af_none_affine")
    head = {"corpus": corpus, "kind": kind, "prior": prior, "label": prior.upper(), "seed": seed, "code": "current"}
    return {**head, "role": "ablation" if ablation else "main", "split": "test", "status": "ok", **values}


def nll(corpus: str, prior: str, seed: int | None, value: float, **values: Any) -> Row:
    unit = "bpc" if corpus in ("ptb", "markov") else "nats/step"
    how = {"estimator": "exact"} if prior in ("lstm", "source") else {"estimator": "importance", "k": 30}
    return row(corpus, prior, seed, metric="nll", unit=unit, value=value, n=3735, **{**how, **values})


def missing(corpus: str, prior: str, seed: int, status: str) -> Row:
    return row(corpus, prior, seed, status=status, split=None)


ROWS = [
    nll("ptb", "lstm", 0, 1.40),
    nll("ptb", "lstm", 1, 1.42),
    nll("ptb", "lstm", 2, 1.44),
    nll("ptb", "af_af", 0, 1.45),
    row("ptb", "af_af", 0, metric="kl", unit="bpc", value=1.3, estimator="sampled", k=30),
    nll("ptb", "af_af", 0, 1.55, split="valid"),
    missing("ptb", "af_af", 1, "diverged"),
    missing("ptb", "af_af", 2, "error"),
    missing("ptb", "iaf_scf", 0, "not_run"),
    nll("ptb", "af_none", 0, 1.60),
    nll("markov", "af_af", 0, 1.5),
    nll("markov", "source", None, 1.2),
    nll("jsb_chorales", "lstm", 0, 8.0),
]


def arguments(out: Path, **options: Any) -> dict[str, Any]:
    """What `write_tables` is called with."""
    paths = {"published": str(PUBLISHED), "metrics": str(out / "metrics.parquet"), "out": out / "tables"}
    return {"options": {**OPTIONS, **options}, **paths}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """The folder of tables made from ROWS."""
    write_table(tmp_path / "metrics.parquet", pyarrow.Table.from_pylist(ROWS, METRICS))
    tables.write_tables(**arguments(tmp_path))
    return tmp_path


def cells(path: Path) -> dict[tuple[str, ...], dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        assert tuple(reader.fieldnames or ()) == tables.COLUMNS
        return {tuple(line[key] for key in ("corpus", "prior", "split", "metric")): line for line in reader}


def test_mean_spread_and_published_value(out: Path) -> None:
    lstm = cells(out / "tables" / "text.csv")["ptb", "lstm", "test", "nll"]
    assert float(lstm["mean"]) == pytest.approx(1.42)
    assert float(lstm["sd"]) == pytest.approx(0.02)  # n - 1
    expected = {"n": "3", "published": "1.41", "published_mark": "certain", "status": "ok", "unit": "bpc", "k": ""}
    assert {key: lstm[key] for key in expected} == expected
    assert lstm["estimator"] == "exact"


def test_seeds_that_may_yet_come_have_not_failed() -> None:
    statuses = ("ok", "unfinished", "not_run", "diverged", "error")
    rows = [
        nll("ptb", "lstm", 0, 1.4, k=None),
        *(missing("ptb", "lstm", n, status) for n, status in enumerate(statuses) if n),
    ]
    cells = records(tables.summarise("text", frame_of(rows, METRICS), tables.read_published(PUBLISHED)))
    (found,) = [cell for cell in cells if (cell.split, cell.metric) == ("test", "nll")]
    assert (found.n, found.failed) == (1, 2)


def test_one_seed_has_no_spread_and_other_statuses_are_spelled_out(out: Path) -> None:
    text = cells(out / "tables" / "text.csv")
    assert text["ptb", "af_af", "test", "nll"]["sd"] == ""
    assert text["ptb", "af_af", "test", "nll"]["status"] == "partial 1/3 (diverged 1, error 1)"
    assert text["ptb", "iaf_scf", "test", "nll"]["status"] == "not_run"
    assert text["ptb", "iaf_scf", "test", "nll"]["mean"] == ""
    assert text["ptb", "iaf_scf", "test", "nll"]["published"] == "1.63"


def test_what_is_not_there_is_empty_never_zero(out: Path) -> None:
    text = cells(out / "tables" / "text.csv")
    for metric in ("elbo", "reconstruction", "kl"):
        assert (text["ptb", "lstm", "test", metric]["mean"], text["ptb", "lstm", "test", metric]["n"]) == ("", "0")


def test_published_values_only_on_the_papers_metric_and_split(out: Path) -> None:
    text = cells(out / "tables" / "text.csv")
    assert text["ptb", "af_af", "test", "kl"]["published"] == "1.37"
    assert text["ptb", "af_af", "valid", "nll"]["published"] == ""
    assert text["ptb", "af_af", "test", "nll_given_length"]["published"] == ""
    assert text["markov", "af_af", "test", "nll"]["published"] == ""


def test_each_table_holds_its_rows(out: Path) -> None:
    rows = {table: {key[:2] for key in cells(out / "tables" / f"{table}.csv")} for table in TABLES}
    assert rows["text"] == {
        ("ptb", "lstm"),
        ("ptb", "af_af"),
        ("ptb", "iaf_scf"),
        ("markov", "af_af"),
        ("markov", "source"),
    }
    assert rows["ablation"] == {("ptb", "af_af"), ("ptb", "af_none")}
    assert rows["music"] == {("jsb_chorales", "lstm")}
    assert len(cells(out / "tables" / "text.csv")) == 5 * 2 * len(tables.QUANTITIES)


def test_markdown_for_people(out: Path) -> None:
    text = (out / "tables" / "text.md").read_text()
    assert "| LSTM | nll (exact) | 1.42 ± 0.02 [1.41] |" in text
    assert "| AF_AF | nll (K=30) | 1.45 [1.42] |" in text
    assert "| AWD-LSTM across sentences (Merity et al. 2018) |  | [1.18†] |" in text
    assert "## markov, test (bpc)" in text
    assert "valid" not in text
    ablation = (out / "tables" / "ablation.md").read_text()
    assert "| AF_NONE | nll (K=30) | 1.60 [1.57†] |" in ablation
    assert "| +0.15 | 1 | ok |" in ablation
    assert "RNN-NADE" in (out / "tables" / "music.md").read_text()


def test_latex_is_escaped(out: Path) -> None:
    text = (out / "tables" / "text.tex").read_text()
    assert r"AF\_AF & nll (K=30) & 1.45 [1.42] &" in text
    assert "1.42 ± 0.02" in text and "[1.18†]" in text
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == 2


def test_what_markdown_and_latex_read_is_escaped(tmp_path: Path) -> None:
    label = r"a|b_c$d^e~f{g}h\i%j&k#l"
    rows = [{**row, "label": label} for row in ROWS[:3]]
    write_table(tmp_path / "metrics.parquet", pyarrow.Table.from_pylist(rows, METRICS))
    tables.write_tables(**arguments(tmp_path))
    text = (tmp_path / "tables" / "text.md").read_text(encoding="utf-8")
    assert r"| a\|b_c$d^e~f{g}h\\i%j&k#l | nll (exact)" in text
    text = (tmp_path / "tables" / "text.tex").read_text(encoding="utf-8")
    escaped = r"a|b\_c\$d\textasciicircum e\textasciitilde f\{g\}h\textbackslash i\%j\&k\#l & nll (exact)"
    assert escaped in text


def test_an_empty_table_says_so(tmp_path: Path) -> None:
    write_table(tmp_path / "metrics.parquet", pyarrow.Table.from_pylist(ROWS[:3], METRICS))
    tables.write_tables(**arguments(tmp_path))
    assert "No run of this table is planned." in (tmp_path / "tables" / "music.md").read_text()
    assert (tmp_path / "tables" / "music.csv").read_text() == ",".join(tables.COLUMNS) + "\n"


def test_published_numbers() -> None:
    numbers = tables.read_published(PUBLISHED).set_index(["table", "corpus", "prior", "split", "metric"])
    known, mark = numbers.published, numbers.published_mark
    assert len(known) == 71
    assert known["text", "ptb", "af_only", "test", "elbo"] == 2.92
    assert mark["ablation", "ptb", "af_none_affine", "test", "reconstruction"] == "memory"
    assert mark["music", "jsb_chorales", "af_af", "test", "nll"] == "certain"
    for quantity in ("af_only", "af_af", "af_scf", "iaf_scf"):
        terms = [known["text", "ptb", quantity, "test", metric] for metric in ("reconstruction", "kl", "elbo")]
        assert terms[0] + terms[1] == pytest.approx(terms[2])
    assert set(mark) == {"certain", "memory"}


def test_tables_of_what_exists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    changes = {"name": "bare", "select": {"corpora": ["markov"], "priors": ["lstm", "af_none"]}}
    ours = config.load(config.merge(config.read(), json.loads(json.dumps(changes))))
    write_existing(Plan(ours))
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == ["lnf: report: reports/out/bare/report.html", "lnf: bare: 6 runs not_run"]
    text = cells(Path("reports/out/bare/tables/text.csv"))
    assert text["markov", "lstm", "test", "nll"]["status"] == "not_run"


FAKE_TEX = """#!/bin/sh
# pdflatex, as far as it is asked here: its last argument is the source, next to which the PDF goes.
for last; do :; done
{ grep -q toprule "$last" && grep -q booktabs "$last" && %s; } && cp "$last" "${last%%.tex}.pdf"
"""


@pytest.mark.parametrize(("works", "files"), [("true", ["tables.pdf"]), ("false", [])])
def test_where_a_tex_is_there_is_a_pdf(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], works: str, files: list[str]
) -> None:
    tex = tmp_path / "bin" / "pdflatex"
    tex.parent.mkdir()
    tex.write_text(FAKE_TEX % works, encoding="utf-8")
    tex.chmod(0o755)
    monkeypatch.setenv("PATH", str(tex.parent), prepend=":")
    write_table(tmp_path / "metrics.parquet", pyarrow.Table.from_pylist(ROWS, METRICS))
    tables.write_tables(**arguments(tmp_path))
    assert [path.name for path in (tmp_path / "tables").glob("*.pdf")] == files
    assert ("pdflatex failed" in capsys.readouterr().out) == (not files)

"""Kept results next to what others published."""

from pathlib import Path
from typing import Any

from lnf.plan import config
from lnf.plan.config import ROOT
from lnf.report.frames import read_csv, records, write_csv
from lnf.report.measured.literature import literature_section
from lnf.report.tables import on_test, read_published
from tests.report.fabricated import keep

REPORTS = ROOT / "reports"
PUBLISHED = read_published(REPORTS / "paper.csv")
COLUMNS = ("corpus", "model", "quoted", "kept", "nll", "estimate", "notes", "source")


def metrics(corpus: str, k: int | None, *values: float) -> list[dict[str, Any]]:
    head = {"corpus": corpus, "prior": "af_af", "label": "AF / AF", "kind": "music", "role": "main", "status": "ok"}
    return [
        {**head, "seed": seed, "split": "test", "metric": metric, "unit": "nats/step", "value": value, "k": k}
        for seed, value in enumerate(values)
        for metric in ("nll", "nll_given_length")
    ]


def test_rows_are_in_the_order_of_their_nll(tmp_path: Path) -> None:
    kept = [keep(tmp_path / "small", metrics("jsb_chorales", 30, 6.0, 7.0))]
    file, ours = tmp_path / "literature.csv", {"corpus": "jsb_chorales", "kept": "small/jsb_chorales/af_af"}
    rows = [
        {"corpus": "jsb_chorales", "model": "TCN", "nll": "8.10"},
        ours,
        {"corpus": "jsb_chorales", "model": "SRNN", "quoted": "srnn"},
        {**ours, "kept": "other/jsb_chorales/af_af"},
        {**ours, "kept": "small/jsb_chorales/af_scf"},
        {"corpus": "muse_data", "model": "SRNN", "quoted": "srnn"},
    ]
    write_csv(file, COLUMNS, rows)
    lines = literature_section(file, PUBLISHED, kept)
    shown = [line.split(" | ")[:3] for line in lines if line.startswith("| ")][2:]
    assert shown == [["| SRNN", "4.74†", ""], ["| AF / AF, ours", "6.500", "bound, K = 30"], ["| TCN", "8.10", ""]]
    assert "muse_data:" not in lines, "nothing of ours is kept"
    assert literature_section(file, PUBLISHED, []) == []


def test_each_row_has_one_origin_that_exists() -> None:
    made, quoted = config.load(config.read()), on_test(PUBLISHED)
    rows = records(read_csv(REPORTS / "literature.csv"))
    assert rows
    for row in rows:
        assert [bool(row.quoted), bool(row.kept), bool(row.nll)].count(True) == 1, row
        assert bool(row.source) != bool(row.kept) and row.notes
        if row.quoted:
            assert (row.corpus, row.quoted, "nll") in quoted
        if row.kept:
            configuration, _, prior = row.kept.split("/")
            assert prior in made.priors and (ROOT / "workflow" / "configs" / f"{configuration}.yaml").exists()

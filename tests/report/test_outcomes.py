"""Which split a variant's result is of: test, or valid where test was left out, as in a sweep."""

import json
from pathlib import Path

from pandas import DataFrame

from lnf.plan.config import ROOT
from lnf.report.frames import frame_of
from lnf.report.metrics import METRICS
from lnf.report.outcomes import outcomes
from lnf.report.page.page import tables as tables_of_the_page
from lnf.report.tables import read_published, summarise
from lnf.tracking import ui

VALUES = {"valid": 2.0, "test": 3.0}
PUBLISHED = read_published(Path(ROOT, "reports", "paper.csv"))


def metrics(*splits: str) -> DataFrame:
    """The metrics of one finished run on some splits."""
    run = {"corpus": "c", "kind": "text", "prior": "p", "label": "P", "role": "main", "seed": 0, "status": "ok"}
    nll = {"metric": "nll", "unit": "bpc", "estimator": "exact", "n": 5}
    return frame_of([{**run, **nll, "split": split, "value": VALUES[split]} for split in splits], METRICS)


def test_test_is_reported_where_it_was_scored() -> None:
    (one,) = outcomes(metrics("valid", "test"))["c"]
    assert (one.split, one.mean("nll")) == ("test", 3.0)
    assert set(summarise("text", metrics("valid", "test"), PUBLISHED).split) == {"valid", "test"}


def test_valid_is_reported_where_test_was_left_out() -> None:
    (one,) = outcomes(metrics("valid"))["c"]
    assert (one.split, one.mean("nll"), one.spread("nll")) == ("valid", 2.0, 0.0)
    assert set(summarise("text", metrics("valid"), PUBLISHED).split) == {"valid"}
    (table,) = tables_of_the_page(metrics("valid"), PUBLISHED)
    assert [block["split"] for block in table["blocks"]] == ["valid"]


def test_mlflows_list_shows_the_split_that_was_scored() -> None:
    for split in ("valid", "test"):
        (view,) = [text for name, text in ui.tags("bpc", split).items() if name.startswith("mlflow.sharedViewState")]
        columns = [name for name in json.loads(view)["selectedColumns"] if "nll" in name]
        assert columns == [f"metrics.`{split}.nll_bpc`", f"metrics.`{split}.nll_bpc_sd`"]

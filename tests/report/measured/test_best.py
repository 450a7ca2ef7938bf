"""The rows of configurations with other settings in the README."""

from pathlib import Path

import pytest

from lnf.plan.config import ROOT
from lnf.report.measured.documents import _best
from lnf.report.tables import read_published
from tests.report.fabricated import keep

OF_THE_PAPER = ["`small`", "jsb_chorales", "AF / AF", "6.500", "nats/step", "30", "1", "6.53", "0.03"]
BEYOND = ["`small`", "jsb_chorales", "coupling in time", "6.800", "nats/step", "30", "1", "", "0.03"]


@pytest.mark.parametrize(("changed", "best"), [({}, [BEYOND]), ({"train.batch": [5, 15]}, [OF_THE_PAPER])])
@pytest.mark.parametrize("role", ["main", "beyond"])
def test_a_row_of_the_paper_at_its_settings_is_not_the_best_with_other_settings(
    changed: dict[str, list[int]], best: list[list[str]], role: str, tmp_path: Path
) -> None:
    """Whether the paper has a number for it or, as for the one that is second here, none."""
    head = {"corpus": "jsb_chorales", "kind": "music", "role": "main", "seed": 0, "status": "ok", "unit": "nats/step"}
    rows = [
        {**head, "prior": prior, "label": label, "split": split, "metric": metric, "value": value, "k": 30}
        for prior, label, value in (("af_af", "AF / AF", 6.5), ("bidirectional", "coupling in time", 6.8))
        for split in ("test", "valid")
        for metric in ("nll", "nll_given_length")
    ]
    one = keep(tmp_path / "small", rows)
    facts = {"corpus": "jsb_chorales", "status": "ok", "wall_seconds": 60.0}
    one.facts = [
        {**facts, "label": "AF / AF", "role": "main", "differs_from_paper": changed},
        {**facts, "label": "coupling in time", "role": role, "differs_from_paper": {}},
    ]
    found = _best(one, read_published(ROOT / "reports" / "paper.csv"))
    assert found == (best if changed or role == "beyond" else [])

"""Measured results are kept as they were shown, and the README says what lies there."""

from pathlib import Path

import pytest

from lnf.errors import UserError
from lnf.plan.config import ROOT, Config
from lnf.plan.results import Plan
from lnf.report.existing import write_existing
from lnf.report.figures.write import write_figures
from lnf.report.gather import gather
from lnf.report.measured import keep_measured, with_block
from lnf.report.page.write import write_page
from lnf.report.samples.write import write_samples
from lnf.report.tables import write_tables
from tests.report.fabricated import finish, plan_of


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """A plan in a project of its own, whose runs are there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "README.md").write_text("before\n<!-- measured -->\nold\n<!-- /measured -->\nafter\n", encoding="utf-8")
    made = plan_of(toy=None, speed=None, select={"corpora": ["markov"], "priors": ["lstm", "af_af"], "seeds": [0, 1]})
    for name in ("reports/paper.csv", "reports/captions", "reports/templates", "config.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).symlink_to(ROOT / name)
    plan = Plan(Config(made.config.values, made.config.priors, tmp_path))
    finish(plan)
    return plan


def shown(plan: Plan) -> None:
    gather(plan.gathered, plan.metrics)
    for write in (write_tables, write_figures, write_samples, write_page):
        write(plan.told_to_views(plan.metrics, finished=True))


def test_a_finished_plan_is_kept_and_shown(plan: Plan, tmp_path: Path) -> None:
    shown(plan)
    keep_measured(plan)
    folder = tmp_path / "reports" / "measured" / "small"
    assert (folder / "tables" / "text.md").read_bytes() == (plan.out / "tables" / "text.md").read_bytes()
    readme = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert readme.startswith("before\n<!-- measured -->\n| corpus |") and readme.endswith("<!-- /measured -->\nafter\n")
    assert "| markov | LSTM | 1.505 | bpc | 0.007 | 2 |  |" in readme and "old" not in readme
    assert "4 runs, 0.10 hours of training, revision `0123456789ab+`" in readme
    assert with_block(readme, folder) == readme


def test_an_unfinished_plan_is_refused(plan: Plan, tmp_path: Path) -> None:
    write_existing(plan)
    before = (tmp_path / "README.md").read_bytes()
    with pytest.raises(UserError, match=r"measured: small: .*: not there; finish the workflow first"):
        keep_measured(plan)
    assert (tmp_path / "README.md").read_bytes() == before


def test_the_readme_shows_what_was_measured() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    folders = [path.parent for path in (ROOT / "reports" / "measured").glob("*/provenance.json")]
    if folders:
        assert readme in [with_block(readme, folder) for folder in folders]
    else:
        assert "<!-- measured -->\n<!-- /measured -->" in readme


def test_a_smaller_configurations_page_shows_the_papers_measured_results(plan: Plan, tmp_path: Path) -> None:
    shown(plan)
    before = plan.views["page"].made
    keep_measured(plan)
    (tmp_path / "reports" / "measured" / "small").rename(tmp_path / "reports" / "measured" / "paper")
    again = Plan(plan.config)
    assert again.views["page"].made != before
    shown(again)
    page = (plan.out / "report.html").read_text(encoding="utf-8")
    assert "The paper's settings at full size, measured (0.1 hours of training)" in page
    assert "<td>markov</td><td>LSTM</td><td>1.505</td>" in page

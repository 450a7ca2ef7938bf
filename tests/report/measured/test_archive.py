"""What is kept in this repository: documents and tables are made of it byte by byte, and its sources are known."""

import csv
import re
import subprocess
from pathlib import Path

import pytest

from lnf.app.measuring import write_kept_tables
from lnf.plan import config
from lnf.plan.config import ROOT
from lnf.plan.origin import planned_data
from lnf.plan.results import Plan
from lnf.report.measured.archive import Kept, all_kept, kept_places
from lnf.report.measured.candidates import choose, require_known
from lnf.report.measured.documents import results_page, with_block
from lnf.report.measured.documents import rows_of as measured_rows
from lnf.report.measured.verdicts import verdict
from lnf.report.tables import read_published, summarise

PUBLISHED = read_published(ROOT / "reports" / "paper.csv")
KEPT = all_kept(ROOT)
DECISION_21 = (ROOT / "docs" / "decisions" / "021-notes-of-a-step.md").read_text(encoding="utf-8")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_tables_are_made_of_the_runs_kept(tmp_path: Path) -> None:
    for one in KEPT:
        out = tmp_path / one.folder.name
        write_kept_tables(one, PUBLISHED, out)
        assert names(out) == names(one.folder / "tables")
        for name in names(out):
            assert (out / name).read_bytes() == (one.folder / "tables" / name).read_bytes(), (one.folder.name, name)


def test_the_readme_and_the_page_of_results_show_what_is_kept() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme == with_block(readme, ROOT)
    assert (ROOT / "docs" / "results.md").read_text(encoding="utf-8") == results_page(ROOT)


def test_the_nlls_of_decision_21_are_kept() -> None:
    frames = [one.metrics for one in KEPT if one.folder.name in ("beyond_nade", "music_reduced", "nade_reduced")]
    kept = {
        f"{row.value:.3f}"
        for frame in frames
        for row in frame.itertuples()
        if (row.split, row.metric) == ("test", "nll")
    }
    written = set(re.findall(r"\d\.\d{3}", DECISION_21))
    assert written and written <= kept


@pytest.mark.parametrize(
    ("where", "of_lstm", "of_flow", "lead"),
    [
        ([("beyond_nade", "jsb_chorales"), ("beyond_nade", "jsb_chords")], "2.74", "0.22", "0.91"),
        ([("music_reduced", "nottingham"), ("nade_reduced", "nottingham")], "1.20", "0.28", "0.36"),
    ],
)
def test_the_differences_of_decision_21_are_of_what_is_kept(
    where: list[tuple[str, str]], of_lstm: str, of_flow: str, lead: str
) -> None:
    """What the emission is worth to both, and the lead of the LSTM with it."""
    (lstm, flow), (lstm_with_nade, flow_with_nade) = (
        [nlls(*place, prior)[0] for prior in ("lstm", "af_af")] for place in where
    )
    differences = (lstm - lstm_with_nade, flow - flow_with_nade, flow_with_nade - lstm_with_nade)
    assert [f"{one:.2f}" for one in differences] == [of_lstm, of_flow, lead]
    text = " ".join(DECISION_21.split())
    assert f"is worth {of_lstm} nats to the LSTM and {of_flow} to AF / AF" in text
    assert f"the LSTM is {lead} below AF / AF" in text


def test_the_other_numbers_of_decision_21_are_of_what_is_kept() -> None:
    gap = nlls("beyond_nade", "jsb_chorales", "af_af")[0] - nlls("beyond_nade", "jsb_chords", "lstm")[0]
    seeds = nlls("music_reduced", "nottingham", "af_af")
    spread = max(abs(seeds[0] - other) for other in seeds[1:])
    bounds = [
        float(row["nll"])
        for row in rows_of(ROOT / "reports" / "measured" / "paper_jsb" / "bounds.csv")
        if row["prior"] == "af_af"
    ]
    (published,) = PUBLISHED[(PUBLISHED.corpus == "nottingham") & (PUBLISHED.prior == "af_af")].published
    text = " ".join(DECISION_21.split())
    for said in (
        f"between AF / AF and the LSTM with NADE ({gap:.2f} nats)",
        f"AF / AF on Nottingham with independent notes by {spread:.2f}",
        f"the bound falls by {bounds[0] - bounds[-1]:.2f} up to K = 960",
        f"below the paper's AF / AF too ({float(published):.2f})",
    ):
        assert said in text, said


def nlls(name: str, corpus: str, prior: str) -> list[float]:
    """NLL on test of the seeds that a configuration keeps, the first one first."""
    (kept,) = [one.metrics for one in KEPT if one.folder.name == name]
    asked = kept[(kept.corpus == corpus) & (kept.prior == prior) & (kept.split == "test") & (kept.metric == "nll")]
    return [float(value) for value in asked.sort_values("seed").value.dropna()]


def test_the_interval_that_decision_13_names_holds_the_recalled_number() -> None:
    (kept,) = [one for one in KEPT if one.folder.name == "paper_jsb"]
    cells = summarise("music", kept.metrics, PUBLISHED)
    (row,) = cells[(cells.prior == "iaf_scf") & (cells.split == "test") & (cells.metric == "nll")].itertuples()
    miss, reach = re.fullmatch(r".*\(([-+][\d.]+)%, ± ([\d.]+)%\)", verdict(row)).groups()  # type: ignore[union-attr]
    assert row.n == 3 and 2.0 < float(miss) < float(reach)


def test_what_is_ablated_stands_behind_what_it_is_held_against() -> None:
    for one in KEPT:
        first = one.metrics.drop_duplicates(["corpus", "label"]).set_index(["corpus", "label"]).role
        roles = [first[(line[0], line[1])] == "ablation" for line in measured_rows(one, PUBLISHED)]
        assert roles == sorted(roles), one.folder.name


@pytest.mark.parametrize("kept", KEPT, ids=lambda kept: kept.folder.name)
def test_every_run_kept_is_recognised(kept: Kept, tmp_path: Path) -> None:
    """By settings and raw files: no corpus is prepared, and no code is compared."""
    overlay = ROOT / "workflow" / "configs" / f"{kept.folder.name}.yaml"
    plan = Plan(config.load(config.read([overlay])))
    choices = [
        choose(run, planned_data(plan.corpora[run.spec.corpus].arguments["settings"]), tmp_path, kept.folder)
        for run in plan.runs
    ]
    own = [choice for choice in choices if choice.kept and choice.kept.folder.is_relative_to(kept.folder)]
    assert [choice.differs for choice in own] == [[]] * len(kept_places(kept.folder))


def test_every_run_kept_was_made_by_a_commit_of_this_project() -> None:
    asked = ["git", "rev-parse", "--is-shallow-repository"]
    found = subprocess.run(asked, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    if found.stdout.strip() != "false":
        pytest.skip("needs a checkout with all of git's history")
    tried = [row for path in (ROOT / "reports" / "tries").glob("*.csv") for row in rows_of(path) if row["revision"]]
    for one in [*(facts for kept in KEPT for facts in kept.facts), *tried]:
        require_known(one, ROOT)

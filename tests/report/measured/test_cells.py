"""Which of the paper's cells are measured."""

from collections import Counter

from lnf.plan.config import ROOT
from lnf.report.measured.archive import all_kept
from lnf.report.measured.cells import NOT_RUN, cells, cells_section, outcomes_table
from lnf.report.measured.verdicts import WORDS
from lnf.report.tables import read_published

PUBLISHED = read_published(ROOT / "reports" / "paper.csv")


def test_each_cell_says_what_there_is_of_it() -> None:
    lines = cells_section(all_kept(ROOT), PUBLISHED)
    rows = {line.split(" | ")[0].strip("| "): line for line in lines if line.startswith("| ")}
    headings = [name.strip("| ") for name in rows["model"].split(" | ")]
    facts = [facts for one in all_kept(ROOT) if one.at_paper_settings for facts in one.facts]
    finished = {(one["corpus"], one["label"]) for one in facts if one["status"] == "ok"}
    cells = 0
    for label, row in rows.items():
        for corpus, text in zip(headings[1:], row.rstrip(" |").split(" | ")[1:], strict=False):
            if label not in ("model", "---") and text.strip():
                cells += 1
                begun = any((one["corpus"], one["label"]) == (corpus, label) for one in facts)
                assert text[:1].isdigit() == ((corpus, label) in finished)
                assert ("not run" in text) == (not begun)
    nll = PUBLISHED[(PUBLISHED.split == "test") & (PUBLISHED.metric == "nll") & PUBLISHED.label.isin(list(rows))]
    assert cells == len(nll[["corpus", "prior"]].drop_duplicates())
    assert any(line.startswith(f"{len(finished & set(zip(nll.corpus, nll.label, strict=True)))} of") for line in lines)


def test_outcomes_count_every_cell() -> None:
    kept = all_kept(ROOT)
    counts = Counter(cell.outcome for cell in cells(kept, PUBLISHED).values())
    words, numbers = (line.strip("| ").split(" | ") for line in outcomes_table(kept, PUBLISHED)[2:5:2])
    assert {word: int(number) for word, number in zip(words, numbers, strict=True)} == counts
    assert set(WORDS) & set(words) and words[-1] == NOT_RUN


def test_nothing_is_said_without_results() -> None:
    assert cells_section([], PUBLISHED) == []

"""What is made of kept results alone: the tables, and the figure of results."""

from pathlib import Path

from lnf.report.figures import results
from lnf.report.measured.kept import read_plan, read_rows
from lnf.report.outcomes import outcomes
from lnf.report.published import read_published
from lnf.report.tables import TABLES, summarise, write_table


def write_made(folder: Path, published: Path) -> None:
    """FOLDER/tables and FOLDER/figures/results.png, from the other files of the folder and the paper's numbers."""
    write_kept_tables(folder, published, folder / "tables")
    on_test = {(key.corpus, key.prior, key.metric): number
               for key, number in read_published(published).items() if key.split == "test"}  # fmt: skip
    results.draw(outcomes(read_rows(folder)), on_test, folder / "figures")
    (folder / "figures" / "results.pdf").unlink()


def write_kept_tables(folder: Path, published: Path, out: Path) -> None:
    """OUT/{text, ablation, music}.{csv, md}, those that have a row."""
    rows, known, options = read_rows(folder), read_published(published), read_plan(folder)["options"]
    out.mkdir(parents=True, exist_ok=True)
    for table in TABLES:
        cells = summarise(table, rows, known)
        if cells:
            write_table(out / table, table, cells, known, options, ("md",))

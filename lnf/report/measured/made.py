"""What is made of kept results alone: the tables, and the figure of results."""

from pathlib import Path

from lnf.report.figures import results
from lnf.report.measured.kept import read_kept_metrics, read_plan
from lnf.report.outcomes import outcomes
from lnf.report.tables import TABLES, on_test, read_published, summarise, write_table


def write_made(folder: Path, published: Path) -> None:
    """FOLDER/tables and FOLDER/figures/results.png, from the other files of the folder and the paper's numbers."""
    write_kept_tables(folder, published, folder / "tables")
    results.draw(outcomes(read_kept_metrics(folder)), on_test(read_published(published)), folder / "figures")
    (folder / "figures" / "results.pdf").unlink()


def write_kept_tables(folder: Path, published: Path, out: Path) -> None:
    """OUT/{text, ablation, music}.{csv, md}, those that have a row."""
    metrics, known, options = read_kept_metrics(folder), read_published(published), read_plan(folder)["options"]
    out.mkdir(parents=True, exist_ok=True)
    for table in TABLES:
        cells = summarise(table, metrics, known)
        if len(cells):
            write_table(out / table, table, cells, known, options, ("md",))

"""Artifacts follow the project folder: MLflow's database holds whole paths, which a folder that was moved belies."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

COLUMNS = {"experiments": "artifact_location", "runs": "artifact_uri", "logged_models": "artifact_location"}
"""Table -> its column with an artifact's address."""


def follow_project(database: Path, artifacts: Path) -> None:
    """Where an address in the project's own database is below another folder's `artifacts`, make it this folder's.

    Does nothing without a database, or where nothing was moved.
    """
    if not database.exists():
        return
    here = f"{artifacts.absolute().as_uri()}/"
    with closing(sqlite3.connect(database)) as connection, connection:
        for table, column in _columns(connection):
            query = f"select distinct {column} from {table} where {column} like 'file://%'"
            for (address,) in connection.execute(query).fetchall():
                before, found, after = address.partition(f"/{artifacts.name}/")
                if found and f"{before}{found}" != here:
                    connection.execute(f"update {table} set {column} = ? where {column} = ?", (here + after, address))


def _columns(connection: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """The tables that this database has: an older one lacks some, an empty one all."""
    there = {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}
    yield from ((table, column) for table, column in COLUMNS.items() if table in there)

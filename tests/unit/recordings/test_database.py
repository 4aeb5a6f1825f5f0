"""The catalogue's database is let go of when nobody uses it any more."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import Connection

from recordings.database import Database
from recordings.errors import CatalogueError


def read_on(database: Database) -> None:
    while True:
        database.read(lambda connection: connection.exec_driver_sql("SELECT 1").scalar_one())


def test_closing_waits_for_threads_that_still_read_and_lets_nobody_in(tmp_path: Path) -> None:
    database = Database(tmp_path / "catalogue.db")
    reading, go_on = threading.Event(), threading.Event()

    def read(connection: Connection) -> int:
        reading.set()
        assert go_on.wait(20)
        return int(connection.exec_driver_sql("SELECT 7").scalar_one())

    found: list[int] = []
    reader = threading.Thread(target=lambda: found.append(database.read(read)))
    reader.start()
    assert reading.wait(20)
    closer = threading.Thread(target=database.close)
    closer.start()
    with pytest.raises(CatalogueError, match="closed"):
        read_on(database)
    assert closer.is_alive()
    go_on.set()
    closer.join(20)
    reader.join(20)
    assert found == [7]

"""The catalogue's database: a SQLite file by default, a PostgreSQL server by its URL; reading, writing, errors."""

from __future__ import annotations

import importlib.util
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, select, text
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from recordings.errors import CatalogueDamagedError, CatalogueError
from recordings.tables import VERSION, VERSIONS, create_tables

APPLICATION_ID = 0x48434354
"""SQLite ``application_id`` of a catalogue: "HCCT"."""

BUSY_S = 5.0
"""How long a write waits for another program's."""
LOST_MS = 20_000
"""A server's machine that answers nothing for so long is gone: else a thread would wait for it for minutes."""
CONNECT_S = 5
STATEMENT_MS = 10_000
"""A server that has not answered by then is as good as away."""
CONNECTIONS = 8
"""Readers at the same time; more wait for each other."""

_SCHEMA_LOCK = 0x48434354
_T = TypeVar("_T")


class Database:
    """The database, open. Safe to call from several threads.

    Readers never wait for a writer (SQLite's WAL, PostgreSQL's versions). Writers of one process follow each other;
    another program's are waited for.
    """

    def __init__(self, where: Path | str) -> None:
        """Open it; the tables are made if there are none.

        :param where: the SQLite file, or the URL of a PostgreSQL database (``postgresql://user:password@host/name``).
        :raises CatalogueError: ``catalogue_unusable``.
        """
        self._write_lock = threading.Lock()
        self._idle = threading.Condition()
        self._users = 0
        self._closed = False
        self._engine = _engine_of(where)
        try:
            with _translated(), self._engine.connect() as connection:
                # In a transaction of its own: SQLite changes to WAL only outside one.
                if self.is_sqlite:
                    _check_sqlite(connection)
                self._begin_writing(connection)
                with connection.begin():
                    _prepare(connection)
        except BaseException:
            self._engine.dispose()
            raise

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a SQLite file (else PostgreSQL)."""
        return self._engine.dialect.name == "sqlite"

    def read(self, read: Callable[[Connection], _T]) -> _T:
        """What ``read`` makes of one consistent view.

        :raises CatalogueError: ``catalogue_unusable``.
        """
        with self._connected() as connection:
            return read(connection)

    def write(self, write: Callable[[Connection], _T]) -> _T:
        """Run ``write`` in one transaction: all of it or, if it raises, nothing.

        :raises CatalogueError: ``catalogue_unusable``, ``hall_code_taken``.
        """
        with self._write_lock, self._connected() as connection:
            self._begin_writing(connection)
            with connection.begin():
                return write(connection)

    def close(self) -> None:
        """Let go of all connections, once threads that still read or write are done."""
        with self._idle:
            self._closed = True
            self._idle.wait_for(lambda: not self._users, STATEMENT_MS / 1000)
        self._engine.dispose()

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        with self._idle:
            if self._closed:
                raise CatalogueError("catalogue_unusable", "The catalogue has been closed.")
            self._users += 1
        try:
            with _translated(), self._engine.connect() as connection:
                yield connection
        finally:
            with self._idle:
                self._users -= 1
                self._idle.notify_all()

    def _begin_writing(self, connection: Connection) -> None:
        connection.execution_options(hallcast_writes=True)


@contextmanager
def _translated() -> Iterator[None]:
    """Turn the database's errors into ours; what is told of them names no password."""
    try:
        yield
    except IntegrityError as error:
        if "hall_code_key" in str(error.orig):
            raise CatalogueError("hall_code_taken", "Another lecture has this hall code.") from error
        raise CatalogueError("catalogue_unusable", f"The catalogue refused a change: {error.orig}.") from error
    except (DBAPIError, sqlite3.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        said = " ".join(str(cause).split()).rstrip(".")
        if getattr(cause, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise CatalogueDamagedError(
                "catalogue_unusable",
                f"The catalogue is damaged ({said}). Restore it from the backup, or have “hallcast recordings rebuild” "
                "make it again from the lecture files.",
            ) from error
        raise CatalogueError("catalogue_unusable", f"The catalogue cannot be used: {said}.") from error
    except PoolTimeoutError as error:
        raise CatalogueError("catalogue_unusable", "The catalogue has too much to do; try again.") from error


def _engine_of(where: Path | str) -> Engine:
    if isinstance(where, Path):
        engine = create_engine(
            URL.create("sqlite", database=str(where)),
            connect_args={"timeout": BUSY_S, "check_same_thread": False},
            pool_size=CONNECTIONS,
        )
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    try:
        url = make_url(where)
    except ArgumentError:
        url = None
    if url is None or url.drivername not in ("postgresql", "postgres"):
        raise CatalogueError("catalogue_unusable", "The catalogue's URL must begin with postgresql://.")
    if importlib.util.find_spec("psycopg") is None:
        raise CatalogueError("extra_missing", "PostgreSQL needs psycopg: pip install 'hallcast[postgres]'.")
    options = f"-c statement_timeout={STATEMENT_MS} -c lock_timeout={int(BUSY_S * 1000)}"
    return create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args={
            "connect_timeout": CONNECT_S,
            "tcp_user_timeout": LOST_MS,
            "options": options,
            "application_name": "hallcast",
        },
        pool_size=CONNECTIONS,
        pool_pre_ping=True,  # a server that was restarted is no reason to fail
    )


def _set_up_sqlite(connection: Any, _: object) -> None:
    # Transactions are begun by hand (_begin_sqlite): Python's own begin too late to be of one view.
    connection.isolation_level = None
    connection.execute("PRAGMA synchronous = FULL")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("hallcast_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _check_sqlite(connection: Connection) -> None:
    """Refuse a file that is not ours before anything of it is changed; then have it written beside readers."""
    raw = connection.connection.driver_connection
    assert raw is not None
    (application_id,) = raw.execute("PRAGMA application_id").fetchone()
    (version,) = raw.execute("PRAGMA user_version").fetchone()
    (tables,) = raw.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application_id != APPLICATION_ID and (application_id, version, tables) != (0, 0, 0):
        raise CatalogueError("catalogue_unusable", "The file is not a Hallcast catalogue.")
    if application_id == APPLICATION_ID and version != VERSION:
        raise _other_version(version)
    raw.execute("PRAGMA journal_mode = WAL")


def _prepare(connection: Connection) -> None:
    """Make the tables where there are none, and refuse those of another version."""
    if connection.dialect.name == "sqlite":
        if connection.exec_driver_sql("PRAGMA user_version").scalar() == VERSION:
            return
        connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.exec_driver_sql(f"PRAGMA user_version = {VERSION}")
        create_tables(connection)
        return
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _SCHEMA_LOCK})
    if connection.execute(text("SELECT to_regclass('catalogue_version')")).scalar() is None:
        create_tables(connection)
    version = connection.execute(select(VERSIONS.c.version)).scalar()
    if version != VERSION:
        raise _other_version(version)


def _other_version(version: object) -> CatalogueError:
    return CatalogueError(
        "catalogue_unusable",
        f"The catalogue has version {version}; this Hallcast knows {VERSION}. Use the Hallcast that made it, or "
        "move the catalogue away: it is made again from the lecture files.",
    )

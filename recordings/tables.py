"""The catalogue's tables, for SQLite and PostgreSQL alike. Times are seconds since 1970; lists are JSON texts."""

from __future__ import annotations

from typing import Literal

from sqlalchemy import (
    REAL,
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    Double,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    text,
)
from sqlalchemy.types import TypeEngine

VERSION = 4

# SQLite's strict tables know INTEGER, REAL and TEXT; all of them are as wide as PostgreSQL's wide ones.
_BIG = BigInteger().with_variant(Integer(), "sqlite")
_TIME: TypeEngine[float] = Double().with_variant(REAL(), "sqlite")

METADATA = MetaData()

VERSIONS = Table("catalogue_version", METADATA, Column("version", Integer, primary_key=True))

LECTURES = Table(
    "lectures",
    METADATA,
    Column("lecture_id", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("course", Text, nullable=False),
    Column("series", Text, nullable=False),
    Column("tags", Text, nullable=False),
    Column("languages", Text, nullable=False),
    Column("hall_code", Text, nullable=False),
    Column("hall_code_key", Text, unique=True),  # null: no code, as for a lecture known from its file only
    Column("code_expires_at", _TIME, nullable=False),
    Column("created_at", _TIME, nullable=False),
    Column("planned_at", _TIME),
    Column("state", Text, CheckConstraint("state IN ('planned', 'live', 'ended')"), nullable=False, index=True),
    Column("started_at", _TIME),
    Column("ended_at", _TIME),
    Column("duration_ms", _BIG, nullable=False),
    Column("keep_forever", Integer, nullable=False),
    Column("keep_until", _TIME),
    Column("deleted_at", _TIME),
    sqlite_strict=True,
)

FILES = Table(
    "lecture_files",
    METADATA,
    Column("lecture_id", Text, primary_key=True),
    Column("stamp", Text, nullable=False),
    Column("revision", Text, nullable=False),
    Column("missing", Integer, nullable=False),
    Column("trouble", Text, nullable=False),
    Column("file_bytes", _BIG, nullable=False),
    Column("duration_ms", _BIG, nullable=False),
    Column("languages", Text, nullable=False),
    Column("page_count", Integer, nullable=False),
    Column("has_camera", Integer, nullable=False),
    Column("missing_ms", _BIG, nullable=False),
    Column("scanned_at", _TIME),
    Column("scan_problems", Text, nullable=False),
    Column("remote_key", Text, nullable=False),  # empty: not in object storage
    Column("remote_stamp", Text, nullable=False),  # the local file's when it was uploaded
    Column("remote_sha256", Text, nullable=False),
    Column("remote_bytes", _BIG, nullable=False),
    sqlite_strict=True,
)

PASSAGES = Table(
    "passages",
    METADATA,
    Column("passage_id", _BIG, primary_key=True, autoincrement=True),
    Column("lecture_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("weight", Integer, nullable=False),
    Column("page", Integer),
    Column("moments", Text, nullable=False),
    Column("passage", Text, nullable=False),
    Column("folded", Text, nullable=False),
    Index("passages_by_lecture", "lecture_id", "kind"),
    sqlite_strict=True,
)

PASSAGE_WORDS = "passage_words"
"""SQLite's full-text index over ``passages.folded``; its trigrams find any part of a word of three characters."""

_SQLITE_INDEX = (
    f"""CREATE VIRTUAL TABLE {PASSAGE_WORDS} USING fts5(
        folded, content='passages', content_rowid='passage_id', tokenize='trigram')""",
    f"""CREATE TRIGGER passages_added AFTER INSERT ON passages BEGIN
        INSERT INTO {PASSAGE_WORDS} (rowid, folded) VALUES (new.passage_id, new.folded); END""",
    f"""CREATE TRIGGER passages_removed AFTER DELETE ON passages BEGIN
        INSERT INTO {PASSAGE_WORDS} ({PASSAGE_WORDS}, rowid, folded)
        VALUES ('delete', old.passage_id, old.folded); END""",
)

_POSTGRES_INDEX = "CREATE INDEX passages_by_word ON passages USING gin (folded gin_trgm_ops)"


Place = Literal["local", "both", "remote"]
"""Where a lecture file lies: here, here and in object storage, or in object storage alone."""


def place_of(stamp: str, remote_key: str, remote_stamp: str) -> Place:
    """What the columns of a file say of where it lies as it is now."""
    if not remote_key:
        return "local"
    return "remote" if not stamp else "both" if stamp == remote_stamp else "local"


def create_tables(connection: Connection) -> None:
    """Make all tables and the index for searching, in the transaction of ``connection``."""
    METADATA.create_all(connection, checkfirst=False)
    connection.execute(VERSIONS.insert().values(version=VERSION))
    if connection.dialect.name == "sqlite":
        for statement in _SQLITE_INDEX:
            connection.exec_driver_sql(statement)
    elif _has_trigrams(connection):
        connection.execute(text(_POSTGRES_INDEX))


def _has_trigrams(connection: Connection) -> bool:
    """Whether PostgreSQL has its trigrams; without them a search reads all passages, which is slower but right."""
    known = text("SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm'")
    if connection.execute(known).first() is None:
        return False
    connection.execute(text("CREATE EXTENSION IF NOT EXISTS pg_trgm"))
    return True

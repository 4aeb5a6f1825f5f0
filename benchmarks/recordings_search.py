"""Searching a library of hundreds of lectures: time to take it in, to search it and to list it.

``python -m benchmarks.recordings_search [--lectures 500] [--postgresql]``. Lecture files are real ones with decks, page
turns and notes in Korean and English, without media.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from lecture.entries import Entry, Kind, pack_event
from lecture.file import LectureFile
from recordings.catalogue import Catalogue
from recordings.search import Query, search
from recordings.shelf import Shelf

PAGES = 40
WORDS_ON_A_PAGE = 70
RUNS = 15

KNOWN = (
    "가격",
    "수요",
    "공급",
    "탄력성",
    "시장",
    "엔트로피",
    "파동",
    "price",
    "demand",
    "elasticity",
    "wave",
    "entropy",
)
"""Words that stand on some pages of every third lecture or so."""

QUERIES = {
    "part of a Korean word, 1 letter": "력",
    "part of a Korean word, 2 letters": "가격",
    "a Korean word, 3 letters": "탄력성",
    "an English word": "elasticity",
    "part of an English word": "lastic",
    "two words": "price 시장",
    "a word of every title": "lecture",
    "nothing": "doesnotstandanywhere",
    "the list (no words)": "",
}


@dataclass(frozen=True, slots=True)
class SearchFigures:
    """What :func:`run` measured.

    :param take_in_ms: for each lecture file: opened, read, indexed.
    :param look_ms: to see that none of the files has changed.
    :param search_ms: median for each of :data:`QUERIES`; ``worst_ms`` over all of them.
    :param database_bytes: size of the catalogue with its index (SQLite), 0 for PostgreSQL.
    """

    lectures: int
    pages: int
    take_in_ms: float
    look_ms: float
    search_ms: dict[str, float]
    worst_ms: float
    database_bytes: int


def run(folder: Path, lectures: int = 500, where: str | None = None) -> SearchFigures:
    """Make a library in ``folder`` and search it.

    :param where: URL of an empty PostgreSQL database; None for SQLite in the folder.
    """
    (folder / "lectures").mkdir(parents=True)
    for number in range(lectures):
        _write_lecture(folder / "lectures" / f"lecture-{number:04}.lecture", number)
    database = folder / "catalogue.db"
    with Catalogue(where or database) as catalogue:
        shelf = Shelf(catalogue, folder)
        take_in_s = _timed(shelf.sync)
        look_s = _timed(shelf.outdated)
        times = {
            name: [_timed(lambda text=text: search(catalogue, Query(text))) for _ in range(RUNS)]  # type: ignore[misc]
            for name, text in QUERIES.items()
        }
    return SearchFigures(
        lectures=lectures,
        pages=lectures * PAGES,
        take_in_ms=1000 * take_in_s / lectures,
        look_ms=1000 * look_s,
        search_ms={name: round(1000 * statistics.median(taken), 1) for name, taken in times.items()},
        worst_ms=round(1000 * max(max(taken) for taken in times.values()), 1),
        database_bytes=database.stat().st_size if database.exists() else 0,
    )


def _timed(call: object) -> float:
    started = time.perf_counter()
    call()  # type: ignore[operator]
    return time.perf_counter() - started


def _write_lecture(path: Path, number: int) -> None:
    chance = random.Random(number)
    pages = []
    for page in range(1, PAGES + 1):
        words = [_word(chance) for _ in range(WORDS_ON_A_PAGE)]
        if chance.random() < 0.05:
            words[chance.randrange(len(words))] = chance.choice(KNOWN)
        pages.append({"page": page, "title": " ".join(words[:4]), "text": " ".join(words)})
    facts = {
        "title": f"Lecture {number} {_word(chance)}",
        "course": f"Course {number % 20}",
        "languages": '["ko","en"]',
    }
    file = LectureFile.create(path, facts | {"state": "ended", "started_at": f"20{number % 30:02}-03-01T09:00:00Z"})
    file.append(Entry(Kind.DECK, 0, pack_event({"deck": "d", "title": "D", "page_count": PAGES, "pages": pages})))
    for page in range(1, PAGES + 1):
        file.append(Entry(Kind.TURN, page * 60_000, pack_event({"deck": "d", "page": page})))
    file.append(Entry(Kind.MARK, 90_000, pack_event({"text": f"{_word(chance)} {_word(chance)}"})))
    file.finish()
    file.close()


def _word(chance: random.Random) -> str:
    if chance.random() < 0.5:
        return "".join(chr(0xAC00 + chance.randrange(11_172)) for _ in range(chance.randint(2, 4)))
    return "".join(chance.choice("etaoinshrdlu") for _ in range(chance.randint(3, 9)))


@contextmanager
def database(postgresql: bool) -> Iterator[str | None]:
    """What :func:`run` takes for ``where``; starts a PostgreSQL server where one is wanted.

    :raises SystemExit: PostgreSQL is not installed.
    """
    if not postgresql:
        yield None
        return
    from tests import catalogues

    programs = catalogues.postgres_programs()
    if programs is None:
        raise SystemExit("Install Debian's package postgresql first.")
    with catalogues.postgres(programs) as url:
        yield url


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lectures", type=int, default=500)
    parser.add_argument("--postgresql", action="store_true", help="on a PostgreSQL server that is started for it")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, database(args.postgresql) as where:
        print(json.dumps(asdict(run(Path(folder) / "data", args.lectures, where)), indent=1))


if __name__ == "__main__":
    main()

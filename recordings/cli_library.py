"""``hallcast recordings list|search|rebuild|retention|delete|restore``: the library as a whole."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Column, Table
from rich.text import Text

from lecture.errors import HallcastError
from lecture.json_line import print_json
from recordings.cli_common import ATTENTION, FAILED, OK, Actions, clock, data_dir_of, read_config, size, store_of
from recordings.errors import CatalogueDamagedError, CatalogueError, RecordingError
from recordings.recording import MISSING_TOLD_MS

if TYPE_CHECKING:
    from recordings.recycle_bin import RecycleBin
    from recordings.retention import Due, LibrarySettings
    from recordings.search import Found, Hit, Query, Results
    from recordings.shelf import Shelf

CATALOGUE_VARIABLE = "HALLCAST_CATALOGUE"
"""Environment variable with the catalogue's URL: on a command line others would read its password."""

CATALOGUE = "catalogue.db"

# The database's modules are imported when an action runs: `info` and `verify` need none, on a hall's machine neither.


def add_actions(actions: Actions[argparse.ArgumentParser]) -> None:
    """Add the library's actions."""
    listing = actions.add_parser("list", help="the recordings of a data folder; exit code 1 if one needs attention")
    searching = actions.add_parser("search", help="find words in titles, pages, notes, captions and questions")
    searching.add_argument("words", help='words, or "several words" in quotes; parts of words are found too')
    for action in (listing, searching):
        for name in ("course", "series", "tag", "language"):
            action.add_argument(f"--{name}", default="")
        action.set_defaults(run=_list)
        action.add_argument("--page", type=int, default=1, help="of the results (default: 1)")
    listing.set_defaults(words="")
    rebuild = actions.add_parser(
        "rebuild", help="make the catalogue again from the lecture files alone, also a damaged one"
    )
    rebuild.set_defaults(run=_rebuild)
    retention = actions.add_parser("retention", help="delete what the rules no longer keep; exit code 1 if it is some")
    retention.add_argument("--dry-run", action="store_true", help="only say what would be deleted")
    retention.add_argument("--keep-days", type=_days, help="(library.keep_days)")
    retention.add_argument("--recycle-days", type=_days, help="(library.recycle_days)")
    retention.set_defaults(run=_retention)
    delete = actions.add_parser("delete", help="put lectures into the recycle bin")
    delete.add_argument("--purge", action="store_true", help="delete for good what lies in the recycle bin")
    delete.set_defaults(run=_delete)
    restore = actions.add_parser("restore", help="take lectures out of the recycle bin")
    restore.set_defaults(run=_restore)
    for action in (delete, restore):
        action.add_argument("lectures", nargs="+", metavar="LECTURE", help="a lecture's id")
    for action in (listing, searching, rebuild, retention, delete, restore):
        action.add_argument("--config", type=Path, help="the relay's configuration file, for its catalogue and rules")


def _days(text: str) -> float:
    days = float(text)
    if not 0 <= days < float("inf"):
        raise argparse.ArgumentTypeError("must be a number of days from 0 up")
    return days


@dataclass(frozen=True, slots=True)
class _Place:
    """Which library is meant, from arguments, environment and configuration."""

    shelf: Shelf
    bin: RecycleBin
    settings: LibrarySettings


@contextmanager
def _opened(args: argparse.Namespace) -> Iterator[_Place]:
    from recordings.catalogue import Catalogue
    from recordings.recycle_bin import RecycleBin
    from recordings.retention import LibrarySettings
    from recordings.shelf import Shelf

    table = read_config(args.config)
    data_dir = data_dir_of(args, table)
    if not (data_dir / "lectures").is_dir():
        raise RecordingError("data_folder_unknown", f"There is no folder {data_dir / 'lectures'}; name it with --data.")
    where = _catalogue_of(table, data_dir)
    rules = {name: table["library"][name] for name in ("keep_days", "recycle_days") if name in table["library"]}
    for name in rules:
        if not isinstance(rules[name], int | float) or rules[name] < 0:
            raise RecordingError("config_invalid", f"{args.config}: library.{name} must be a number from 0 up.")
    with Catalogue(where) as catalogue:
        shelf = Shelf(catalogue, data_dir, store_of(args))
        yield _Place(shelf, RecycleBin(shelf), LibrarySettings(**rules))


@contextmanager
def opened_library(args: argparse.Namespace) -> Iterator[Shelf]:
    """The library that arguments, environment and configuration name.

    :raises RecordingError: ``data_folder_unknown``, ``config_unreadable``, ``config_invalid``.
    """
    with _opened(args) as place:
        yield place.shelf


def _sync(shelf: Shelf, args: argparse.Namespace, *, force: bool = False) -> list[str]:
    with Progress(disable=args.json, transient=True) as progress:
        task = progress.add_task("reading lecture files", total=None)

        def show(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        return shelf.sync(force=force, progress=show)


def _adopt(shelf: Shelf, args: argparse.Namespace) -> list[str]:
    """Fetch what lies in the object storage alone and is not known."""
    if shelf.store is None:
        return []
    from recordings.remote_copies import RemoteCopies

    copies = RemoteCopies(shelf, shelf.store)
    new = copies.adopt()
    with Progress(disable=args.json, transient=True) as progress:
        for lecture_id in progress.track(new, description="fetching from the object storage"):
            copies.fetch(lecture_id, lambda done, total: None)
    return new


def _list(args: argparse.Namespace) -> int:
    from recordings.search import Query, found_facts, search

    query = Query(args.words, args.course, args.series, args.tag, args.language, page=args.page)
    with _opened(args) as place:
        _sync(place.shelf, args)
        results = search(place.shelf.catalogue, query, whole_only=False)
        storage = place.shelf.storage()
        problems = place.shelf.unreadable()
    attention = bool(storage.damaged or storage.missing or problems) and not args.words
    if args.json:
        facts = {
            "recordings": [found_facts(found, staff=True) for found in results.lectures],
            "total": results.total,
            "page": results.page,
            "pages": results.pages,
            "storage": asdict(storage),
            "problems": problems,
        }
        print_json(facts)
        return ATTENTION if attention else OK
    _print_results(args, query, results)
    console = Console()
    if not args.words:
        console.print(f"{storage.recordings} recordings, {size(storage.file_bytes)}; {storage.recycled} in the bin")
        if storage.remote:
            remote = f"{storage.remote} in object storage, {size(storage.remote_bytes)}"
            console.print(f"{remote}; {storage.remote_only} only there")
    for problem in problems:
        console.print(f"[yellow]cannot be read:[/] {escape(problem)}")
    return ATTENTION if attention else OK


def _print_results(args: argparse.Namespace, query: Query, results: Results) -> None:
    console = Console()
    if not results.lectures:
        console.print("Nothing was found." if query.text else f"No recordings in {data_dir_of(args) / 'lectures'} yet.")
        return
    if query.text:
        for found in results.lectures:
            console.print(f"[bold]{escape(found.record.title)}[/] ({found.record.lecture_id})")
            for hit in found.hits:
                moment = clock(hit.moments[0]) if hit.moments else "      -"
                words = Text.assemble(*((piece, "bold" if at % 2 else "") for at, piece in enumerate(hit.snippet)))
                console.print(Text(f"  {moment}  {where(hit):8} "), words, sep="", soft_wrap=True)
    else:
        table = Table(
            Column("id", no_wrap=True), "title", "length", "languages", "pages", "camera", "size", "place", ""
        )
        for found in results.lectures:
            table.add_row(
                found.record.lecture_id,
                escape(found.record.title),
                clock(found.duration_ms),
                ", ".join(found.languages),
                str(found.page_count),
                "yes" if found.has_camera else "no",
                size(found.file_bytes),
                found.place,
                f"[red]{escape(_fault(found))}[/]",
            )
        console.print(table)
    if results.pages > 1:
        console.print(f"{results.total} in all; page {results.page} of {results.pages} (--page)")


def where(hit: Hit) -> str:
    """What a hit stands in, as the library's page calls it."""
    if hit.kind == "page":
        return f"Page {hit.page}"
    return "Note" if hit.kind == "mark" else hit.kind.capitalize()


def _fault(found: Found) -> str:
    if found.missing:
        return "file is gone"
    if found.trouble or found.scan_problems:
        return found.trouble or found.scan_problems[0]
    return f"{found.missing_ms / 1000:.1f} s of voice missing" if found.missing_ms >= MISSING_TOLD_MS else ""


def _catalogue_of(table: dict[str, dict[str, Any]], data_dir: Path) -> Path | str:
    return os.environ.get(CATALOGUE_VARIABLE) or table["data"].get("catalogue_url") or data_dir / CATALOGUE


def _rebuild(args: argparse.Namespace) -> int:
    try:
        return _rebuilt(args)
    except CatalogueDamagedError:
        _put_catalogue_aside(args)
    return _rebuilt(args)


def _put_catalogue_aside(args: argparse.Namespace) -> None:
    """Give a damaged catalogue's file another name, so that one is made anew.

    :raises CatalogueError: ``catalogue_unusable``: it is no file, or a relay uses it.
    """
    from recordings.recycle_bin import held

    table = read_config(args.config)
    data_dir = data_dir_of(args, table)
    where = _catalogue_of(table, data_dir)
    with held(data_dir) as alone:
        if not alone or not isinstance(where, Path):
            raise CatalogueError("catalogue_unusable", "The catalogue is damaged. Stop the relay, then rebuild it.")
        number = 1
        while (aside := where.with_name(f"{where.name}.damaged-{number}")).exists():
            number += 1
        for suffix in ("-wal", "-shm", ""):
            part = where.with_name(where.name + suffix)
            if part.exists():
                part.rename(aside.with_name(aside.name + suffix))
    print(f"The catalogue was damaged and is kept as {aside}; planned lectures must be planned again.", file=sys.stderr)


def _rebuilt(args: argparse.Namespace) -> int:
    with _opened(args) as place:
        changed = _sync(place.shelf, args, force=True)
        changed += _adopt(place.shelf, args)
        storage = place.shelf.storage()
        problems = place.shelf.unreadable()
    if args.json:
        print_json({"read": changed, "storage": asdict(storage), "problems": problems})
    else:
        console = Console()
        console.print(f"{len(changed)} lecture files read; {storage.recordings} recordings in the catalogue")
        for problem in (*problems, *(f"{lecture_id}: its file is gone" for lecture_id in storage.missing)):
            console.print(f"[yellow]{escape(problem)}[/]")
    return ATTENTION if problems or storage.damaged or storage.missing else OK


def _retention(args: argparse.Namespace) -> int:
    from recordings.lecture_facts import iso
    from recordings.retention import due

    with _opened(args) as place:
        _sync(place.shelf, args)
        settings = place.settings
        for name in ("keep_days", "recycle_days"):
            if getattr(args, name) is not None:
                settings = replace(settings, **{name: getattr(args, name)})
        now = time.time()
        found = due(place.shelf.all_records(), settings, now)
        failed: dict[str, HallcastError] = {}
        if not args.dry_run:
            failed |= _settle(place)  # a file that is still at its old place cannot be deleted for good
            with Progress(disable=args.json, transient=True) as progress:
                by_id = {one.lecture_id: one for one in found}
                lecture_ids = progress.track(by_id, description="deleting")
                failed |= _each(lecture_ids, lambda lecture_id: place.bin.apply(by_id[lecture_id], now))
            failed |= _settle(place)
    if args.json:
        facts = [asdict(one) | {"since": iso(one.since)} for one in found]
        faults = [{"lecture_id": name, "id": error.error_id, "text": error.text} for name, error in failed.items()]
        print_json({"dry_run": args.dry_run, "due": facts, "failed": faults})
    else:
        _print_due(found, failed, dry_run=args.dry_run)
    _complain(failed)
    return FAILED if failed else ATTENTION if found else OK


def _print_due(found: list[Due], failed: Collection[str], *, dry_run: bool) -> None:
    from recordings.lecture_facts import iso

    console = Console()
    if not found:
        console.print("Nothing is due.")
        return
    words = {"recycle": "into the recycle bin", "purge": "deleted for good"}
    for one in found:
        if one.lecture_id in failed:
            continue
        console.print(f"{one.lecture_id}  {words[one.action]}  due since {iso(one.since)}  {escape(one.title)}")
    if dry_run:
        console.print("Nothing was done (--dry-run).")


def _delete(args: argparse.Namespace) -> int:
    with _opened(args) as place:
        _sync(place.shelf, args)
        failed = _settle(place)
        failed |= _each(
            args.lectures, place.bin.purge if args.purge else lambda one: place.bin.delete(one, time.time())
        )
        failed |= _settle(place)
    return _say(args, "deleted for good" if args.purge else "in the recycle bin", failed)


def _restore(args: argparse.Namespace) -> int:
    with _opened(args) as place:
        _sync(place.shelf, args)
        failed = _each(args.lectures, lambda one: place.bin.restore(one, time.time(), place.settings))
        failed |= _settle(place)
    return _say(args, "restored", failed)


def _settle(place: _Place) -> dict[str, HallcastError]:
    """Move all files that do not lie where they belong, unless a relay runs: then it does so itself within a minute."""
    from recordings.recycle_bin import held

    with held(place.shelf.data_dir) as alone:
        return _each(place.bin.unsettled() if alone else [], place.bin.settle)


def _each(lecture_ids: Iterable[str], act: Callable[[str], object]) -> dict[str, HallcastError]:
    """Do something for each of several lectures; what is wrong with one hinders no other and is given back."""
    failed: dict[str, HallcastError] = {}
    for lecture_id in lecture_ids:
        try:
            act(lecture_id)
        except HallcastError as error:
            failed[lecture_id] = error
    return failed


def _complain(failed: Mapping[str, HallcastError]) -> None:
    for lecture_id, error in failed.items():
        print(f"error: {lecture_id}: {error.text} ({error.error_id})", file=sys.stderr)


def _say(args: argparse.Namespace, what: str, failed: Mapping[str, HallcastError]) -> int:
    """:raises HallcastError: the first that is wrong with a lecture that was named."""
    first = next((failed[lecture_id] for lecture_id in args.lectures if lecture_id in failed), None)
    _complain({lecture_id: error for lecture_id, error in failed.items() if error is not first})
    if first is not None:
        raise first
    if args.json:
        print_json({"lectures": args.lectures, "done": what})
    else:
        print(f"{', '.join(args.lectures)}: {what}")
    return OK

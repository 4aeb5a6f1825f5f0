"""Decks from outside: good ones become legible pages in order, hostile ones a clear error or a placeholder."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import io
import re
from pathlib import Path

import pytest
from PIL import Image

from lecture.file import LectureFile
from lecture.messages import Message
from relay.media.deck import DeckError, DeckInfo, DeckLimits, RenderedPage, render_deck
from relay.media.decks import Decks
from relay.media.settings import HallSettings, LectureInfo, MediaSettings
from relay.media.stage import Stage
from tests.pdfs import endless_forms, pdf, words
from transport import child_process
from transport.network import NetworkConfig

LIMITS = DeckLimits(page_timeout_s=20)


class Taken:
    """What render_deck handed over."""

    def __init__(self) -> None:
        self.pages: list[RenderedPage] = []
        self.opened: list[DeckInfo] = []

    async def page(self, page: RenderedPage) -> None:
        self.pages.append(page)

    @property
    def order(self) -> list[tuple[int, int]]:
        return [(page.tier, page.page) for page in self.pages]


async def render(path: Path, data: bytes, limits: DeckLimits = LIMITS) -> tuple[DeckInfo, Taken]:
    file = path / "deck.pdf"
    file.write_bytes(data)
    taken = Taken()
    info = await render_deck(file, limits=limits, on_page=taken.page, on_open=taken.opened.append)
    return info, taken


async def test_each_page_once_per_tier_legible_ones_first(tmp_path: Path) -> None:
    info, taken = await render(
        tmp_path, pdf([words("Cash flow", "Money in, money out"), words("Customers", "Ask ten")], title="A deck")
    )
    assert info == DeckInfo("A deck", 2)
    assert taken.opened == [DeckInfo("A deck", 2)]
    assert taken.order == [(1, 1), (1, 2), (2, 1), (2, 2)]
    first, sharp = taken.pages[0], taken.pages[2]
    assert (first.title, first.text) == ("Cash flow", "Cash flow\nMoney in, money out")
    assert (sharp.title, sharp.text) == (first.title, first.text)
    for page, size in ((first, (1280, 720)), (sharp, (1920, 1080))):
        image = Image.open(io.BytesIO(page.data))
        assert page.media_type == "image/avif"
        assert image.size == (page.width, page.height) == size
        extrema = image.convert("L").getextrema()
        assert extrema[0] < 40  # type: ignore[operator]
        assert extrema[1] > 240  # type: ignore[operator]
    assert len(first.data) < len(sharp.data) < 20_000


async def test_page_that_renders_for_ever_becomes_a_placeholder_and_the_deck_goes_on(tmp_path: Path) -> None:
    pages = [words("One"), "/X107 Do", words("Three")]
    # It takes memory as it takes time: here the time is to run out first.
    limits = DeckLimits(page_timeout_s=2.5, memory_bytes=8 << 30)
    info, taken = await render(tmp_path, pdf(pages, objects=endless_forms()), limits)
    assert info.failed_pages == (2,)
    assert taken.order == [(1, 1), (1, 2), (1, 3), (2, 1), (2, 3)]
    assert [page.error_id for page in taken.pages] == ["", "deck_render_timeout", "", "", ""]
    assert Image.open(io.BytesIO(taken.pages[1].data)).size == (1280, 720)


async def test_deck_of_nothing_but_endless_pages_is_refused(tmp_path: Path) -> None:
    deck = pdf(["/X107 Do"] * 3, objects=endless_forms())
    with pytest.raises(DeckError) as error:
        await render(tmp_path, deck, DeckLimits(page_timeout_s=0.6, max_failed_pages=1))
    assert error.value.error_id == "deck_render_timeout"


async def test_deck_out_of_time_before_it_is_legible_is_refused(tmp_path: Path) -> None:
    deck = pdf(["/X107 Do"] * 3, objects=endless_forms())
    with pytest.raises(DeckError) as error:
        await render(tmp_path, deck, DeckLimits(deck_timeout_s=1.0))
    assert error.value.error_id == "deck_render_timeout"


async def test_a_deck_that_fails_leaves_no_progress_to_be_told(tmp_path: Path) -> None:
    with LectureFile.create(tmp_path / "x.lecture") as log:
        settings = MediaSettings(deck_timeout_s=1.0)
        stage = Stage("x", LectureInfo("X"), log, NetworkConfig(), settings, HallSettings())
        told: list[Message] = []
        async with asyncio.TaskGroup() as tasks:
            decks = Decks(stage, tmp_path, lambda name, work: tasks.create_task(work, name=name), told.append)
            await decks.take(pdf(["/X107 Do"] * 3, objects=endless_forms()), "")
        assert [message.KIND for message in told] == ["deck_progress", "error"]
        assert decks.progress() == ()


async def test_deck_out_of_time_once_legible_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "deck.pdf"
    file.write_bytes(pdf([words("One")]))

    async def on_page(page: RenderedPage) -> None:
        if page.tier == 2:
            await asyncio.Event().wait()

    info = await render_deck(file, limits=DeckLimits(deck_timeout_s=4.0), on_page=on_page)
    assert (info.page_count, info.failed_pages) == (1, ())


async def test_two_thousand_pages_are_refused_before_any_is_rendered(tmp_path: Path) -> None:
    with pytest.raises(DeckError, match="2000") as error:
        await render(tmp_path, pdf([words("x")] * 2000))
    assert error.value.error_id == "deck_too_many_pages"


def locked() -> bytes:
    """A PDF that says it is encrypted with a password that nobody has."""
    owner = "<" + "41" * 32 + ">"
    return pdf(
        [words("x")],
        trailer=f"/Encrypt << /Filter /Standard /V 1 /R 2 /O {owner} /U {owner} /P -4 >> /ID [{owner} {owner}]",
    )


@pytest.mark.parametrize(
    ("data", "error_id"),
    [
        (b"", "deck_not_pdf"),
        (b"PK\x03\x04 a spreadsheet", "deck_not_pdf"),
        (b"%PDF-1.7\n" + bytes(range(256)) * 40, "deck_not_pdf"),
        (pdf([words("x")])[:300], "deck_not_pdf"),
        (pdf([]), "deck_not_pdf"),
        (locked(), "deck_encrypted"),
        (b"%PDF-1.7\n" + b"0" * 2_000_001, "deck_too_large"),
    ],
    ids=["empty", "other format", "garbage", "cut short", "no pages", "encrypted", "too large"],
)
async def test_what_is_no_deck_is_refused_with_a_stable_id(tmp_path: Path, data: bytes, error_id: str) -> None:
    with pytest.raises(DeckError) as error:
        await render(tmp_path, data, DeckLimits(max_bytes=2_000_000))
    assert error.value.error_id == error_id
    assert re.fullmatch(r"[A-Z].*\.", error.value.text)


async def test_memory_limit_of_the_worker_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DeckError) as error:
        await render(tmp_path, pdf([words("x")]), DeckLimits(memory_bytes=60_000_000))
    assert error.value.error_id == "deck_render_failed"


async def test_cancelling_leaves_no_worker(tmp_path: Path) -> None:
    file = tmp_path / "deck.pdf"
    file.write_bytes(pdf(["/X107 Do"], objects=endless_forms()))
    opened = asyncio.Event()
    task = asyncio.create_task(
        render_deck(file, limits=LIMITS, on_page=lambda page: None, on_open=lambda info: opened.set())
    )
    await opened.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not workers_of(file)


def workers_of(file: Path) -> list[str]:
    """Command lines of living processes that have this file open on their command line."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(file) in line and "deck_worker" in line:
            found.append(line)
    return found


@pytest.mark.parametrize("steps", [1, 5, 20, 200, 2000])
async def test_rendering_given_up_at_any_moment_leaves_no_child(tmp_path: Path, steps: int) -> None:
    file = tmp_path / "deck.pdf"
    file.write_bytes(pdf([words("x")]))
    before = children()
    rendering = asyncio.create_task(render_deck(file, limits=DeckLimits(), on_page=lambda page: None))
    for _ in range(steps):
        await asyncio.sleep(0)
    rendering.cancel()
    await asyncio.sleep(0)
    rendering.cancel()  # owners that end together cancel it once more while it is ending its child
    with pytest.raises(asyncio.CancelledError):
        await rendering
    gc.collect()
    assert children() <= before


def children() -> set[str]:
    """Process ids of this process's children."""
    found: set[str] = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError):  # a thread that has ended meanwhile
            found.update((task / "children").read_text().split())
    return found


async def test_the_reason_is_read_from_a_worker_that_is_already_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = child_process.start

    async def start_and_wait(module: str, *arguments: str, limit: int) -> asyncio.subprocess.Process:
        process = await start(module, *arguments, limit=limit)
        await process.wait()
        return process

    monkeypatch.setattr(child_process, "start", start_and_wait)
    path = tmp_path / "broken.pdf"
    path.write_bytes(b"%PDF-1.7\n" + b"broken " * 1000)
    with pytest.raises(DeckError, match="not a PDF") as refused:
        await render_deck(path, limits=LIMITS, on_page=lambda page: None)
    assert refused.value.error_id == "deck_not_pdf"

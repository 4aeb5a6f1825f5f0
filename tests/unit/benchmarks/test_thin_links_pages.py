"""When is a page legible, and how late was it? And what the link itself is told to do."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pypdfium2
import pytest

from benchmarks.thin_links.forwarder import Way, kind_of
from benchmarks.thin_links.legible import LEGIBLE_RECALL, Reader, recall
from benchmarks.thin_links.links import LINKS, OPEN, Change, Schedule
from benchmarks.thin_links.pages import figures, p90
from benchmarks.thin_links.voice import Heard
from lecture.decks import PageImage, PageTurn, write_deck_event
from lecture.entries import Entry
from lecture.file import LectureFile
from tests.network.link_model import LinkDirection, LinkSpec

DECK = Path(__file__).resolve().parents[3] / "samples" / "deck.pdf"


def coded(page: int, width: int, quality: int) -> bytes:
    with pypdfium2.PdfDocument(DECK) as deck:
        drawn = deck[page - 1]
        image = drawn.render(scale=width / drawn.get_size()[0]).to_pil().convert("RGB")
    data = io.BytesIO()
    image.save(data, "AVIF", quality=quality, speed=9)
    return data.getvalue()


def test_a_sharp_page_is_legible_and_a_blurred_or_wrong_one_is_not(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    words = reader.page(DECK, 2)
    assert words.total() > 10
    assert recall(words, reader.image(coded(2, 1920, 60))) >= LEGIBLE_RECALL
    assert recall(words, reader.image(coded(2, 240, 60))) < 0.5
    assert recall(words, reader.image(coded(3, 1920, 60))) < 0.5
    files = sorted(tmp_path.iterdir())
    reader.image(coded(2, 240, 60))
    assert sorted(tmp_path.iterdir()) == files  # read once


def test_lateness_counts_from_the_voice_of_the_turn_to_the_first_legible_picture(tmp_path: Path) -> None:
    blurred, first, sharp = coded(2, 240, 60), coded(2, 1280, 40), coded(2, 1920, 60)
    lecture_file = tmp_path / "a.lecture"
    with LectureFile.create(lecture_file) as file:
        for tier in (1, 2):
            kind, fields = write_deck_event(PageImage("d", 2, tier, "0" * 64, "image/avif"))
            file.append(_event(kind, 0, fields))
        kind, fields = write_deck_event(PageTurn("d", 2))
        file.append(_event(kind, 10_000, fields))
        file.append(_event(kind, 30_000, fields))
    dump = tmp_path / "pages"
    dump.mkdir()
    shown = []
    for number, (data, tier, at_ms) in enumerate([(blurred, 1, 9_100), (first, 1, 9_500), (sharp, 2, 12_000)]):
        (dump / f"{number}.avif").write_bytes(data)
        shown.append({"t_ms": 10_000, "page": 2, "tier": tier, "shown_at_ms": at_ms, "file": f"{number}.avif"})
    (dump / "pages.json").write_text(json.dumps(shown))
    # One second was never heard: the hall began late.
    segment = {"at_s": 0.0, "sample": 0, "samples": 48_000 * 50, "what": "voice", "t_ms": 1000, "lecture_ms": 50_000}
    heard = Heard([segment], [], np.zeros(0, np.float32))
    good, never = figures(lecture_file, dump, DECK, heard, Reader(tmp_path / "words"))
    assert (good.heard_s, good.legible_s, good.sharp_s) == (9.0, 0.5, 3.0)
    assert (never.heard_s, never.legible_s, never.sharp_s) == (29.0, None, None)


def _event(kind: int, t_ms: int, fields: dict[str, object]) -> Entry:
    return Entry(kind, t_ms, json.dumps(fields).encode())


def test_nine_of_ten() -> None:
    assert p90([0.1] * 9 + [None]) == 0.1
    assert p90([0.1] * 8 + [None, None]) is None
    assert p90([3.0, 1.0, 2.0]) == 3.0
    assert p90([]) is None


def test_what_happens_on_a_link_is_in_order() -> None:
    schedule = Schedule.of(LINKS["K"]).changes
    assert [change.at_s for change in schedule] == sorted(change.at_s for change in schedule)
    assert schedule[0] == Change(30, udp_blocked=True)
    for name in ("F", "K"):
        for link in (LINKS[name], LINKS[name].shortened()):
            assert all(outage.back_by_s <= link.length_s for outage in link.outages), name
    assert [change.rate_kbps for change in Schedule.of(LINKS["J"]).changes] == [48, 120]


def udp(payload: bytes) -> bytes:
    return b"\x45\0\0\0\0\0\0\0\x40\x11" + bytes(10) + bytes(8) + payload


@pytest.mark.parametrize(
    ("packet", "kind"),
    [
        (udp(b"\x90\x70" + bytes(20)), "rtp 112"),
        (udp(b"\x90\xf0" + bytes(20)), "rtp 112"),  # with the marker bit
        (udp(b"\x81\xc9" + bytes(20)), "rtcp"),
        (udp(b"\x00\x01" + bytes(20)), "stun"),
        (udp(b"\x16\xfe" + bytes(20)), "dtls"),
        (b"\x45\0\0\0\0\0\0\0\x40\x06" + bytes(30), "tcp"),
        (b"\x60" + bytes(60), "other"),
        (b"", "other"),
    ],
)
def test_packets_are_told_apart(packet: bytes, kind: str) -> None:
    assert kind_of(packet) == kind


def test_the_forwarder_holds_back_and_counts() -> None:
    way = Way(-1, -1, LinkDirection(OPEN, "1 down"))
    packet = udp(b"\x90\x70" + bytes(970))  # 1000 bytes
    way.direction.spec = LinkSpec(rate_kbps=80, delay_ms=300)
    for _ in range(3):
        way.take(packet, 10.0, udp_blocked=False)
    way.take(packet, 10.0, udp_blocked=True)
    assert [round(arrival, 3) for arrival, _ in way.waiting] == [10.4, 10.5, 10.6]
    line = way.line(10.0)
    assert line["offered"] == {"rtp 112": 4000}
    assert (line["queue_ms"], line["max_queue_ms"], line["blocked"]) == (300.0, 200.0, 1)
    assert way.line(10.1)["offered"] == {}

"""The cheap core of the benchmark's links B, F, I and K: one lecture, four halls at once, judged as it judges.

The whole benchmark is ``make bench`` (docs/benchmarks.md).
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.thin_links import voice
from benchmarks.thin_links.links import LINKS, Link, Outage, Schedule
from classroom_client import view
from lecture.file import LectureFile
from relay.media.live import LiveLecture
from tests.network.hall_kit import Seat, lecture_hall, seat
from tests.network.media_kit import VoicePublisher, until

pytestmark = [pytest.mark.realtime, pytest.mark.timeout(180)]

LENGTH_S = 66
LATE_MS = 4000
LINKS_HERE = (
    LINKS["B"],
    replace(LINKS["F"], outages=(Outage(10, 9),)),
    LINKS["I"],
    replace(LINKS["K"], outages=(Outage(12, 4), Outage(30, 7)), udp_blocked_from_s=6),
)


def happen(link: Link, one: Seat) -> None:
    """Let come what the link has in store, from the first word on."""
    for change in Schedule.of(link).changes:
        if change.broken:
            one.link.at(change.at_s, one.link.break_now)
        elif change.broken is False:
            one.link.at(change.at_s, one.link.mend)
        if change.udp_blocked is not None:
            one.link.at(change.at_s, lambda: setattr(one.link, "udp_blocked", True))


def connected(lecture: LiveLecture) -> set[str]:
    """Halls to which a media connection stands."""
    return {hall["name"] for hall in lecture.snapshot()["halls"] if (hall["link"] or {}).get("connected")}


async def test_every_word_and_every_page_over_four_thin_links(tmp_path: Path) -> None:
    async with lecture_hall(tmp_path) as room, contextlib.AsyncExitStack() as halls:
        seats: dict[str, Seat] = {}
        for link in LINKS_HERE:
            one = await halls.enter_async_context(seat(room, tmp_path / link.name, down=link.down, up=link.up))
            one.link.udp_blocked = link.udp_blocked_from_s == 0
            seats[link.name] = one
        await until(lambda: all(one.hall.view.link is view.Link.UP for one in seats.values()), "all halls", 60)
        # Each is there before the first word, as its bars suppose: one whose RTP still begins is late by its handshake.
        by_rtp = {link.name for link in LINKS_HERE if link.udp_blocked_from_s != 0}
        await until(lambda: by_rtp <= connected(room.lecture), "RTP to all but the hall without UDP", 60)
        async with VoicePublisher.publishing(room.lecture):
            await until(lambda: room.lecture.now_ms() > 0, "the lecture began")
            for link in LINKS_HERE:
                happen(link, seats[link.name])
            room.lecture.turn(room.deck, 1)
            await until(lambda: room.lecture.now_ms() > LENGTH_S * 500, "half of it", 60)
            room.lecture.turn(room.deck, 2)
            await until(lambda: room.lecture.now_ms() > LENGTH_S * 1000, "the last word", 60)
        await room.lecture.end()
        receipts = {name: await one.receipt() for name, one in seats.items()}
        relays_file = next((tmp_path / "data" / "lectures").glob("*.lecture"))
        sent = voice.sent_frames(relays_file)
        with LectureFile.open(relays_file, readonly=True) as file:
            zero_s = float(file.get_meta("clock_zero_boot_s") or "nan") - voice.boot_minus_monotonic_s()

    for link in LINKS_HERE:
        one, bars = seats[link.name], link.bars
        heard = voice.Heard.read(one.folder / "voice.wav")
        share = len(heard.frames & sent.keys()) / len(sent)
        assert share >= bars.voice_heard, (link.name, sorted(sent.keys() - heard.frames))
        gaps = [gap for gap in voice.gaps(heard, set(sent), zero_s, zero_s, link) if not gap.outage]
        assert max((gap.length_s for gap in gaps), default=0) <= bars.gap_ms / 1000, (link.name, gaps)
        behind = [item for item in voice.behind(heard, zero_s, zero_s) if item.at_s <= LENGTH_S]
        away = [(outage.start_s, outage.back_by_s) for outage in link.outages]
        steady = [item for item in behind if not any(start <= item.at_s <= end for start, end in away)]
        assert max(item.behind_s for item in steady) <= bars.behind_s, (link.name, steady)
        assert one.played_in_order(), link.name
        first = {page["page"]: page for page in reversed(one.shown)}
        late_ms = {number: page["heard_ms"] - page["t_ms"] for number, page in first.items()}
        assert late_ms.keys() == {1, 2}, link.name
        assert max(late_ms.values()) <= LATE_MS, (link.name, late_ms)
        receipt = receipts[link.name]
        assert receipt.complete, link.name
        assert receipt.voice_kept_ms == receipt.voice_sent_ms, link.name

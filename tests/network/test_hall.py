"""A hall against a real relay: over good, bad and broken links it hears and sees the whole lecture."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path

import pytest

from classroom_client.engine import Hall
from classroom_client.joining import JoinError
from classroom_client.settings import HallSettings
from classroom_client.view import Link, Sound
from lecture.entries import Kind, unpack_event
from lecture.errors import HallcastError
from lecture.file import LectureFile
from relay.media.fanout import Fanout
from tests import sound
from tests.network.hall_kit import Seat, lecture_hall, seat
from tests.network.link import LinkSpec, Loss
from tests.network.media_kit import LOOPBACK, VoicePublisher, until
from transport.sdp import AnswerPolicy

pytestmark = [pytest.mark.realtime, pytest.mark.timeout(120)]

FAR = LinkSpec(rate_kbps=150, delay_ms=150)
LOSSY = LinkSpec(rate_kbps=150, delay_ms=150, loss=Loss.bursts(0.05, 3))


def sees_sharp(seat: Seat, page: int) -> bool:
    picture = seat.hall.view.picture
    return picture is not None and (picture.page, picture.tier) == (page, 2)


async def test_halls_on_good_bad_and_broken_links_hear_every_word(tmp_path: Path) -> None:
    """One lecture, five halls: on a good link, a lossy one, one without UDP, one that loses UDP, one that breaks."""
    async with lecture_hall(tmp_path) as room, contextlib.AsyncExitStack() as halls:

        async def take(name: str, spec: LinkSpec | None = None) -> Seat:
            return await halls.enter_async_context(seat(room, tmp_path / name, down=spec, up=spec))

        good, far, lossy = await take("good"), await take("far", FAR), await take("lossy", LOSSY)
        blocked, broken = await take("blocked"), await take("broken")
        blocked.link.udp_blocked = True
        seats = [good, far, lossy, blocked, broken]
        await until(lambda: all(each.hall.view.link is Link.UP for each in seats), "all halls connected")
        # A page is in time where its deck was given in time: drawing it waits for whoever else wants the processor.
        await until(lambda: len(room.lecture.log.read(kinds=[Kind.PAGE])) == 4, "both pages in both tiers", 60)
        async with VoicePublisher.publishing(room.lecture):
            room.lecture.turn(room.deck, 1)
            await until(lambda: all((each.hall.view.heard_ms or 0) > 1000 for each in seats), "all halls hear")
            await until(lambda: all(sees_sharp(each, 1) for each in seats), "all halls see page 1 sharp")
            broken.link.down_for(5)
            far.link.udp_blocked = True
            await until(lambda: broken.hall.view.sound is Sound.STALLED, "the broken hall noticed")
            assert broken.hall.ask("Is anybody there?")
            await until(lambda: far.hall.view.carrier == "socket", "the hall without UDP hears over the socket")
            room.lecture.turn(room.deck, 2)
            await until(lambda: broken.hall.view.sound is Sound.CATCHING_UP, "the broken hall catches up")
            await until(lambda: all(sees_sharp(each, 2) for each in seats), "all halls see page 2 sharp")
        await room.lecture.end()
        receipts = {each.folder.name: await each.receipt() for each in seats}
        asked = [unpack_event(entry)["text"] for entry in room.lecture.log.read(kinds=[Kind.QUESTION])]
        assert asked == ["Is anybody there?"]

    assert [receipt.questions for receipt in receipts.values()] == [0, 0, 0, 0, 1]
    for name, receipt in receipts.items():
        assert receipt.complete, name
        assert receipt.voice_sent_ms > 5000
        assert receipt.voice_kept_ms == receipt.voice_sent_ms, name
        assert (receipt.pages_shown, receipt.pages_turned) == (2, 2), name
        assert 5 < receipt.link_kbps_mean < 400, name
    for each in seats:
        assert each.played_in_order(), each.folder.name
        assert [page["page"] for page in each.shown if page["tier"] == 2] == [1, 2]
        # A page comes on when the voice of its turn is heard, not before.
        first = {page["page"]: page for page in reversed(each.shown)}
        assert all(0 <= page["heard_ms"] - page["t_ms"] < 1500 for page in first.values()), each.folder.name
        with LectureFile.open(each.folder / "waves.lecture", readonly=True) as kept:
            assert kept.verify().ok
    for name in ("good", "blocked", "broken", "far"):
        assert receipts[name].voice_heard_ms == receipts[name].voice_sent_ms, name
    assert receipts["lossy"].voice_heard_ms >= 0.97 * receipts["lossy"].voice_sent_ms
    assert broken.sounded_ms("stall") > 1000
    assert max(segment["speed"] for segment in broken.segments) == 1.25
    # A machine that is busy at the start may bring the first voice late, which is then made up for gently.
    even_ms = sum(segment["samples"] // 48 for segment in good.segments if segment["speed"] == 1.0)
    assert even_ms > 0.5 * receipts["good"].voice_heard_ms
    assert 0.9 < good.sounded_ms("voice") / receipts["good"].voice_heard_ms < 1.1
    assert good.sounded_ms("concealed") == 0
    # What two halls heard is the same voice, whichever way it came.
    assert sound.likeness(good.voice, blocked.voice) > 0.9


async def test_silence_of_the_lecturer_is_told_and_costs_no_delay(tmp_path: Path) -> None:
    async with lecture_hall(tmp_path) as room, seat(room, tmp_path / "hall") as one:
        async with VoicePublisher.publishing(room.lecture):
            await until(lambda: (one.hall.view.heard_ms or 0) > 1000, "the hall hears")
        await until(lambda: one.hall.view.publisher == "down", "the hall knows that the lecturer is away")
        left_ms = room.lecture.now_ms()
        room.lecture.turn(room.deck, 2)
        await until(lambda: one.hall.view.page == 2, "pages go on without voice")
        async with VoicePublisher.publishing(room.lecture):
            await until(lambda: (one.hall.view.heard_ms or 0) > left_ms + 4000, "the hall hears again")
            assert one.hall.view.behind_ms < 3500
        await room.lecture.end()
        receipt = await one.receipt()
    assert receipt.complete
    assert receipt.voice_heard_ms == receipt.voice_sent_ms


async def test_hall_that_was_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    """The second hall finds the first one's file as a power cut would leave it, and plays on from there."""
    async with lecture_hall(tmp_path) as room, VoicePublisher.publishing(room.lecture):
        async with seat(room, tmp_path / "hall") as first:
            await until(lambda: (first.hall.view.heard_ms or 0) > 3000, "the first hall hears")
            killed = tmp_path / "killed"
            killed.mkdir()
            for name in ("waves.lecture", "waves.lecture-wal"):
                (killed / name).write_bytes((tmp_path / "hall" / name).read_bytes())
            heard_ms = first.hall.view.heard_ms or 0
        await until(lambda: room.lecture.now_ms() > heard_ms + 6000, "the hall is away for a while")
        async with seat(room, killed) as second:
            await until(lambda: second.hall.view.sound is Sound.CATCHING_UP, "the second hall catches up")
            began_ms = second.hall.view.heard_ms or 0
            await room.lecture.end()
            receipt = await second.receipt()
            in_order = second.played_in_order()
        # And a third one, that finds everything there, is done at once.
        async with seat(room, killed) as third:
            again = await third.receipt(timeout_s=15)
    assert again.voice_heard_ms == receipt.voice_heard_ms
    assert again.complete
    assert began_ms < heard_ms + 2000
    assert receipt.complete
    assert receipt.voice_heard_ms == receipt.voice_sent_ms == receipt.voice_kept_ms
    assert in_order


async def test_wrong_code_is_told_at_once(tmp_path: Path) -> None:
    async with lecture_hall(tmp_path) as room:
        url = room.relay.server.local_url
        hall = Hall(HallSettings(relay_url=url, code="XXXX-2345", keep=tmp_path / "hall", network=LOOPBACK))
        with pytest.raises(JoinError) as refused:
            await hall.run()
    assert refused.value.error_id == "join_code_wrong"
    assert not (tmp_path / "hall").exists()


async def test_language_that_the_lecture_has_not_is_told_at_once(tmp_path: Path) -> None:
    async with lecture_hall(tmp_path) as room:
        url, code = room.relay.server.local_url, room.relay.hall_code
        hall = Hall(HallSettings(relay_url=url, code=code, keep=tmp_path, network=LOOPBACK, language="fr"))
        with pytest.raises(HallcastError) as refused:
            await hall.run()
    assert refused.value.error_id == "language_unknown"


async def test_relay_that_is_not_there_yet_is_tried_until_it_is(tmp_path: Path) -> None:
    answers = 0

    async def busy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal answers
        answers += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(busy, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        hall = Hall(HallSettings(relay_url=f"127.0.0.1:{port}", code="ABCD-2345", keep=tmp_path, network=LOOPBACK))
        running = asyncio.create_task(hall.run())
        await until(lambda: answers >= 3, "the hall tries again")
        hall.leave()
        receipt = await running
    assert not receipt.complete


async def test_relay_that_answers_without_data_is_heard_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Voice over RTP, everything else over the socket: as it was before there was data over RTP."""
    policy = Fanout.policy

    def without_data(self: Fanout, *, camera: bool, hall: bool) -> AnswerPolicy:
        return replace(policy(self, camera=camera, hall=hall), data=False, transport_cc=False)

    monkeypatch.setattr(Fanout, "policy", without_data)
    async with lecture_hall(tmp_path) as room, seat(room, tmp_path / "hall") as one:
        await until(lambda: one.hall.view.link is Link.UP, "the hall is connected")
        async with VoicePublisher.publishing(room.lecture):
            room.lecture.turn(room.deck, 2)
            await until(lambda: (one.hall.view.heard_ms or 0) > 3000, "the hall hears")
            assert one.hall.view.carrier == "rtp"
            await until(lambda: one.hall.view.page == 2, "and sees")
        await room.lecture.end()
        receipt = await one.receipt()
    assert receipt.complete
    assert receipt.voice_heard_ms == receipt.voice_sent_ms


async def test_first_frame_is_heard_although_its_packets_are_lost(tmp_path: Path) -> None:
    """What was sent before the first packet that arrives is not asked for again by its number: the log brings it."""
    async with lecture_hall(tmp_path) as room, seat(room, tmp_path / "hall", down=LinkSpec(delay_ms=150)) as one:
        await until(lambda: one.hall.view.carrier == "rtp", "the media connection stands")
        async with VoicePublisher.publishing(room.lecture):
            await until(lambda: room.lecture.state == "live", "somebody speaks")
            one.link.udp_blocked = True
            one.link.at(0.8, lambda: setattr(one.link, "udp_blocked", False))
            await until(lambda: (one.hall.view.heard_ms or 0) > 3000, "the hall hears")
        await room.lecture.end()
        receipt = await one.receipt()
    assert receipt.voice_heard_ms == receipt.voice_sent_ms
    assert one.segments[0]["t_ms"] == 0
    assert one.sounded_ms("concealed") == 0

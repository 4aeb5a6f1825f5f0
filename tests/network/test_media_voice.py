"""Voice through the relay over real UDP: live, recorded, fetched later."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import numpy as np
import pytest

from lecture import lecturer_messages as lm
from lecture import messages as m
from lecture.coverage import Coverage
from lecture.entries import Kind, unpack_event
from lecture.errors import HallcastError, RefusedError
from lecture.file import LectureFile
from lecture.log import Span
from relay.media.directory import LectureDirectory
from relay.media.live import Role
from tests.network.media_kit import FAST, INFO, LOOPBACK, LecturerClient, VoicePublisher, open_lecture, until
from tests.network.screenless_hall import ScreenlessHall
from transport.opus import Decoder
from transport.peer import Peer
from transport.sdp import make_offer, publisher_media


def loudness(frames: dict[int, bytes]) -> float:
    decoder = Decoder(1)
    pcm = np.concatenate([decoder.decode(frames[t_ms]).reshape(-1) for t_ms in sorted(frames)])
    return float(np.sqrt(np.mean(pcm.astype(np.float64) ** 2)))


async def test_live_voice_reaches_a_hall_and_the_file(tmp_path: Path) -> None:
    hall = ScreenlessHall()
    async with open_lecture(tmp_path) as lecture, hall.joined(lecture):
        assert hall.of(m.HallWelcome)[0].lecture.state == "planned"
        await hall.listen_live()
        async with VoicePublisher.publishing(lecture):
            await until(lambda: len(hall.live_frames) >= 40, "live frames")
            assert lecture.state == "live"
            assert hall.of(m.State)[-1] == m.State(publisher="live", lecture="live")
        times = sorted(hall.live_frames)
        assert all(later - earlier == 60 for earlier, later in itertools.pairwise(times))
        assert hall.packets <= len(times) / 4 + 2, "four frames share a packet"
        assert loudness(hall.live_frames) > 1000
        assert times[-1] <= lecture.now_ms()
        await lecture.end()
        await until(lambda: hall.of(m.Ended), "ended")
        assert abs(hall.of(m.Ended)[0].voice_sent_ms - times[-1]) < 500
    with LectureFile.open(tmp_path / "lectures" / "talk.lecture", readonly=True) as file:
        report = file.verify()
        assert report.ok, report.problems
        assert report.gaps.get("en", []) == []
        assert file.get_meta("state") == "ended"
        rungs = {track.rung for track in file.tracks() if track.language == "en"}
        assert rungs == {"source", "12", "16"}


async def test_a_hall_fetches_what_it_missed(tmp_path: Path) -> None:
    hall = ScreenlessHall()
    async with open_lecture(tmp_path) as lecture, VoicePublisher.publishing(lecture):
        await until(lambda: lecture.now_ms() > 1500, "a lecture under way")
        async with hall.joined(lecture):
            await hall.listen_live()
            await until(lambda: len(hall.live_frames) >= 12, "live frames")
            joined_ms = min(hall.live_frames)
            await hall.say(m.Want("en", 0, joined_ms))
            await until(lambda: hall.of(m.Filled), "filled")
            assert hall.of(m.Filled) == [m.Filled("en", 0, joined_ms)]
            heard = Coverage(Span(t, t + 60) for t in hall.filled_frames.keys() | hall.live_frames.keys())
            first_ms = min(hall.filled_frames)
            assert first_ms < 500
            assert heard.missing(Span(first_ms, joined_ms)) == []


async def test_an_open_want_follows_the_lecture_without_udp(tmp_path: Path) -> None:
    hall = ScreenlessHall()
    async with open_lecture(tmp_path) as lecture, VoicePublisher.publishing(lecture), hall.joined(lecture):
        await hall.say(m.Want("en", 0, 1 << 40))
        await until(lambda: len(hall.filled_frames) > 40, "voice over the socket")
        assert lecture.now_ms() - max(hall.filled_frames) < 2000
        await lecture.end()
        await until(lambda: hall.of(m.Filled), "filled")


async def test_a_late_hall_gets_everything_after_the_end(tmp_path: Path) -> None:
    async with open_lecture(tmp_path) as lecture:
        async with VoicePublisher.publishing(lecture):
            await until(lambda: lecture.now_ms() > 2000, "a lecture under way")
        await lecture.end()
        hall = ScreenlessHall()
        async with hall.joined(lecture):
            assert hall.of(m.HallWelcome)[0].lecture.state == "ended"
            await until(lambda: hall.of(m.Ended), "ended")
            end_ms = hall.of(m.Ended)[0].t_ms
            await hall.say(m.Want("en", 0, end_ms))
            await until(lambda: hall.of(m.Filled), "filled")
            assert len(hall.filled_frames) * 60 == hall.of(m.Ended)[0].voice_sent_ms > 1500
            await hall.say(m.Receipt(voice_heard_ms=1800))
            states = [entry.fields for entry in hall.of(m.EntryMessage) if entry.entry_kind == Kind.STATE]
            assert states[-1] == {"lecture": "ended", "publisher": "none"}
            await until(lambda: lecture.log.read(kinds=[Kind.RECEIPT]), "the receipt is in the log")
        receipts = lecture.log.read(kinds=[Kind.RECEIPT])
        assert unpack_event(receipts[0])["voice_heard_ms"] == 1800


async def test_a_second_publisher_is_refused_until_the_first_is_dead(tmp_path: Path) -> None:
    async with open_lecture(tmp_path) as lecture, VoicePublisher.publishing(lecture) as first:
        await until(lambda: lecture.state == "live", "live")
        async with await Peer.create(LOOPBACK, controlling=True) as peer:
            with pytest.raises(RefusedError) as caught:
                await lecture.publish(make_offer(publisher_media(None), peer.local), role="lecturer")
            assert (caught.value.error_id, caught.value.http_status) == ("publisher_exists", 409)
            with pytest.raises(RefusedError, match="publisher_exists"):
                await lecture.publish(make_offer(publisher_media(None), peer.local), role="lecturer", language="ko")
        first.muted = True
        await until(lambda: lecture.snapshot()["lecture"]["publisher"] == "down", "down")
        before_ms = lecture.now_ms()
        async with VoicePublisher.publishing(lecture):
            await until(lambda: lecture.snapshot()["lecture"]["publisher"] == "live", "live again")
            await until(lambda: lecture.snapshot()["voices"]["en"]["recorded_end_ms"] > before_ms, "voice recorded")
        states = [unpack_event(entry)["publisher"] for entry in lecture.log.read(kinds=[Kind.STATE])]
        assert states[:4] == ["none", "live", "down", "live"]


async def test_interpreter_and_lecturer_speak_at_once(tmp_path: Path) -> None:
    english, korean = ScreenlessHall(name="A"), ScreenlessHall(name="B")
    async with (
        open_lecture(tmp_path) as lecture,
        VoicePublisher.publishing(lecture, pitch_hz=120),
        VoicePublisher.publishing(lecture, role="interpreter", pitch_hz=220),
        english.joined(lecture),
        korean.joined(lecture),
    ):
        await english.listen_live()
        await korean.listen_live(language="ko")
        await until(lambda: min(len(english.live_frames), len(korean.live_frames)) > 12, "both voices")
        assert set(english.live_frames.values()) & set(korean.live_frames.values()) == set()


@pytest.mark.parametrize(
    ("role", "language", "sdp", "error_id"),
    [
        ("lecturer", None, "v=0\r\nnonsense", "sdp_malformed"),
        ("lecturer", "fr", "", "language_unknown"),
        ("interpreter", "en", "", "language_unknown"),
        ("interpreter", "fr", "", "language_unknown"),
    ],
)
async def test_a_bad_offer_is_refused(
    tmp_path: Path, role: Role, language: str | None, sdp: str, error_id: str
) -> None:
    async with open_lecture(tmp_path) as lecture, await Peer.create(LOOPBACK, controlling=True) as peer:
        offer = sdp or make_offer(publisher_media(None), peer.local)
        with pytest.raises(HallcastError) as caught:
            await lecture.publish(offer, role=role, language=language)
        assert caught.value.error_id == error_id
        assert lecture.state == "planned"


async def test_an_ended_lecture_takes_no_publisher(tmp_path: Path) -> None:
    client = LecturerClient()
    async with open_lecture(tmp_path) as lecture, await Peer.create(LOOPBACK, controlling=True) as peer:
        async with client.joined(lecture):
            await client.say(lm.End())
            await until(lambda: client.of(m.Ended), "ended")
        with pytest.raises(RefusedError) as caught:
            await lecture.publish(make_offer(publisher_media(None), peer.local), role="lecturer")
        assert caught.value.error_id == "lecture_ended"


async def test_a_lecture_that_ends_while_a_publisher_is_answered_keeps_none(tmp_path: Path) -> None:
    async with open_lecture(tmp_path) as lecture, await Peer.create(LOOPBACK, controlling=True) as peer:
        offer = make_offer(publisher_media(None), peer.local)
        published, _ = await asyncio.gather(
            lecture.publish(offer, role="lecturer"), lecture.end(), return_exceptions=True
        )
        assert isinstance(published, RefusedError)
        assert published.error_id == "lecture_ended"
        await until(lambda: not lecture.snapshot()["publishers"], "no publisher")


async def test_lecture_time_goes_on_after_a_restart(tmp_path: Path) -> None:
    async with open_lecture(tmp_path) as lecture, VoicePublisher.publishing(lecture):
        await until(lambda: lecture.now_ms() > 1000, "a lecture under way")
        stopped_ms = lecture.now_ms()
    hall = ScreenlessHall()
    async with LectureDirectory(tmp_path, LOOPBACK, FAST) as directory:
        lecture = directory.lectures()[0]
        assert lecture.state == "live"
        assert lecture.info == INFO
        assert stopped_ms <= lecture.now_ms() < stopped_ms + 10_000
        async with hall.joined(lecture), VoicePublisher.publishing(lecture):
            assert hall.of(m.State)[0].publisher == "down"
            await hall.listen_live()
            await until(lambda: len(hall.live_frames) > 8, "live frames")
            assert min(hall.live_frames) >= stopped_ms - 60
            await hall.say(m.Want("en", 0, stopped_ms))
            await until(lambda: hall.of(m.Filled), "filled")
            assert max(hall.filled_frames) > stopped_ms - 1000


async def test_a_lecture_that_is_ended_has_no_line_that_is_down(tmp_path: Path) -> None:
    async with open_lecture(tmp_path) as lecture, VoicePublisher.publishing(lecture):
        await until(lambda: lecture.now_ms() > 500, "a lecture under way")
        await lecture.end()
        states = [unpack_event(entry) for entry in lecture.log.read(kinds=[Kind.STATE])]
        told = [(state["lecture"], state["publisher"]) for state in states]
        assert told[-2:] == [("live", "none"), ("ended", "none")]
        assert ("live", "down") not in told

"""The streamer against a whole relay: what was given is recorded there, whatever happens to the line."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from lecture.chunks import HOLE_MS
from lecture.entries import Entry, Kind, unpack_event, unpack_frames
from lecture.file import LectureFile
from lecture.lecturer_messages import Mark
from lecture.log import Span
from lecture.tracks import SOURCE_RUNG
from relay.app import Relay
from relay.signalling import errors
from relay.signalling.server import RelayServer
from streamer.address import RelayAddress
from streamer.engine import Streamer, StreamOptions
from streamer.errors import StreamError
from streamer.events import Event, PageTurned, Said, StreamReceipt
from streamer.lecturer_socket import LecturerSocket
from streamer.line import LinePart
from streamer.turns import TimedTurn
from tests import sound
from tests.network.link import LinkSpec, Loss, LossyLink
from tests.network.media_kit import until
from tests.network.parts import SAMPLES, short_deck
from tests.network.relays import LOOPBACK, Served, config_for, served
from transport.network import NetworkConfig

SECONDS = 6
NEAR_MS = 300
"""Two clocks that follow one lecture agree by more than that."""

pytestmark = pytest.mark.realtime


class Watcher:
    """Collects what the streamer tells."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    @property
    def said(self) -> str:
        return "\n".join(event.text for event in self.events if isinstance(event, Said))

    @property
    def pages(self) -> list[int]:
        return [event.page for event in self.events if isinstance(event, PageTurned)]


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sound.cut(SAMPLES / "voice.opus", 1, SECONDS, tmp_path_factory.mktemp("voice") / "voice.wav")


@pytest.fixture(scope="module")
def slides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return short_deck(tmp_path_factory.mktemp("slides") / "deck.pdf", 3)


def options(at: Served, folder: Path, given: Path, /, **more: object) -> StreamOptions:
    base: dict[str, object] = {
        "relay": at.server.local_url,
        "lecture": at.lecture_id,
        "token": at.lecture.lecturer_token,
        "voice": str(given),
        "keep": folder / "own",
    }
    return StreamOptions(**{**base, **more})  # type: ignore[arg-type]


@asynccontextmanager
async def streaming(
    options: StreamOptions, network: NetworkConfig = LOOPBACK
) -> AsyncIterator[tuple[Streamer, Watcher, asyncio.Task[StreamReceipt]]]:
    watcher = Watcher()
    streamer = Streamer(options, on_event=watcher.events.append, network=network)
    task = asyncio.create_task(streamer.run())
    try:
        yield streamer, watcher, task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def recorded(data: Path) -> Path:
    return data / "lectures" / "waves.lecture"


def opus_of(file: LectureFile, rung: str, language: str) -> list[bytes]:
    """The Opus packets of a voice, in order of time."""
    track = next(t for t in file.tracks() if t.kind == "voice" and t.rung == rung and t.language == language)
    entries: list[Entry] = file.read_span(track.track_id, Span(0, 1 << 40))
    return [frame.data for entry in entries for frame in unpack_frames(entry)]


async def test_a_lecture_given_from_files_is_all_at_the_relay_and_in_the_own_copy(
    tmp_path: Path, voice: Path, slides: Path
) -> None:
    turns = (TimedTurn(0, 1), TimedTurn(2000, 2), TimedTurn(4000, 3))
    more = {"slides": slides, "camera": str(SAMPLES / "camera.webm"), "turns": turns, "language": "en"}
    async with served(tmp_path / "data") as relay:
        async with streaming(options(relay, tmp_path, voice, **more)) as (streamer, watcher, task):
            await until(lambda: (status := streamer.status()) and status.link_kbps > 100, "something is sent")
            status = streamer.status()
            assert status is not None
            assert (status.line, status.page_count, status.duration_ms) == ("up", 3, SECONDS * 1000)
            receipt = await asyncio.wait_for(task, 60)
        assert (await relay.relay.record("waves")).state == "ended"

    assert receipt.ended
    assert receipt.voice_given_ms == receipt.voice_sent_ms == SECONDS * 1000
    assert (receipt.pages, receipt.pages_turned, receipt.outages) == (3, 3, 0)
    assert 20 < receipt.voice_kbps < 40
    assert receipt.link_kbps > receipt.voice_kbps + 30, "pictures and all headers"
    assert receipt.camera_pictures > 10 * (SECONDS - 1)
    assert watcher.pages == [1, 2, 3]
    assert watcher.events[-1] == receipt
    assert "down" not in watcher.said

    with (
        LectureFile.open(recorded(tmp_path / "data"), readonly=True) as theirs,
        LectureFile.open(Path(receipt.own_copy), readonly=True) as ours,
    ):
        packets = opus_of(ours, SOURCE_RUNG, "en")
        assert len(packets) == SECONDS * 50
        assert opus_of(theirs, SOURCE_RUNG, "en") == packets
        assert ours.finished
        assert ours.verify().ok
        assert theirs.verify().ok

        at_ms = [entry.t_ms for entry in theirs.read(kinds={Kind.TURN})]
        begun_ms = theirs.read_span(_source(theirs), Span(0, 1 << 40))[0].t_ms
        assert [t_ms - begun_ms for t_ms in at_ms] == pytest.approx([0, 2000, 4000], abs=150)
        assert [unpack_event(entry)["page"] for entry in ours.read(kinds={Kind.TURN})] == [1, 2, 3]

        pictures = [frame for entry in ours.read(kinds={Kind.CAMERA}) for frame in unpack_frames(entry)]
        arrived = [frame for entry in theirs.read(kinds={Kind.CAMERA}) for frame in unpack_frames(entry)]
        assert len(arrived) >= len(pictures) - 2
        assert {frame.data for frame in arrived} <= {frame.data for frame in pictures}


def _source(file: LectureFile) -> int:
    return next(t.track_id for t in file.tracks() if t.rung == SOURCE_RUNG and t.language == "en")


async def test_a_relay_that_goes_and_comes_back_finds_the_lecturer_again(tmp_path: Path, slides: Path) -> None:
    config = config_for(tmp_path / "data")
    voice = SAMPLES / "voice.opus"
    async with Relay(config) as relay, RelayServer(relay) as server:
        lecture = await relay.create_lecture("Waves", lecture_id="waves")
        port = server.port
        given = StreamOptions(
            relay=server.local_url,
            lecture="waves",
            token=lecture.lecturer_token,
            voice=str(voice),
            slides=slides,
            keep=tmp_path / "own",
        )
        watcher = Watcher()
        streamer = Streamer(given, on_event=watcher.events.append, network=LOOPBACK)
        task = asyncio.create_task(streamer.run())
        await until(lambda: (status := streamer.status()) and status.spoken_ms > 2500, "the voice is given")
        assert watcher.pages == [1]
    try:
        await until(lambda: "The line to the relay is down" in watcher.said, "the outage is told")
        streamer.turn_by(1)
        before = streamer.status()
        assert before is not None
        await until(lambda: (status := streamer.status()) and status.spoken_ms > before.spoken_ms + 1000, "it goes on")
        back = replace(config, server=replace(config.server, port=port))
        async with Relay(back) as relay, RelayServer(relay):
            await until(lambda: "is back after" in watcher.said, "the line is back", 40)
            assert (await relay.open_lecture("waves")).state == "live"
            spoken = streamer.status()
            assert spoken is not None
            await until(
                lambda: (status := streamer.status()) and status.spoken_ms > spoken.spoken_ms + 1500, "more is sent"
            )
            streamer.finish(end=True)
            receipt = await asyncio.wait_for(task, 30)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert receipt.ended
    assert receipt.outages == 1, watcher.said
    assert receipt.outage_s > 1
    assert receipt.voice_sent_ms < receipt.voice_given_ms - 1000
    with LectureFile.open(Path(receipt.own_copy), readonly=True) as ours:
        track = ours.tracks()[0]
        first, last = (ours.read(kinds={Kind.VOICE})[index] for index in (0, -1))
        # Half a second for which the machine gave us no time at all would be a gap; no word is missing for that.
        whole = Span(first.t_ms, last.end_ms)
        own_gaps, first_ms = ours.gaps([track.track_id], whole), first.t_ms
        gap_ms = sum(gap.end_ms - gap.start_ms for gap in own_gaps)
        assert last.end_ms - first.t_ms - gap_ms == receipt.voice_given_ms
        words = opus_of(ours, SOURCE_RUNG, "und")
    with LectureFile.open(recorded(tmp_path / "data"), readonly=True) as theirs:
        turns = [(entry.t_ms, unpack_event(entry)["page"]) for entry in theirs.read(kinds={Kind.TURN})]
        assert [page for _, page in turns] == [1, 2]
        assert opus_of(theirs, SOURCE_RUNG, "en") == words
        entries = theirs.read_span(_source(theirs), Span(0, 1 << 40))
        # A lecture ends some moments after its last word: the silence after that is no hole.
        gaps = theirs.gaps([_source(theirs)], Span(turns[0][0], entries[-1].end_ms))
        holes = [gap for gap in gaps if gap.end_ms - gap.start_ms >= HOLE_MS]
        # What the copy itself never got, at the same moment of the lecture: repaired is all else.
        never = [Span(gap.start_ms - first_ms, gap.end_ms - first_ms) for gap in own_gaps]
        theirs_ms = theirs.read(kinds={Kind.VOICE})[0].t_ms
        for hole in holes:
            at_ms, long_ms = hole.start_ms - theirs_ms, hole.end_ms - hole.start_ms
            same = [gap for gap in never if abs(gap.start_ms - at_ms) < NEAR_MS]
            assert any(long_ms <= gap.end_ms - gap.start_ms + HOLE_MS for gap in same), (holes, never)
        # The turn made while the line was down lies in what was repaired, not where the line came back.
        late = [entry for before, entry in pairwise(entries) if entry.seq < before.seq or entry.seq > entries[-1].seq]
        assert any(entry.t_ms - 500 < turns[1][0] < entry.end_ms + 500 for entry in late)


async def test_a_lossy_uplink_loses_no_packet(tmp_path: Path, voice: Path) -> None:
    lossy = LinkSpec(delay_ms=100, loss=Loss.bursts(0.08, 2))
    async with LossyLink(seed=11, up=lossy, down=lossy) as link, served(tmp_path / "data") as relay:
        through = f"http://127.0.0.1:{await link.tcp('127.0.0.1', relay.server.port)}"
        given = options(relay, tmp_path, voice, relay=through)
        async with streaming(given, link.near(LOOPBACK)) as (_, _, task):
            receipt = await asyncio.wait_for(task, 60)
        assert link.up.counters.lost > 10
    assert receipt.resent_packets > 10
    with (
        LectureFile.open(recorded(tmp_path / "data"), readonly=True) as theirs,
        LectureFile.open(Path(receipt.own_copy), readonly=True) as ours,
    ):
        assert opus_of(theirs, SOURCE_RUNG, "en") == opus_of(ours, SOURCE_RUNG, "und")


async def test_a_lecturer_who_ends_the_lecture_is_heard_to_the_last_word(tmp_path: Path) -> None:
    """What the line swallowed just before comes over it again, and not from the copy."""
    async with LossyLink(seed=5) as link, served(tmp_path / "data") as relay:
        given = options(relay, tmp_path, SAMPLES / "voice.opus")
        async with streaming(given, link.near(LOOPBACK)) as (streamer, watcher, task):
            await until(lambda: (status := streamer.status()) and status.spoken_ms > 1500, "the voice is given")
            link.udp_blocked = True
            await until(lambda: link.up.counters.blocked >= 20, "the last words are lost")
            streamer.finish(end=True)
            await until(lambda: "as soon as its last words" in watcher.said, "the end is asked for")
            link.udp_blocked = False
            receipt = await asyncio.wait_for(task, 20)
    assert receipt.ended
    assert receipt.repaired_ms == 0
    with (
        LectureFile.open(recorded(tmp_path / "data"), readonly=True) as theirs,
        LectureFile.open(Path(receipt.own_copy), readonly=True) as ours,
    ):
        assert opus_of(theirs, SOURCE_RUNG, "en") == opus_of(ours, SOURCE_RUNG, "und")


async def test_on_a_thin_uplink_the_camera_gives_way_to_the_voice(tmp_path: Path, voice: Path) -> None:
    """100 kbit/s for some 60 of voice, with its headers, and 250 of camera."""
    async with (
        served(tmp_path / "data") as relay,
        LossyLink(seed=6, up=LinkSpec(rate_kbps=100, delay_ms=100), down=LinkSpec(delay_ms=100)) as link,
        streaming(
            options(relay, tmp_path, voice, camera=str(SAMPLES / "camera.webm"), language="en"), link.near(LOOPBACK)
        ) as (_, watcher, task),
    ):
        await until(lambda: "too thin for the camera" in watcher.said, "the camera gives way", 30)
        receipt = await asyncio.wait_for(task, 60)
    assert receipt.voice_sent_ms == receipt.voice_given_ms
    assert receipt.camera_pictures < 10 * SECONDS
    with (
        LectureFile.open(recorded(tmp_path / "data"), readonly=True) as theirs,
        LectureFile.open(Path(receipt.own_copy), readonly=True) as ours,
    ):
        assert opus_of(theirs, SOURCE_RUNG, "en") == opus_of(ours, SOURCE_RUNG, "en"), "every word is there"
        kept = [frame for entry in ours.read(kinds={Kind.CAMERA}) for frame in unpack_frames(entry)]
        assert len(kept) > receipt.camera_pictures, "the own copy has the camera all the same"


async def test_a_wrong_token_is_refused_at_once(tmp_path: Path, voice: Path) -> None:
    async with served(tmp_path / "data") as relay:
        given = options(relay, tmp_path, voice, token="a" * 32)
        with pytest.raises(StreamError) as error:
            await asyncio.wait_for(Streamer(given, network=LOOPBACK).run(), 20)
    assert error.value.error_id == "unauthorised"


async def test_a_lecture_that_has_ended_takes_no_more(tmp_path: Path, voice: Path) -> None:
    async with served(tmp_path / "data") as relay:
        await (await relay.relay.open_lecture("waves")).end()
        async with streaming(options(relay, tmp_path, voice)) as (_, watcher, task):
            receipt = await asyncio.wait_for(task, 20)
    assert receipt.ended
    assert receipt.voice_sent_ms == 0
    assert "ended at the relay" in watcher.said


@pytest.mark.skipif(sys.platform != "linux", reason="recorders of Linux")
async def test_pages_turned_before_the_relay_has_the_slides_are_turned_there_at_their_time(
    tmp_path: Path, slides: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lecturer in person does not wait for the upload, whatever that takes."""
    recorder = tmp_path / "bin" / "parec"
    recorder.parent.mkdir()
    recorder.write_text("#!/bin/sh\nexec cat /dev/zero\n")
    recorder.chmod(0o755)
    monkeypatch.setattr(errors, "RETRY_AFTER_S", 1)
    monkeypatch.setenv("PATH", f"{recorder.parent}:{os.environ['PATH']}")
    async with served(tmp_path / "data", limits={"deck_uploads": 0}) as relay:
        given = options(relay, tmp_path, Path("mic"), slides=slides)
        async with streaming(given) as (streamer, watcher, task):
            await until(lambda: "cannot take the slides yet" in watcher.said, "the slides are refused")
            await until(lambda: watcher.pages == [1], "the first page")
            await until(lambda: (status := streamer.status()) and status.spoken_ms > 500, "the voice is given")
            streamer.turn_to(2)
            relay.relay.config = config_for(tmp_path / "data")
            await until(lambda: "The slides are at the relay" in watcher.said, "the upload", 20)
            streamer.turn_to(3)
            log = (await relay.relay.open_lecture("waves")).log
            await until(lambda: len(log.read(kinds={Kind.TURN})) == 3, "the turns")
            turns = log.read(kinds={Kind.TURN})
            streamer.finish(end=True)
            streamer.finish(end=False)
            receipt = await asyncio.wait_for(task, 20)
    assert [unpack_event(entry)["page"] for entry in turns] == [1, 2, 3]
    with LectureFile.open(Path(receipt.own_copy), readonly=True) as ours:
        at_ms = [entry.t_ms for entry in ours.read(kinds={Kind.TURN})]
    assert [entry.t_ms for entry in turns] == pytest.approx(at_ms, abs=250)


async def test_what_waited_for_the_line_does_not_flood_the_relay(tmp_path: Path) -> None:
    async with served(tmp_path / "data") as relay:
        address = RelayAddress.parse(relay.server.local_url, relay.lecture_id)
        troubles = list[str | None]()
        part = LinePart("control", lambda name, why: troubles.append(why))
        socket = LecturerSocket(address, relay.lecture.lecturer_token, line=part, on_message=lambda message: None)
        for number in range(110):
            socket.send(Mark(str(number)))
        running = asyncio.create_task(socket.run())
        log = (await relay.relay.open_lecture("waves")).log
        await until(lambda: len(log.read(kinds={Kind.MARK})) == 110, "all marks")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert troubles == [None], "the relay never broke the connection off"


async def test_slides_that_the_relay_refuses_do_not_stop_the_lecture(tmp_path: Path, voice: Path) -> None:
    slides = tmp_path / "deck.pdf"
    slides.write_bytes(b"%PDF-1.7 and nothing more " + b"0" * 2000)
    async with served(tmp_path / "data", media={"deck_max_bytes": 1000}) as relay:
        async with streaming(options(relay, tmp_path, voice, slides=slides)) as (streamer, watcher, task):
            await until(lambda: (status := streamer.status()) and status.spoken_ms > 500, "the voice is given")
            streamer.finish(end=False)
            receipt = await asyncio.wait_for(task, 20)
        assert (await relay.relay.record("waves")).state == "live"
    assert "does not take the slides" in watcher.said
    assert not receipt.ended


async def test_what_cannot_be_read_is_said_before_anything_is_sent(tmp_path: Path, voice: Path) -> None:
    async with served(tmp_path / "data") as relay:
        for more, error_id in (
            ({"slides": tmp_path / "missing.pdf"}, "slides_unreadable"),
            ({"voice": str(tmp_path / "missing.wav")}, "voice_unreadable"),
            ({"camera": str(tmp_path / "missing.mp4")}, "camera_unreadable"),
            ({"keep": voice}, "keep_unwritable"),
        ):
            with pytest.raises(StreamError) as error:
                await Streamer(options(relay, tmp_path, voice, **more), network=LOOPBACK).run()
            assert error.value.error_id == error_id
        assert (await relay.relay.record("waves")).state == "planned"

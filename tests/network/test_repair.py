"""A lecture whose uplink broke, or whose relay was killed, ends with a recording without gaps."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from lecture.entries import EncodedFrame, Flag, Kind, unpack_event, unpack_frames
from lecture.file import LectureFile
from lecture.log import Span
from recordings.recording import Recording
from recordings.voice import write_ogg
from relay.media.camera_book import CAMERA_HOLE_MS
from streamer.options import StreamOptions
from streamer.turns import TimedTurn
from tests import sound
from tests.film import pictures_of
from tests.network import parts
from tests.network.link import LinkSpec, Loss, LossyLink
from tests.network.media_kit import until
from tests.network.relays import LOOPBACK, served
from tests.network.test_streamer import SAMPLES, options, recorded, streaming

SECONDS = 34
OUTAGES_MS = (4_000, 12_000, 20_000)
OUTAGE_S = 5.0


def frames_of(file: LectureFile, rung: str) -> list[EncodedFrame]:
    track = next(t for t in file.tracks() if t.kind == "voice" and t.rung == rung and t.language in ("en", "und"))
    entries = file.read_span(track.track_id, Span(0, 1 << 40))
    return sorted((frame for entry in entries for frame in unpack_frames(entry)), key=lambda frame: frame.t_ms)


def gaps_of(file: LectureFile, rung: str) -> list[Span]:
    """What is missing between the first word and the last."""
    track = next(t for t in file.tracks() if t.kind == "voice" and t.rung == rung and t.language in ("en", "und"))
    frames = frames_of(file, rung)
    gaps = file.gaps([track.track_id], Span(frames[0].t_ms, frames[-1].t_ms))
    return [gap for gap in gaps if gap.end_ms - gap.start_ms >= 60]


def missing_ms(file: LectureFile, rung: str) -> int:
    """How much that is."""
    return sum(gap.end_ms - gap.start_ms for gap in gaps_of(file, rung))


def runs_missing(packets: list[bytes], kept: list[bytes]) -> list[int]:
    """How many packets in a row are missing, wherever some are."""
    left, runs, run = Counter(kept), [], 0
    for packet in packets:
        if left[packet]:
            left[packet] -= 1
            runs += [run] if run else []
            run = 0
        else:
            run += 1
    return [*runs, run] if run else runs


@pytest.mark.realtime
async def test_three_outages_of_the_uplink_end_in_a_recording_without_gaps(tmp_path: Path) -> None:
    voice = sound.cut(SAMPLES / "voice.opus", 1, SECONDS, tmp_path / "voice.wav")
    # Too thin to send again in time what an outage has swallowed.
    spec = LinkSpec(rate_kbps=80, delay_ms=80, loss=Loss.bursts(0.01, 2))
    async with served(tmp_path / "data") as relay, LossyLink(seed=11, down=spec, up=spec) as link:
        port = await link.tcp("127.0.0.1", relay.server.port)
        given = options(relay, tmp_path, voice, relay=f"http://127.0.0.1:{port}")
        async with streaming(given, link.near(LOOPBACK)) as (streamer, watcher, task):
            for at_ms in OUTAGES_MS:
                await until(
                    lambda at_ms=at_ms: (status := streamer.status()) and status.spoken_ms > at_ms, f"{at_ms} ms", 60
                )
                link.down_for(OUTAGE_S)
            await until(lambda: (status := streamer.status()) and status.repaired_ms, "repair is seen while it is live")
            receipt = await asyncio.wait_for(task, 90)
        lecture = relay.relay.directory.get("waves")
        assert lecture is not None
        facts = lecture.snapshot()["voices"]["en"]
        live = await relay.http.get("/metrics")
        record = await relay.relay.record("waves")

    assert record.state == "ended"
    assert receipt.missing_ms == facts["missing_ms"] == 0
    assert receipt.repaired_ms == facts["repaired_ms"] > 5_000
    assert 'hallcast_voice_missing_seconds{language="en",lecture="waves"} 0.0' in live.text
    assert "repaired" in watcher.said
    with (
        LectureFile.open(recorded(tmp_path / "data"), readonly=True) as theirs,
        LectureFile.open(Path(receipt.own_copy), readonly=True) as ours,
    ):
        assert theirs.finished
        assert theirs.verify().ok
        # On a busy machine the microphone itself may have got no time for a moment: that is missing everywhere.
        never_ms = missing_ms(ours, "source")
        for rung in ("source", "16", "12"):
            assert missing_ms(theirs, rung) <= never_ms + 60 * (never_ms > 0), rung
            made_up = [frame.t_ms for frame in frames_of(theirs, rung) if frame.flags & Flag.CONCEALED]
            assert never_ms or not made_up, rung
        packets = [frame.data for frame in frames_of(ours, "source")]
        assert len(packets) == SECONDS * 50
        kept = [frame.data for frame in frames_of(theirs, "source")]
        # At each seam a frame may be missing or stand twice, for the half of it. The uplink loses a packet now and then
        # for good while there is no outage: less than 60 ms are no hole, and are concealed.
        assert sum((Counter(kept) - Counter(packets)).values()) <= 2 * len(OUTAGES_MS)
        lacking = runs_missing(packets, kept)
        assert max(lacking, default=0) <= 2, lacking
        assert sum(lacking) <= 0.01 * len(packets)
        assert abs(record.duration_ms - theirs.last_t_ms()) < 3_000
        begins_s = frames_of(theirs, "source")[0].t_ms / 1000

    # Every word, where it belongs: no stretch of what is replayed is off by as much as a frame of it.
    with Recording.open(recorded(tmp_path / "data")) as recording:
        write_ogg(recording, "en", tmp_path / "replay.ogg")
    said, heard = sound.load(voice), sound.load(tmp_path / "replay.ogg")
    heard = heard[round(begins_s * sound.RATE) :]
    window = 2 * sound.RATE
    late: list[float] = []
    for at in range(0, len(said) - window, window):
        stretch = said[at : at + window]
        if np.abs(stretch).max() < 0.05:
            continue
        around = max(0, at - sound.RATE)
        late_s = sound.delay_s(stretch, heard[around : at + window + sound.RATE]) - (at - around) / sound.RATE
        late.append(round(late_s, 3))
    assert max(map(abs, late)) < 0.06, late


@pytest.mark.realtime
async def test_what_a_killed_relay_did_not_record_comes_from_the_laptop_while_the_lecture_goes_on(
    tmp_path: Path,
) -> None:
    """And a hall that was there all the time has every word of it in its own copy."""
    voice = sound.cut(SAMPLES / "voice.opus", 1, 24, tmp_path / "voice.wav")
    data = tmp_path / "data"
    async with parts.relay(data) as (first, url):
        lecture = await parts.create_lecture(url, data, lecture="waves")
        port = int(url.rpartition(":")[2])
        given = StreamOptions(
            relay=url,
            lecture="waves",
            token=lecture["lecturer_token"],
            voice=str(voice),
            keep=tmp_path / "own",
            end=True,
        )
        words = (
            "join",
            "--relay",
            url,
            "--code",
            lecture["hall_code"],
            "--headless",
            "--json",
            "--keep",
            tmp_path / "hall",
        )
        async with parts.part(*words) as hall, streaming(given) as (streamer, _, task):
            await hall.event(lambda event: True)
            await until(lambda: (status := streamer.status()) and status.spoken_ms > 5_000, "five seconds are given")
            first.process.kill()
            await first.process.wait()
            await until(lambda: (status := streamer.status()) and status.spoken_ms > 8_000, "three more are given")
            async with parts.relay(data, port):
                await until(lambda: (status := streamer.status()) and status.line == "up", "the line is back")
                receipt = await asyncio.wait_for(task, 90)
                assert await asyncio.wait_for(hall.process.wait(), 60) == 0
                # What was repaired after the hall had gone it fetches when it is started again.
                async with parts.part(*words) as again:
                    assert (await again.named("receipt"))["complete"]
    assert receipt.ended
    assert receipt.missing_ms == 0
    assert receipt.repaired_ms > 2_000
    with (
        LectureFile.open(recorded(data), readonly=True) as theirs,
        LectureFile.open(Path(receipt.own_copy), readonly=True) as ours,
    ):
        never_ms = missing_ms(ours, "source")
        for rung in ("source", "16", "12"):
            assert missing_ms(theirs, rung) <= never_ms + 60 * (never_ms > 0), rung
        spoken_ms = frames_of(ours, "source")[-1].t_ms - frames_of(ours, "source")[0].t_ms
        kept_ms = frames_of(theirs, "source")[-1].t_ms - frames_of(theirs, "source")[0].t_ms
        assert kept_ms == pytest.approx(spoken_ms, abs=500)
        with LectureFile.open(tmp_path / "hall" / "waves.lecture", readonly=True) as halls:
            assert missing_ms(halls, "16") <= never_ms + 60 * (never_ms > 0)
            assert halls.last_t_ms() == pytest.approx(theirs.last_t_ms(), abs=2_000)


@pytest.mark.realtime
async def test_an_outage_of_the_uplink_leaves_no_hole_in_the_recorded_camera(tmp_path: Path) -> None:
    voice = sound.cut(SAMPLES / "voice.opus", 1, 11, tmp_path / "voice.wav")
    turns = (TimedTurn(0, 1), TimedTurn(4_500, 2), TimedTurn(8_500, 3))
    spec = LinkSpec(rate_kbps=1_500, delay_ms=40)
    async with served(tmp_path / "data") as relay, LossyLink(seed=5, down=spec, up=spec) as link:
        port = await link.tcp("127.0.0.1", relay.server.port)
        more = {
            "relay": f"http://127.0.0.1:{port}",
            "slides": parts.short_deck(tmp_path / "deck.pdf", 3),
            "turns": turns,
        }
        given = options(relay, tmp_path, voice, camera=str(SAMPLES / "camera.webm"), **more)
        async with streaming(given, link.near(LOOPBACK)) as (streamer, _, task):
            open_lecture = relay.relay.directory.get
            await until(
                lambda: (lecture := open_lecture("waves")) and lecture.log.read(kinds={Kind.CAMERA}),
                "the camera is recorded",
                60,
            )
            await until(lambda: (status := streamer.status()) and status.spoken_ms > 3_000, "some seconds", 60)
            link.down_for(4.0)
            receipt = await asyncio.wait_for(task, 90)
    assert receipt.ended
    with (
        LectureFile.open(recorded(tmp_path / "data"), readonly=True) as theirs,
        LectureFile.open(Path(receipt.own_copy), readonly=True) as ours,
    ):
        assert theirs.verify().ok
        pictures, own = pictures_of(theirs), pictures_of(ours)
        assert pictures[0].flags & Flag.KEYFRAME
        # What the laptop's own camera did not get to on a busy machine is missing everywhere.
        never_ms = max(after.t_ms - before.t_ms for before, after in pairwise(own))
        hole_ms = max(after.t_ms - before.t_ms for before, after in pairwise(pictures))
        assert hole_ms < max(CAMERA_HOLE_MS, never_ms + 100)
        # Each once, in order, and none that leans on one that is not there.
        place = {picture.data: number for number, picture in enumerate(own)}
        places = [place[picture.data] for picture in pictures]
        assert places == sorted(set(places))
        for (before, at), picture in zip(pairwise(places), pictures[1:], strict=True):
            assert at == before + 1 or picture.flags & Flag.KEYFRAME, (before, at)
        assert missing_ms(theirs, "source") <= missing_ms(ours, "source")
        assert [unpack_event(entry)["page"] for entry in theirs.read(kinds={Kind.TURN})] == [1, 2, 3]
        pages = {unpack_event(entry)["page"] for entry in theirs.read(kinds={Kind.PAGE})}
        assert pages == {1, 2, 3}

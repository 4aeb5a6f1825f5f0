"""The camera's rungs with real pictures, and the thread that makes them."""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
from collections.abc import Callable
from functools import cache

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from lecture.entries import EncodedFrame, Flag
from relay.media.camera_coder import CameraDecoder, CoderError, RungEncoder, made_codecs
from relay.media.camera_maker import LINGER_S, CameraMaker, MadePicture
from relay.media.camera_rungs import KEYFRAME_EVERY_MS, PACKET_BYTES, RUNGS, CameraRung, Feed, RungPace
from streamer.camera_pump import CameraEncoder
from transport.received import ReceivedPacket
from transport.video import FrameAssembler, Packetiser

SECONDS = 24
PER_S = 15
THREAD = "hallcast-camera-rungs"
DECODERS = {"av1": "libdav1d", "vp8": "vp8"}


def scene(number: int) -> VideoFrame:
    """A textured head that sways before a textured wall, 320 by 240."""
    y, x = np.mgrid[0:240, 0:320].astype(np.float64)
    wall = 90 + 25 * np.sin(x / 9) * np.cos(y / 13)
    cx, cy = 160 + 30 * np.sin(number / 11), 120 + 12 * np.cos(number / 7)
    head = ((x - cx) / 45) ** 2 + ((y - cy) / 60) ** 2 < 1
    face = 150 + 40 * np.sin((x - cx) / 6 + number / 5) * np.cos((y - cy) / 8)
    luma = np.where(head, face, wall).astype(np.uint8)
    planes = np.concatenate([luma, np.full((120, 320), 128, np.uint8)])
    return VideoFrame.from_ndarray(planes, format="yuv420p")


@cache
def published() -> tuple[EncodedFrame, ...]:
    """What a laptop sends: VP8, 15 pictures a second, a keyframe only at the beginning."""
    encoder = CameraEncoder(320, 240, 300_000)
    frames = []
    for number in range(SECONDS * PER_S):
        t_ms = number * 1000 // PER_S
        coded = encoder.encode(scene(number), t_ms, keyframe=number == 0)
        if coded is not None:
            frames.append(EncodedFrame(t_ms, 0, coded.data, int(Flag.KEYFRAME) if coded.keyframe else 0))
    return tuple(frames)


def shown(codec: str, pictures: list[MadePicture]) -> list[VideoFrame]:
    """What a viewer sees of them, over RTP payloads."""
    assembler = FrameAssembler(codec, marked=True)
    decoder = av.CodecContext.create(DECODERS[codec], "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoder.thread_count = 1
    out: list[VideoFrame] = []
    seq = 0
    for picture in pictures:
        for number, payload in enumerate(picture.payloads, 1):
            packet = ReceivedPacket(seq, picture.t_ms, number == len(picture.payloads), payload)
            seq += 1
            for frame in assembler.push(packet, picture.t_ms):
                out += decoder.decode(av.Packet(frame.data))
    return out


@pytest.mark.parametrize("codec", made_codecs())
@pytest.mark.parametrize("rung", RUNGS, ids=lambda rung: str(rung.kbps))
def test_a_rung_keeps_its_rate_and_shows_the_camera(codec: str, rung: CameraRung) -> None:
    pace, packetiser = RungPace(rung), Packetiser(codec, max_payload_bytes=rung.payload_bytes)
    source, encoder = CameraDecoder("vp8"), RungEncoder(codec, rung, 320, 240)
    viewer = CameraDecoder(codec)
    wire, errors = 0, []
    for number, frame in enumerate(published()):
        picture = source.decode(frame)
        assert picture is not None
        if not pace.takes(frame.t_ms):
            continue
        coded = encoder.encode(picture, keyframe=number == 10 * PER_S)
        if coded is None:
            continue
        payloads = packetiser.packetise(coded.data)
        size = sum(map(len, payloads)) + len(payloads) * PACKET_BYTES
        pace.spent(size, frame.t_ms)
        wire += size
        got = viewer.decode(EncodedFrame(frame.t_ms, 0, coded.data))
        assert got is not None, "each picture is shown when it comes: nothing is held back"
        wanted = picture.reformat(got.width, got.height, "gray", interpolation="AREA").to_ndarray().astype(float)
        errors.append(float(((wanted - got.reformat(format="gray").to_ndarray()) ** 2).mean()))
    encoder.close()
    assert 0.85 * rung.kbps <= wire * 8 / 1000 / SECONDS <= 1.15 * rung.kbps
    assert len(errors) >= 0.8 * rung.pictures_per_s * SECONDS
    psnr = 10 * np.log10(255**2 / np.mean(errors[len(errors) // 4 :]))
    assert psnr > 24, psnr


def test_a_frame_that_does_not_decode_is_said_so() -> None:
    decoder = CameraDecoder("h264")
    with pytest.raises(CoderError):
        decoder.decode(EncodedFrame(0, 0, b"\0\0\0\1nonsense"))
    with pytest.raises(CoderError):
        CameraDecoder("theora")


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == THREAD]


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


async def test_rungs_are_made_once_each_only_while_they_are_taken_and_the_thread_ends() -> None:
    got: list[MadePicture] = []
    loop_thread = threading.current_thread()
    callers = set()

    def deliver(picture: MadePicture, now: float) -> None:
        callers.add(threading.current_thread())
        got.append(picture)

    maker = CameraMaker(deliver)
    frames = published()
    maker.push("vp8", frames[0])
    assert not threads(), "nobody takes a rung: nothing is made"
    thin, vp8 = Feed("av1", 15), Feed("vp8", 40)
    maker.want(frozenset({thin}), 0.0)
    maker.push("vp8", frames[1])
    assert maker.wants_keyframe, "taken in the middle: the publisher has to send a keyframe"
    for frame in frames[: 4 * PER_S]:
        maker.push("vp8", frame)
    assert not maker.wants_keyframe
    await until(lambda: got and got[-1].t_ms >= 3_500)
    assert {picture.feed for picture in got} == {thin}
    assert [picture.keyframe for picture in got] == [True] + [False] * (len(got) - 1)
    assert len(shown("av1", got)) == len(got)
    maker.want(frozenset({thin, vp8}), 1.0)
    for frame in frames[4 * PER_S : 7 * PER_S]:
        maker.push("vp8", frame)
    await until(lambda: got[-1].t_ms >= 6_700)
    joined = [picture for picture in got if picture.feed == vp8]
    assert joined[0].keyframe, "a rung just taken up begins with a keyframe, of its own"
    assert len(shown("vp8", joined)) == len(joined)
    assert len(threads()) == 1
    assert callers == {loop_thread}
    maker.want(frozenset(), 2.0)
    maker.want(frozenset(), 2.0 + LINGER_S + 1)
    await asyncio.to_thread(maker.join)
    assert not threads()


async def test_keyframes_asked_for_by_many_are_made_once_and_not_too_often() -> None:
    got: list[MadePicture] = []
    maker = CameraMaker(lambda picture, now: got.append(picture))
    thin = Feed("av1", 15)
    maker.want(frozenset({thin}), 0.0)
    for frame in published()[: 12 * PER_S]:
        maker.request_keyframe(thin)
        maker.push("vp8", frame)
        await until(lambda: not maker.waiting)
    await until(lambda: got and got[-1].t_ms >= 11_000)
    keyframes = [picture.t_ms for picture in got if picture.keyframe]
    assert len(keyframes) == 3
    assert all(after - before >= KEYFRAME_EVERY_MS for before, after in itertools.pairwise(keyframes))
    maker.stop()
    await asyncio.to_thread(maker.join)
    assert not threads()


async def test_the_loop_goes_on_while_pictures_are_made() -> None:
    got: list[MadePicture] = []
    maker = CameraMaker(lambda picture, now: got.append(picture))
    maker.want(frozenset(Feed(codec, rung.kbps) for codec in made_codecs() for rung in RUNGS), 0.0)
    beats = 0
    for frame in published()[: 6 * PER_S]:
        maker.push("vp8", frame)
        while maker.waiting:
            await asyncio.sleep(0)
            beats += 1
    assert len(got) > 50
    assert beats > 2 * len(got), "several turns of the loop for each picture"
    maker.stop()
    await asyncio.to_thread(maker.join)


async def test_a_camera_that_breaks_begins_anew_at_a_keyframe() -> None:
    got: list[MadePicture] = []
    maker = CameraMaker(lambda picture, now: got.append(picture))
    maker.want(frozenset({Feed("av1", 15)}), 0.0)
    maker.push("vp8", EncodedFrame(0, 0, b"nonsense", int(Flag.KEYFRAME)))
    await until(lambda: maker.wants_keyframe)
    for frame in published()[:PER_S]:
        maker.push("vp8", frame)
    await until(lambda: got)
    assert got[0].keyframe
    maker.stop()
    await asyncio.to_thread(maker.join)


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="Linux tells how threads are scheduled")
@pytest.mark.parametrize("codec", made_codecs())
def test_an_encoder_goes_before_nobody(codec: str) -> None:
    encoder = RungEncoder(codec, RUNGS[0], 320, 240)
    encoder.encode(scene(0), keyframe=True)
    scheduled = {os.sched_getscheduler(int(thread)) for thread in os.listdir("/proc/self/task")}
    encoder.close()
    assert not scheduled & {os.SCHED_FIFO, os.SCHED_RR}

"""The camera through the relay: forwarded untouched to halls and standard players, and recorded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import pytest

from lecture.entries import Flag, unpack_frames
from lecture.file import LectureFile
from lecture.log import Span
from tests.network.media_camera_kit import CameraPublisher, Viewer
from tests.network.media_kit import LOOPBACK, open_lecture, until
from tests.network.screenless_hall import ScreenlessHall
from transport.opus import Decoder
from transport.peer import Peer
from transport.rtp import parse
from transport.sdp import NegotiatedMedia, hall_media, make_offer, parse_answer

pytestmark = pytest.mark.realtime


async def test_the_camera_reaches_a_hall_and_the_file(tmp_path: Path) -> None:
    hall = ScreenlessHall(reporting=True)
    async with (
        open_lecture(tmp_path) as lecture,
        CameraPublisher.publishing(lecture) as publisher,
        hall.joined(lecture),
    ):
        viewers: list[Viewer] = []

        def watch(media: NegotiatedMedia) -> Callable[[bytes, float], bool]:
            viewers.append(Viewer(media))
            return viewers[0].push

        await hall.listen_live(watch=watch)
        viewer = viewers[0]
        await until(lambda: viewer.decoded >= 15, "good reports take the hall from its first rung to the camera")
        assert viewer.brightest > 180, "the moving bar is to be seen"
        assert viewer.times_ms == sorted(viewer.times_ms)
        assert abs(viewer.times_ms[-1] - max(hall.live_frames)) < 1000, "camera and voice share lecture time"
        assert publisher.keyframe_requests >= 1
        await lecture.end()
    with LectureFile.open(tmp_path / "lectures" / "talk.lecture", readonly=True) as file:
        track = next(track for track in file.tracks() if track.kind == "camera")
        assert (track.codec, track.rung) == ("vp8", "source")
        entries = file.read_span(track.track_id, Span(0, 1 << 30))
        assert entries[0].flags & Flag.KEYFRAME
        decoder = av.CodecContext.create("vp8", "r")
        pictures = [p for e in entries for f in unpack_frames(e) for p in decoder.decode(av.Packet(f.data))]
        assert len(pictures) > 15
        assert file.verify().ok


async def test_a_standard_player_gets_voice_and_camera(tmp_path: Path) -> None:
    spec = hall_media(voice=("opus",))
    decoder = Decoder(1)
    samples: list[int] = []
    async with (
        open_lecture(tmp_path) as lecture,
        CameraPublisher.publishing(lecture),
        await Peer.create(LOOPBACK, controlling=True) as peer,
    ):
        endpoint = await lecture.play(make_offer(spec, peer.local))
        remote, media = parse_answer(spec, endpoint.answer_sdp)
        assert media[0].codec.is_named("opus")
        viewer = Viewer(media[1])

        def on_rtp(data: bytes, now: float) -> None:
            if not viewer.push(data, now):
                packet = parse(data)
                assert packet.timestamp % (60 * 48) == 0
                samples.append(len(decoder.decode(packet.payload)))

        peer.on_rtp = on_rtp
        await peer.connect(remote)
        await until(lambda: viewer.decoded >= 10 and len(samples) >= 15, "voice and camera")
        assert set(samples) == {2880}, "60 ms in each packet"
        assert len(lecture.snapshot()["players"]) == 1
        assert lecture.playing(endpoint.session_id) is endpoint
        await endpoint.close()
        await until(lambda: not lecture.snapshot()["players"], "the player has gone")
        assert lecture.playing(endpoint.session_id) is None

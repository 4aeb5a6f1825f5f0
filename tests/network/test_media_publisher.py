"""A publisher that has gone, while its connection still stands."""

from __future__ import annotations

from pathlib import Path

from lecture.file import LectureFile
from relay.media.camera_line import CameraLine
from relay.media.media_session import MediaSession
from relay.media.publisher import Publisher, publisher_policy
from relay.media.voice_line import VoiceLine
from tests.network.media_kit import LOOPBACK, until
from transport.peer import Peer
from transport.sdp import make_offer, parse_answer, parse_offer, publisher_media
from transport.send import SendStream
from transport.tasks import until_first

PICTURE = b"\x10" + b"\x10\x00\x00\x9d\x01\x2a\x40\x01\xf0\x00" + bytes(20)


async def test_the_last_packets_of_who_has_gone_do_not_take_the_camera_up_again(tmp_path: Path) -> None:
    spec = publisher_media("VP8")
    with LectureFile.create(tmp_path / "x.lecture") as file:
        async with await Peer.create(LOOPBACK, controlling=True) as peer:
            offer = parse_offer(make_offer(spec, peer.local))
            session = await MediaSession.answer(offer, publisher_policy(offer, camera=True), LOOPBACK)
            voice = VoiceLine("en", file, 1.0, lambda now: 0.0, lambda by_ms: None)
            camera = CameraLine(file, 1.0, 600, lambda now: 0.0)
            publisher = Publisher(
                session,
                "lecturer",
                voice,
                camera,
                deadline_s=1.0,
                keyframe_interval_s=1.0,
                camera_kbps=600,
                on_media=lambda: None,
                now=0.0,
            )

            async def film() -> None:
                remote, media = parse_answer(spec, session.answer_sdp)
                await peer.connect(remote)
                await until(lambda: session.peer.connected, "both ends stand")
                stream = SendStream(media[1].ssrc, media[1].codec.payload_type, 90_000)
                peer.send_rtp(stream.send(PICTURE, 0, True, 0.0))
                await until(lambda: camera.source is not None, "the camera is there")
                publisher.finish(1.0)
                arrived = session.peer.packets_received
                peer.send_rtp(stream.send(PICTURE, 9_000, True, 0.1))
                await until(lambda: session.peer.packets_received > arrived, "one more packet")
                assert camera.source is None
                await session.close()

            await until_first(session.run(), film())
            voice.close(1.0)

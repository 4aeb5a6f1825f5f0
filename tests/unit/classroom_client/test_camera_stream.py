"""The camera as a hall receives it: untouched or as a rung, in one stream that changes its codec."""

from __future__ import annotations

import asyncio

from classroom_client.camera_stream import CameraStream
from lecture.entries import EncodedFrame, Flag
from tests.unit.transport.coded_video import encoded
from transport import rtcp, rtp
from transport.sdp import Codec, MediaFormat, NegotiatedMedia
from transport.send import SendStream
from transport.video import Packetiser

AV1, VP8 = MediaFormat(Codec(100, "AV1", 90_000), 101), MediaFormat(Codec(96, "VP8", 90_000), 97)
MEDIA = NegotiatedMedia(
    "1",
    "video",
    "recvonly",
    AV1.codec,
    AV1.rtx_payload_type,
    remote_ssrcs=(7,),
    remote_rtx_ssrcs={7: 8},
    feedback=frozenset({"nack", "nack pli"}),
    ssrc=9,
    also=(VP8,),
)


class Relayed:
    """A camera on its way from a relay."""

    def __init__(self) -> None:
        self.said: list[bytes] = []
        self.shown: list[tuple[str, EncodedFrame]] = []
        self.stream = CameraStream(MEDIA, self.said.append, lambda: 5_000)
        self.stream.on_frame = lambda codec, frame: self.shown.append((codec, frame))
        self._sender = SendStream(7, 100, 90_000, rtx_payload_type=101, rtx_ssrc=8)
        self._packetisers = {"av1": Packetiser("av1"), "vp8": Packetiser("vp8")}

    def send(self, codec: str, number: int, *, lose: bool = False) -> None:
        agreed = AV1 if codec == "av1" else VP8
        self._sender.switch_format(agreed.codec.payload_type, agreed.rtx_payload_type)
        payloads = self._packetisers[codec].packetise(encoded(codec)[number][0])
        now = number / 10
        for part, payload in enumerate(payloads, 1):
            packet = self._sender.send(payload, (5_000 + number * 100) * 90, part == len(payloads), now)
            if not lose:
                self.stream.push(rtp.parse(bytes(packet)), now)

    @property
    def keyframe_requests(self) -> int:
        return sum(isinstance(p, rtcp.Pli) for data in self.said for p in rtcp.parse(data))


async def test_the_codec_changes_at_a_keyframe() -> None:
    camera = Relayed()
    for number in range(4):
        camera.send("av1", number)
    for number in range(8, 12):
        camera.send("vp8", number)
    camera.stream.close()
    assert [codec for codec, _ in camera.shown] == ["av1"] * 4 + ["vp8"] * 4
    assert [frame.t_ms for _, frame in camera.shown] == [5000, 5100, 5200, 5300, 5800, 5900, 6000, 6100]
    assert [bool(frame.flags & Flag.KEYFRAME) for _, frame in camera.shown] == [n in (0, 4) for n in range(8)]
    assert camera.keyframe_requests == 0


async def test_after_a_change_without_a_keyframe_one_is_asked_for() -> None:
    camera = Relayed()
    camera.send("av1", 0)
    camera.send("vp8", 9)
    camera.stream.close()
    assert len(camera.shown) == 1
    assert camera.keyframe_requests == 1


async def test_pictures_wait_for_a_retransmission_as_long_as_the_voice_does() -> None:
    camera = Relayed()
    camera.stream.tune(0.0, 0.6, 2.8)
    camera.send("av1", 0)
    camera.send("av1", 1, lose=True)
    for number in range(2, 24):
        camera.send("av1", number)
    assert [frame.t_ms for _, frame in camera.shown] == [5000]
    asked = [p for data in camera.said for p in rtcp.parse(data) if isinstance(p, rtcp.Nack)]
    assert asked
    for packet in camera._sender.handle_rtcp([asked[-1]], 2.4):
        camera.stream.push(rtp.parse(bytes(packet)), 2.4)
    camera.stream.close()
    await asyncio.sleep(0)
    assert len(camera.shown) == 24


async def test_a_camera_that_is_not_being_sent_is_not_asked_for_keyframes() -> None:
    camera = Relayed()
    camera.stream.request_keyframe(0.0)
    camera.send("av1", 0)
    camera.stream.request_keyframe(0.5)
    assert camera.keyframe_requests == 1
    camera.stream.request_keyframe(9.0)
    camera.stream.close()
    assert camera.keyframe_requests == 1

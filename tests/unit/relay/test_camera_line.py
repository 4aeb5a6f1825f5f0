"""The lecturer's camera, whatever becomes of the sources it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lecture.entries import Kind, unpack_frames
from lecture.file import LectureFile
from relay.media.camera_line import CameraLine
from relay.media.ingest import Ingest
from transport import rtp
from transport.sdp import RID, Codec, NegotiatedMedia

VP8 = Codec(96, "VP8", 90_000)
CAMERA = NegotiatedMedia("1", "video", "recvonly", VP8, 97, feedback=frozenset({"nack"}), ssrc=2)
SIMULCAST = NegotiatedMedia("1", "video", "recvonly", VP8, extensions={RID: 10}, rids=("q", "f"), ssrc=2)
KEYFRAME = b"\x10" + b"\x10\x00\x00\x9d\x01\x2a\x40\x01\xf0\x00" + bytes(20)
FRAME_S = 0.1


class Publisher:
    """A camera of ten pictures a second, each a keyframe of one packet; picture n is sent at n / 10 s."""

    def __init__(self, log: LectureFile, media: NegotiatedMedia) -> None:
        self.log = log
        self.line = CameraLine(log, 0.2, 600, lambda now: now * 1000)
        self.ingest = Ingest([media], 0.2, self.line.push, lambda *_: None)

    def film(self, ssrc: int, first: int, last: int, *, rid: str = "") -> None:
        for number in range(first, last):
            extensions = {10: rid.encode()} if rid else {}
            packet = rtp.RtpPacket(96, True, number, number * 9_000, ssrc, KEYFRAME, extensions)
            self.ingest.push_rtp(rtp.build(packet), number * FRAME_S)
            self.line.tick(self.ingest.of_kind("video"), number * FRAME_S)

    def recorded_ms(self) -> list[int]:
        self.line.finish()
        entries = self.log.read(kinds=[Kind.CAMERA])
        return [frame.t_ms for entry in entries for frame in unpack_frames(entry)]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[LectureFile]:
    with LectureFile.create(tmp_path / "x.lecture") as file:
        yield file


def test_a_camera_that_changes_its_ssrc_goes_on(log: LectureFile) -> None:
    publisher = Publisher(log, CAMERA)
    publisher.film(2000, 0, 10)
    publisher.film(2001, 10, 20)
    assert publisher.line.source is publisher.ingest.sources[0]
    assert publisher.line.source.stream.ssrc == 2001
    assert publisher.recorded_ms() == [number * 100 for number in range(20)]


def test_a_layer_that_is_gone_gives_way_to_another(log: LectureFile) -> None:
    publisher = Publisher(log, SIMULCAST)
    publisher.film(2000, 0, 5, rid="q")
    (layer,) = publisher.ingest.sources
    publisher.ingest.sources.remove(layer)
    publisher.film(2001, 5, 10, rid="f")
    assert publisher.line.source is not None
    assert publisher.line.source.rid == "f"
    assert publisher.recorded_ms()[-1] == 900

"""What comes as a segment from elsewhere."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest

from lecture.copy_time import COPY_TIME_KEY, CopyTime
from lecture.entries import EncodedFrame
from lecture.errors import RefusedError
from lecture.log import Span
from lecture.segment import HEAD_BYTES, MAGIC, After, Segment, pack_segment, parse_segment, segment_bytes
from lecture.tracks import Track

TRACK = {"kind": "voice", "codec": "opus", "clock_rate": 48_000, "language": "en", "rung": "source", "channels": 1}
HEAD = {"copy": "laptop", "start_ms": 0, "end_ms": 1000, "track": TRACK}


CAMERA = {"kind": "camera", "codec": "vp8", "clock_rate": 90_000, "language": "", "rung": "source", "channels": 0}


def packed(text: str) -> bytes:
    return MAGIC + struct.pack("!H", len(text)) + text.encode()


def test_a_head_of_ours_is_taken() -> None:
    assert parse_segment(packed(json.dumps(HEAD))).copy == "laptop"


@pytest.mark.parametrize(
    "change",
    [
        {"track": {**TRACK, "clock_rate": float("inf")}},
        {"track": {**TRACK, "channels": float("-inf")}},
        {"track": {**TRACK, "clock_rate": float("nan")}},
        {"track": [TRACK]},
        {"track": None},
        {"start_ms": float("inf")},
        {"end_ms": True},
        {"copy": "../laptop"},
        {"track": {**TRACK, "kind": "screen"}},
        {"track": {**CAMERA, "codec": "theora"}},
        {"track": {**CAMERA, "rung": "90"}},
        {"track": {**CAMERA, "language": "en"}},
        {"track": CAMERA, "after": "0" * 63, "after_ms": 1},
        {"track": CAMERA, "after": "0" * 64},
        {"track": CAMERA, "after": "0" * 64, "after_ms": -1},
    ],
)
def test_a_head_that_makes_no_sense_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(RefusedError) as refused:
        parse_segment(packed(json.dumps({**HEAD, **change})))
    assert (refused.value.error_id, refused.value.http_status) == ("segment_malformed", 400)


def test_pictures_come_with_the_one_before_them_and_belong_to_no_voice() -> None:
    pictures = tuple(EncodedFrame(t_ms, 0, b"picture", int(t_ms == 0)) for t_ms in range(0, 1_000, 66))
    segment = Segment("laptop", Span(0, 1_000), Track("camera", "vp8", 90_000), pictures, After("0" * 64, 5))
    body = pack_segment(segment)
    assert parse_segment(body) == segment
    assert len(body) <= HEAD_BYTES + segment_bytes(pictures)
    voice = Track("voice", "opus", 48_000, "en", channels=1)
    with pytest.raises(RefusedError, match="segment_malformed"):
        parse_segment(pack_segment(Segment("laptop", Span(0, 1_000), voice, pictures)))


@pytest.mark.parametrize("text", ["[[1e999, []]]", "[[0, [[0, 1e999]]]]", "[0]", "0", "[" * 100_000, "{}x"])
def test_times_that_make_no_sense_map_nothing(text: str) -> None:
    times = CopyTime.of_meta({COPY_TIME_KEY: text}.get)
    assert times.lecture_ms(1000) is None

"""What comes as a segment from elsewhere."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest

from lecture.copy_time import COPY_TIME_KEY, CopyTime
from lecture.errors import RefusedError
from lecture.segment import MAGIC, parse_segment

TRACK = {"kind": "voice", "codec": "opus", "clock_rate": 48_000, "language": "en", "rung": "source", "channels": 1}
HEAD = {"copy": "laptop", "start_ms": 0, "end_ms": 1000, "track": TRACK}


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
    ],
)
def test_a_head_that_makes_no_sense_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(RefusedError) as refused:
        parse_segment(packed(json.dumps({**HEAD, **change})))
    assert (refused.value.error_id, refused.value.http_status) == ("segment_malformed", 400)


@pytest.mark.parametrize("text", ["[[1e999, []]]", "[[0, [[0, 1e999]]]]", "[0]", "0", "[" * 100_000, "{}x"])
def test_times_that_make_no_sense_map_nothing(text: str) -> None:
    times = CopyTime.of_meta({COPY_TIME_KEY: text}.get)
    assert times.lecture_ms(1000) is None

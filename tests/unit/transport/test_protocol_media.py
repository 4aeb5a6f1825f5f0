"""docs/protocol.md says of RTP what the code does, as far as a machine can compare them."""

from __future__ import annotations

import re
from pathlib import Path

from tests.unit.transport.sdp_samples import LOCAL
from transport import data_payload, data_receive, data_send, opus, red, rtcp_feedback, twcc, voice_payload
from transport.sdp import hall_media, make_offer

TEXT = (Path(__file__).parents[3] / "docs" / "protocol.md").read_text(encoding="utf-8")


def section(number: str) -> str:
    match = re.search(rf"^### {re.escape(number)} (.*?)(?=^#)", TEXT, re.MULTILINE | re.DOTALL)
    assert match is not None, number
    return match[1]


def test_voice() -> None:
    text = section("11.1")
    assert f"A length is 1 to {voice_payload.MAX_FRAME_BYTES}" in text
    assert f"Opus frames of {voice_payload.FRAME_MS} ms" in text


def test_data() -> None:
    text = section("11.2")
    offer = make_offer(hall_media(data=True), LOCAL)
    for line in re.findall(r"`([am]=[^`]+)`", text):
        assert f"{line}\r\n" in offer
    assert f"1 to {data_payload.MAX_OBJECT_BYTES:,} bytes" in text
    assert f"{data_payload.MAX_AHEAD:,} or more beyond" in text
    assert f"below {data_send.MAX_BEGUN_BYTES >> 20} MB" in text
    assert f"counts {data_payload.OBJECT_OVERHEAD_BYTES} bytes more" in text
    assert f"at least {data_receive.DEFAULT_MAX_BYTES >> 20} MB" in text
    # The example of each rule: what the drawing says is what the code reads.
    frame = bytes((data_payload.VERSION, 0b1110_0000, 5, 0x41, 0x00)) + b"end"
    assert data_payload.parse(frame) == [data_payload.Piece(True, 5, 256, True, b"end")]
    two = bytes((0, 0b0101_0000, 7, 2)) + b"hi" + bytes((0b1000_1000, 9))
    assert data_payload.parse(two) == [
        data_payload.Piece(False, 7, 0, True, b"hi"),
        data_payload.Piece(True, 9, withdrawn=True),
    ]


def test_feedback() -> None:
    text = section("11.3")
    assert f"{twcc.OVERDUE_ROUND_TRIPS} round trips and a second" in text
    assert twcc.OVERDUE_S == twcc.REPEAT_S == 1
    assert f"more than {rtcp_feedback.MAX_STATUSES:,} packets" in text


def test_redundant_audio() -> None:
    text = section("11.4")
    assert f"at most {red.MAX_TIMESTAMP_OFFSET:,}: five frames" in text
    assert red.MAX_TIMESTAMP_OFFSET // (opus.SAMPLE_RATE * voice_payload.FRAME_MS // 1000) == 5
    assert f"at most {red.MAX_REDUNDANT_BYTES:,})" in text

"""hallcast-voice: four frames in a packet."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport import voice_payload
from transport.rtp import MalformedPacket
from transport.voice_payload import Copy


def test_the_layout_is_what_the_protocol_says() -> None:
    assert voice_payload.pack([b"aa", b"b", b"ccc", b"d"]) == bytes.fromhex("3f020103") + b"aabcccd"
    assert voice_payload.pack([b"aa"]) == bytes.fromhex("08") + b"aa"
    assert voice_payload.pack([b"", b"aa", b"", b"b"]) == bytes.fromhex("3502") + b"aab"


def test_four_frames_of_twelve_kbit_cost_four_bytes_more_than_themselves() -> None:
    assert len(voice_payload.pack([bytes(90)] * 4)) == 364


@pytest.mark.parametrize("length", [1, 251, 252, 253, 255, 256, 1000, 1275])
def test_frames_of_any_length_come_back(length: int) -> None:
    frames = [bytes([n]) * length for n in range(4)]
    assert voice_payload.unpack(voice_payload.pack(frames)) == frames


frames_lists = st.lists(st.binary(max_size=300), min_size=1, max_size=4).filter(any)


@given(frames_lists)
def test_what_is_packed_is_unpacked(frames: list[bytes]) -> None:
    assert voice_payload.unpack(voice_payload.pack(frames)) == frames


@given(st.binary(max_size=40))
def test_any_bytes_unpack_or_are_refused(payload: bytes) -> None:
    try:
        frames = voice_payload.unpack(payload)
    except MalformedPacket:
        return
    assert voice_payload.unpack(voice_payload.pack(frames)) == frames


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x08",  # a frame of no bytes
        b"\x00a",  # no frame there
        b"\x0ca",  # a frame beyond the count
        b"\x48a",  # version 1
        b"\x1c",  # no length
        b"\x1c\xfc",  # half a length
        b"\x1c\x05ab",  # a frame beyond the end
        b"\x1c\x00ab",  # a frame of no bytes
        b"\x08" + bytes(1276),
    ],
)
def test_malformed_payloads_are_refused(payload: bytes) -> None:
    with pytest.raises(MalformedPacket):
        voice_payload.unpack(payload)


def test_a_copy_is_laid_out_as_the_protocol_says() -> None:
    own, earlier = voice_payload.pack([b"aa"]), voice_payload.pack([b"b"])
    payload = voice_payload.with_copy(own, Copy(4, 2, earlier))
    assert payload == bytes.fromhex("44020003") + own + earlier
    assert voice_payload.split(payload) == (own, Copy(4, 2, earlier))
    assert voice_payload.split(own) == (own, None)
    with pytest.raises(MalformedPacket, match="version 1"):
        voice_payload.unpack(payload)


@given(frames_lists, frames_lists, st.integers(1, 63), st.integers(1, 255))
def test_a_copy_comes_back(own: list[bytes], earlier: list[bytes], slots: int, packets: int) -> None:
    copy = Copy(slots, packets, voice_payload.pack(earlier))
    payload, found = voice_payload.split(voice_payload.with_copy(voice_payload.pack(own), copy))
    assert voice_payload.unpack(payload) == own
    assert found == copy


@pytest.mark.parametrize(
    "payload", [b"\x44", b"\x44\x01\x00", b"\x44\x01\x00\x02aa", b"\x40\x01\x00\x01aa", b"\x44\x00\x00\x01aa"]
)
def test_an_impossible_copy_is_refused(payload: bytes) -> None:
    with pytest.raises(MalformedPacket):
        voice_payload.split(payload)


@pytest.mark.parametrize(
    "copy", [Copy(0, 1, b"a"), Copy(64, 1, b"a"), Copy(1, 0, b"a"), Copy(1, 256, b"a"), Copy(1, 1, b"")]
)
def test_a_copy_of_another_time_is_not_sent(copy: Copy) -> None:
    with pytest.raises(ValueError, match="copy"):
        voice_payload.with_copy(b"a", copy)


@pytest.mark.parametrize("frames", [[], [b""], [b"", b""], [b"a"] * 5, [bytes(1276)]])
def test_what_does_not_fit_is_refused(frames: list[bytes]) -> None:
    with pytest.raises(ValueError, match="frame"):
        voice_payload.pack(frames)


@given(st.integers(0, 2**42), st.integers(-(2**25), 2**25))
def test_lecture_time_is_found_again_from_a_timestamp(t_ms: int, off_ms: int) -> None:
    assert voice_payload.t_ms_of(voice_payload.timestamp_of(t_ms), max(0, t_ms + off_ms)) == t_ms

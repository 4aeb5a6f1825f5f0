"""Binary frames."""

from __future__ import annotations

import hashlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lecture import wire
from lecture.entries import EncodedFrame, Entry, Flag, Kind
from lecture.errors import ProtocolError
from lecture.wire import (
    BlobFrame,
    BlobPartFrame,
    ChunkFrame,
    EntryFrame,
    UnknownFrame,
    VoiceFrame,
    pack_blob,
    pack_blob_part,
    pack_chunk,
    pack_entry,
    pack_voice,
    parse_frame,
)

DIGEST = hashlib.sha256(b"page").hexdigest()
entries = st.builds(
    Entry,
    kind=st.integers(0, 255),
    t_ms=st.integers(0, 2**53 - 1),
    payload=st.binary(max_size=200),
    track_id=st.integers(0, 0xFFFF),
    duration_ms=st.integers(0, 2**32 - 1),
    flags=st.integers(0, 255),
    seq=st.integers(0, 2**53 - 1),
)


@given(entries)
def test_a_chunk_survives_the_wire(entry: Entry) -> None:
    assert parse_frame(pack_chunk(entry)) == ChunkFrame(entry)


@given(st.binary(min_size=32, max_size=32), st.sampled_from(sorted(wire.MEDIA_TYPES.values())), st.binary(max_size=99))
def test_a_piece_of_a_blob_survives_the_wire(digest: bytes, media_type: str, data: bytes) -> None:
    frame = pack_blob(digest.hex(), media_type, 7, 200, data)
    assert parse_frame(frame) == BlobFrame(digest.hex(), media_type, 7, 200, data)


def test_the_layout_is_the_documented_one() -> None:
    chunk = pack_chunk(Entry(Kind.VOICE, 0x0102, b"pay", track_id=3, duration_ms=960, flags=2, seq=5))
    assert chunk[:2] == b"\x01\x01"
    assert struct.unpack("!BBHQQI", chunk[2:26]) == (1, 2, 3, 5, 0x0102, 960)
    # CRC-32C over kind, flags, track, t_ms, duration and payload, from an independent bitwise implementation.
    covered = struct.pack("!BBHQI", 1, 2, 3, 0x0102, 960) + b"pay"
    assert chunk[26:30] == _crc32c_bitwise(covered).to_bytes(4, "big")
    assert chunk[30:] == b"pay"
    blob = pack_blob(DIGEST, "image/avif", 4, 9, b"abc")
    assert blob == b"\x01\x02" + bytes.fromhex(DIGEST) + b"\x01" + struct.pack("!II", 4, 9) + b"abc"


@given(st.binary(min_size=32, max_size=32), st.integers(0, wire.MAX_BLOB_BYTES - 99), st.binary(max_size=99))
def test_a_part_of_a_blob_survives_the_wire(digest: bytes, offset: int, data: bytes) -> None:
    assert parse_frame(pack_blob_part(digest.hex(), offset, data)) == BlobPartFrame(digest[:8].hex(), offset, data)


@given(
    st.integers(0, 0xFFFF),
    st.integers(0, 2**53 - 1),
    st.lists(st.binary(max_size=wire.MAX_OPUS_BYTES), min_size=1, max_size=wire.MAX_VOICE_FRAMES).filter(any),
)
def test_voice_survives_the_wire(track_id: int, t_ms: int, slots: list[bytes]) -> None:
    there = tuple(
        EncodedFrame(t_ms + 60 * at, 60, data, int(Flag.SILENCE if len(data) <= 2 else Flag.NONE))
        for at, data in enumerate(slots)
        if data
    )
    assert parse_frame(pack_voice(track_id, t_ms, slots)) == VoiceFrame(track_id, there)


def test_the_layouts_for_thin_links_are_the_documented_ones() -> None:
    part = pack_blob_part(DIGEST, 4, b"abc")
    assert part == b"\x01\x03" + bytes.fromhex(DIGEST)[:8] + struct.pack("!I", 4) + b"abc"
    voice = pack_voice(3, 0x0102, [b"a", b"", b"b" * 255, b"c"])
    # Slots 0, 2 and 3; two lengths, the second of 255 as 252 + (255 & 3) = 255 and (255 - 255) / 4 = 0.
    assert (
        voice == b"\x01\x04" + struct.pack("!HQB", 3, 0x0102, 0b10110000) + b"\x01\xff\x00" + b"a" + b"b" * 255 + b"c"
    )


@given(entries, st.data())
def test_no_flipped_bit_of_a_chunk_goes_unseen(entry: Entry, data: st.DataObject) -> None:
    frame = bytearray(pack_chunk(entry))
    covered = [at for at in range(2, len(frame)) if not 6 <= at < 14]  # seq is not what the entry is
    at = data.draw(st.sampled_from(covered))
    frame[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(ProtocolError) as caught:
        parse_frame(bytes(frame))
    assert caught.value.error_id == "frame_malformed"


@given(st.binary(max_size=200))
def test_garbage_is_a_protocol_error_or_unknown(data: bytes) -> None:
    outcome = None
    try:
        parse_frame(data)
    except ProtocolError as error:
        outcome = error.error_id
    assert outcome in {None, "frame_malformed", "version_unsupported"}


@given(st.integers(1, 7), st.binary(max_size=200))
def test_garbage_behind_a_good_beginning_is_a_protocol_error_or_a_frame(kind: int, data: bytes) -> None:
    outcome = None
    try:
        parse_frame(bytes((1, kind)) + data)
    except ProtocolError as error:
        outcome = error.error_id
    assert outcome in {None, "frame_malformed"}


@given(st.integers(0, 255), st.integers(0, (1 << 53) - 1), st.integers(0, (1 << 53) - 1), st.binary(max_size=300))
def test_an_event_survives_the_wire(kind: int, seq: int, t_ms: int, payload: bytes) -> None:
    entry = Entry(kind, t_ms, payload, seq=seq)
    frame = pack_entry(entry)
    assert parse_frame(frame) == EntryFrame(entry)
    assert (frame[:2], len(frame)) == (b"\x01\x07", 19 + len(payload))


MALFORMED = {
    "cut entry head": pack_entry(Entry(Kind.INK, 0, b""))[:-1],
    "entry beyond all time": pack_entry(Entry(Kind.INK, 1 << 53, b"")),
    "empty": b"",
    "only a version": b"\x01",
    "cut chunk head": pack_chunk(Entry(Kind.VOICE, 0, b""))[:-1],
    "cut chunk": pack_chunk(Entry(Kind.VOICE, 0, b"abc"))[:-1],
    "cut blob head": pack_blob(DIGEST, "image/png", 0, 1, b"")[:-1],
    "blob piece beyond its end": pack_blob(DIGEST, "image/png", 0, 1, b"a") + b"b",
    "cut part head": pack_blob_part(DIGEST, 0, b"")[:-1],
    "part beyond any blob": pack_blob_part(DIGEST, wire.MAX_BLOB_BYTES - 1, b"a") + b"b",
    "cut voice head": pack_voice(1, 0, [b"a"])[:12],
    "voice without a frame": b"\x01\x04" + bytes(11) + b"a",
    "voice that ends within its lengths": pack_voice(1, 0, [b"a", b"b"])[:13],
    "voice with an empty frame": pack_voice(1, 0, [b"a", b"b"])[:15],
    "voice with a frame that is too long": pack_voice(1, 0, [bytes(wire.MAX_OPUS_BYTES)]) + b"a",
    "voice at a time JSON could not carry": b"\x01\x04" + struct.pack("!HQB", 1, 2**53, 0x80) + b"a",
    "blob larger than allowed": b"\x01\x02" + bytes(32) + b"\x01" + struct.pack("!II", 0, wire.MAX_BLOB_BYTES + 1),
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_frames_are_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        parse_frame(data)
    assert caught.value.error_id == "frame_malformed"


def test_a_number_that_json_could_not_carry_is_refused() -> None:
    with pytest.raises(ProtocolError, match="out of range"):
        parse_frame(pack_chunk(Entry(Kind.VOICE, 2**53, b"")))


def test_a_frame_of_another_version_is_refused() -> None:
    with pytest.raises(ProtocolError) as caught:
        parse_frame(b"\x02\x01" + bytes(40))
    assert caught.value.error_id == "version_unsupported"


def test_a_huge_frame_is_refused_both_ways() -> None:
    with pytest.raises(ProtocolError) as caught:
        parse_frame(b"\x01\x01" + bytes(wire.MAX_FRAME_BYTES))
    assert caught.value.error_id == "frame_too_large"
    with pytest.raises(ValueError, match="larger"):
        pack_chunk(Entry(Kind.VOICE, 0, bytes(wire.MAX_FRAME_BYTES)))


def test_unknown_kinds_and_media_types_are_ignored() -> None:
    assert parse_frame(b"\x01\x63whatever") == UnknownFrame(0x63)
    frame = bytearray(pack_blob(DIGEST, "image/avif", 0, 1, b"a"))
    frame[34] = 200
    assert parse_frame(bytes(frame)) == UnknownFrame(2)


@pytest.mark.parametrize(
    ("digest", "media_type", "offset", "total", "data"),
    [
        (DIGEST, "text/html", 0, 1, b"a"),
        (DIGEST, "image/avif", 0, 1, b"ab"),
        (DIGEST, "image/avif", -1, 1, b"a"),
        (DIGEST, "image/avif", 0, wire.MAX_BLOB_BYTES + 1, b"a"),
        ("00", "image/avif", 0, 1, b"a"),
        ("zz", "image/avif", 0, 1, b"a"),
    ],
)
def test_a_piece_that_is_wrong_is_not_packed(
    digest: str, media_type: str, offset: int, total: int, data: bytes
) -> None:
    with pytest.raises(ValueError, match=r".+"):
        pack_blob(digest, media_type, offset, total, data)


@pytest.mark.parametrize(("digest", "offset"), [(DIGEST, -1), (DIGEST, wire.MAX_BLOB_BYTES), ("00", 0), ("zz", 0)])
def test_a_part_that_is_wrong_is_not_packed(digest: str, offset: int) -> None:
    with pytest.raises(ValueError, match=r".+"):
        pack_blob_part(digest, offset, b"a")


@pytest.mark.parametrize("slots", [[], [b""], [b"a"] * 9, [bytes(1276)]])
def test_voice_that_is_wrong_is_not_packed(slots: list[bytes]) -> None:
    with pytest.raises(ValueError, match="holds 1 to 8"):
        pack_voice(1, 0, slots)


def test_an_entry_that_does_not_fit_is_not_packed() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        pack_voice(1 << 16, 0, [b"a"])
    with pytest.raises(ValueError, match="does not fit"):
        pack_chunk(Entry(Kind.VOICE, 0, b"", track_id=0x10000))


def test_a_piece_of_the_usual_size_keeps_to_the_frame_limit_of_thin_links() -> None:
    assert len(pack_blob(DIGEST, "image/avif", 0, 10_000, bytes(wire.BLOB_DATA_BYTES))) <= 4096


def _crc32c_bitwise(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF

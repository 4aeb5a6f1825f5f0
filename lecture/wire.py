"""Binary frames of the hall socket (docs/protocol.md, "Binary frames").

byte 0 is the frame version, byte 1 the frame kind; all numbers are big-endian. A frame of a kind that this
version does not know parses to :class:`UnknownFrame` and is to be ignored.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from lecture.checksum import entry_crc32c
from lecture.entries import EncodedFrame, Entry, Flag
from lecture.errors import ProtocolError
from lecture.screen import MAX_TIMED_BYTES
from lecture.tracks import VOICE_FRAME_MS

FRAME_VERSION = 1
MAX_FRAME_BYTES = 256 * 1024
"""No frame is larger; the relay keeps to :data:`BLOB_DATA_BYTES` for pages so that voice never waits long."""
BLOB_DATA_BYTES = 4096 - 40 - 16
"""How much of a blob one frame carries at most on a thin link (frame, header and WebSocket header within 4 KiB)."""
MAX_BLOB_BYTES = 16 * 1024 * 1024

PART_DATA_BYTES = 1000
"""How much of a blob a part frame carries at most, so that it fits one packet."""
SHORT_DIGEST_BYTES = 8
"""How much of a digest names a blob in a part frame: enough among the pages of one lecture, by accident. The whole
digest is checked once the blob is complete."""
MAX_VOICE_FRAMES = 8
MAX_OPUS_BYTES = 1275
SILENCE_BYTES = 2
"""An Opus packet no longer than this is silence (DTX)."""

_CHUNK = 1
_BLOB = 2
_BLOB_PART = 3
_VOICE = 4
_SCREEN = 5
_SCREEN_PART = 6
_ENTRY = 7
_CHUNK_HEAD = struct.Struct("!BBBBHQQII")  # version, frame kind, entry kind, flags, track, seq, t_ms, duration_ms, crc
_BLOB_HEAD = struct.Struct("!BB32sBII")  # version, frame kind, digest, media type, offset, total
_PART_HEAD = struct.Struct("!BB8sI")  # version, frame kind, first bytes of the digest, offset
_VOICE_HEAD = struct.Struct("!BBHQB")  # version, frame kind, track, t_ms of slot 0, which slots are there
_SCREEN_HEAD = struct.Struct("!BBQ")  # version, frame kind, t_ms
_SCREEN_PART_HEAD = struct.Struct("!BBHII")  # version, frame kind, number, offset, total
_ENTRY_HEAD = struct.Struct("!BBBQQ")  # version, frame kind, entry kind, seq, t_ms
_NO_TIME = (1 << 64) - 1

MEDIA_TYPES = {1: "image/avif", 2: "image/png", 3: "image/webp", 4: "image/jpeg"}
"""Media types of blobs and their numbers in a frame; never reuse a number."""
_MEDIA_TYPE_NUMBERS = {name: number for number, name in MEDIA_TYPES.items()}


@dataclass(frozen=True, slots=True)
class ChunkFrame:
    """One media entry of the relay's log, ``entry.seq`` being the relay's seq."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class BlobFrame:
    """A piece of a blob.

    :param digest: SHA-256 of the whole blob, lower-case hex.
    :param offset: where in the blob ``data`` begins, in bytes.
    :param total: size of the whole blob in bytes.
    """

    digest: str
    media_type: str
    offset: int
    total: int
    data: bytes


@dataclass(frozen=True, slots=True)
class BlobPartFrame:
    """A piece of a blob that a PAGE entry has told of, with a small header for thin links.

    :param short_digest: the first :data:`SHORT_DIGEST_BYTES` of the blob's SHA-256, in lower-case hex.
    :param offset: where in the blob ``data`` begins, in bytes.
    """

    short_digest: str
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class VoiceFrame:
    """A few 60-ms frames of a made voice rung from the relay's log, with a small header for thin links.

    :param track_id: of the relay's tracks (it tells language and rung).
    :param frames: in order of time, each on the 60-ms grid.
    """

    track_id: int
    frames: tuple[EncodedFrame, ...]


@dataclass(frozen=True, slots=True)
class ScreenFrame:
    """What has changed on the lecturer's screen (:mod:`lecture.screen`).

    :param t_ms: lecture time of the picture, None where the sender does not know it.
    """

    t_ms: int | None
    update: bytes


@dataclass(frozen=True, slots=True)
class ScreenPartFrame:
    """A piece of a timed update (:func:`lecture.screen.pack_timed`) on its way to a hall.

    :param number: of the update on this connection, modulo 65,536.
    :param offset: where in it ``data`` begins, in bytes; ``total`` is its size.
    """

    number: int
    offset: int
    total: int
    data: bytes


@dataclass(frozen=True, slots=True)
class EntryFrame:
    """An event of the relay's log that has no haste and needs no order; ``entry.seq`` is the relay's."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class UnknownFrame:
    """A frame of a kind that this version does not know."""

    frame_kind: int


Frame = ChunkFrame | BlobFrame | BlobPartFrame | VoiceFrame | ScreenFrame | ScreenPartFrame | EntryFrame | UnknownFrame


def pack_chunk(entry: Entry) -> bytes:
    """Encode a media entry.

    :raises ValueError: if a number does not fit its field or the frame would be too large.
    """
    try:
        head = _CHUNK_HEAD.pack(
            FRAME_VERSION,
            _CHUNK,
            entry.kind,
            entry.flags,
            entry.track_id,
            entry.seq,
            entry.t_ms,
            entry.duration_ms,
            entry_crc32c(entry),
        )
    except struct.error as error:
        raise ValueError(f"entry does not fit a frame: {error}") from error
    return _limited(head + entry.payload)


def pack_blob(digest: str, media_type: str, offset: int, total: int, data: bytes) -> bytes:
    """Encode a piece of a blob.

    :raises ValueError: for a media type without a number, a piece outside the blob or one too large.
    """
    if media_type not in _MEDIA_TYPE_NUMBERS:
        raise ValueError(f"no frame number for media type {media_type!r}")
    if offset < 0 or total > MAX_BLOB_BYTES or offset + len(data) > total:
        raise ValueError(f"{len(data)} bytes at {offset} do not fit a blob of {total}")
    raw = bytes.fromhex(digest)
    if len(raw) != 32:
        raise ValueError("digest is not a SHA-256")
    number = _MEDIA_TYPE_NUMBERS[media_type]
    return _limited(_BLOB_HEAD.pack(FRAME_VERSION, _BLOB, raw, number, offset, total) + data)


def pack_blob_part(digest: str, offset: int, data: bytes) -> bytes:
    """Encode a piece of a blob whose PAGE entry the hall has, or gets before it.

    :param digest: of the whole blob, in hex.
    :raises ValueError: for a piece outside any blob, or what is no digest.
    """
    if offset < 0 or offset + len(data) > MAX_BLOB_BYTES:
        raise ValueError(f"{len(data)} bytes at {offset} do not fit a blob")
    raw = bytes.fromhex(digest)
    if len(raw) != 32:
        raise ValueError("digest is not a SHA-256")
    return _limited(_PART_HEAD.pack(FRAME_VERSION, _BLOB_PART, raw[:SHORT_DIGEST_BYTES], offset) + data)


def pack_voice(track_id: int, t_ms: int, slots: Sequence[bytes]) -> bytes:
    """Encode one to :data:`MAX_VOICE_FRAMES` consecutive 60-ms frames; an empty one marks a slot without a frame.

    :param t_ms: lecture time of the first slot.
    :raises ValueError: for no frame at all, too many, one that is too long, or a number that does not fit.
    """
    there = [slot for slot in slots if slot]
    if len(slots) > MAX_VOICE_FRAMES or not there or any(len(slot) > MAX_OPUS_BYTES for slot in there):
        raise ValueError(f"a voice frame holds 1 to {MAX_VOICE_FRAMES} Opus packets of at most {MAX_OPUS_BYTES} bytes")
    present = sum(0x80 >> at for at, slot in enumerate(slots) if slot)
    try:
        head = _VOICE_HEAD.pack(FRAME_VERSION, _VOICE, track_id, t_ms, present)
    except struct.error as error:
        raise ValueError(f"voice does not fit a frame: {error}") from error
    return b"".join((head, *(_length(len(slot)) for slot in there[:-1]), *there))


def pack_screen(t_ms: int | None, update: bytes) -> bytes:
    """Encode an update of the lecturer's screen.

    :param t_ms: lecture time of the picture, None if unknown.
    """
    return _limited(_SCREEN_HEAD.pack(FRAME_VERSION, _SCREEN, _NO_TIME if t_ms is None else t_ms) + update)


def pack_screen_part(number: int, offset: int, total: int, data: bytes) -> bytes:
    """Encode a piece of a timed update.

    :raises ValueError: for a piece outside the update, or an update that is too large.
    """
    if offset < 0 or offset + len(data) > total or total > MAX_TIMED_BYTES:
        raise ValueError(f"{len(data)} bytes at {offset} do not fit a screen update of {total}")
    return _SCREEN_PART_HEAD.pack(FRAME_VERSION, _SCREEN_PART, number & 0xFFFF, offset, total) + data


def pack_entry(entry: Entry) -> bytes:
    """Encode an event.

    :raises ValueError: if a number does not fit its field or the frame would be too large.
    """
    try:
        head = _ENTRY_HEAD.pack(FRAME_VERSION, _ENTRY, entry.kind, entry.seq, entry.t_ms)
    except struct.error as error:
        raise ValueError(f"entry does not fit a frame: {error}") from error
    return _limited(head + entry.payload)


def parse_frame(data: bytes) -> Frame:
    """Decode one binary frame.

    :raises ProtocolError: ``frame_malformed`` (cut short, out of range, wrong CRC), ``frame_too_large``,
        ``version_unsupported`` (a frame version we never agreed upon).
    """
    if len(data) > MAX_FRAME_BYTES:
        raise ProtocolError("frame_too_large", f"A frame of {len(data)} bytes is larger than {MAX_FRAME_BYTES}.")
    if len(data) < 2:
        raise _malformed("shorter than its header")
    if data[0] != FRAME_VERSION:
        raise ProtocolError("version_unsupported", f"Frame version {data[0]} is not supported.")
    parse = _PARSERS.get(data[1])
    return parse(data) if parse else UnknownFrame(data[1])


def _parse_chunk(data: bytes) -> ChunkFrame:
    if len(data) < _CHUNK_HEAD.size:
        raise _malformed("shorter than its header")
    _, _, kind, flags, track_id, seq, t_ms, duration_ms, crc = _CHUNK_HEAD.unpack_from(data)
    entry = Entry(kind, t_ms, data[_CHUNK_HEAD.size :], track_id, duration_ms, flags, seq)
    if t_ms >= 1 << 53 or seq >= 1 << 53:
        raise _malformed("a number is out of range")
    if entry_crc32c(entry) != crc:
        raise _malformed("wrong CRC-32C")
    return ChunkFrame(entry)


def _parse_blob(data: bytes) -> BlobFrame | UnknownFrame:
    if len(data) < _BLOB_HEAD.size:
        raise _malformed("shorter than its header")
    _, _, raw, number, offset, total = _BLOB_HEAD.unpack_from(data)
    piece = data[_BLOB_HEAD.size :]
    if total > MAX_BLOB_BYTES or offset + len(piece) > total:
        raise _malformed("piece lies outside its blob")
    if number not in MEDIA_TYPES:
        return UnknownFrame(_BLOB)  # a newer minor version's media type: nothing we could show
    return BlobFrame(raw.hex(), MEDIA_TYPES[number], offset, total, piece)


def _parse_blob_part(data: bytes) -> BlobPartFrame:
    if len(data) < _PART_HEAD.size:
        raise _malformed("shorter than its header")
    _, _, short, offset = _PART_HEAD.unpack_from(data)
    piece = data[_PART_HEAD.size :]
    if offset + len(piece) > MAX_BLOB_BYTES:
        raise _malformed("piece lies outside any blob")
    return BlobPartFrame(short.hex(), offset, piece)


def _parse_voice(data: bytes) -> VoiceFrame:
    if len(data) < _VOICE_HEAD.size:
        raise _malformed("shorter than its header")
    _, _, track_id, t_ms, present = _VOICE_HEAD.unpack_from(data)
    if t_ms >= 1 << 53:
        raise _malformed("a number is out of range")
    at = _VOICE_HEAD.size
    lengths: list[int] = []
    for _ in range(present.bit_count() - 1):
        length, at = _parse_length(data, at)
        lengths.append(length)
    lengths.append(len(data) - at - sum(lengths))
    if not present or any(not 1 <= length <= MAX_OPUS_BYTES for length in lengths):
        raise _malformed("a voice frame has an impossible length")
    frames = []
    slots = (slot for slot in range(MAX_VOICE_FRAMES) if present & 0x80 >> slot)
    for slot, length in zip(slots, lengths, strict=True):
        flags = Flag.SILENCE if length <= SILENCE_BYTES else Flag.NONE
        frames.append(EncodedFrame(t_ms + slot * VOICE_FRAME_MS, VOICE_FRAME_MS, data[at : at + length], int(flags)))
        at += length
    return VoiceFrame(track_id, tuple(frames))


def _length(length: int) -> bytes:
    """A frame's length as in RFC 6716, section 3.2.1."""
    if length < 252:
        return bytes((length,))
    low = 252 + (length & 3)
    return bytes((low, (length - low) >> 2))


def _parse_length(data: bytes, at: int) -> tuple[int, int]:
    """The length at this place, and the place behind it."""
    used = 1 if at < len(data) and data[at] < 252 else 2
    if at + used > len(data):
        raise _malformed("it ends within its lengths")
    return (data[at], at + 1) if used == 1 else (data[at] + 4 * data[at + 1], at + 2)


def _parse_screen(data: bytes) -> ScreenFrame:
    if len(data) < _SCREEN_HEAD.size:
        raise _malformed("shorter than its header")
    _, _, t_ms = _SCREEN_HEAD.unpack_from(data)
    if t_ms != _NO_TIME and t_ms >= 1 << 53:
        raise _malformed("a number is out of range")
    return ScreenFrame(None if t_ms == _NO_TIME else t_ms, data[_SCREEN_HEAD.size :])


def _parse_screen_part(data: bytes) -> ScreenPartFrame:
    if len(data) < _SCREEN_PART_HEAD.size:
        raise _malformed("shorter than its header")
    _, _, number, offset, total = _SCREEN_PART_HEAD.unpack_from(data)
    piece = data[_SCREEN_PART_HEAD.size :]
    if total > MAX_TIMED_BYTES or offset + len(piece) > total:
        raise _malformed("piece lies outside its screen update")
    return ScreenPartFrame(number, offset, total, piece)


def _parse_entry(data: bytes) -> EntryFrame:
    if len(data) < _ENTRY_HEAD.size:
        raise _malformed("shorter than its header")
    _, _, kind, seq, t_ms = _ENTRY_HEAD.unpack_from(data)
    if t_ms >= 1 << 53 or seq >= 1 << 53:
        raise _malformed("a number is out of range")
    return EntryFrame(Entry(kind, t_ms, data[_ENTRY_HEAD.size :], seq=seq))


_PARSERS = {
    _CHUNK: _parse_chunk,
    _BLOB: _parse_blob,
    _BLOB_PART: _parse_blob_part,
    _VOICE: _parse_voice,
    _SCREEN: _parse_screen,
    _SCREEN_PART: _parse_screen_part,
    _ENTRY: _parse_entry,
}


def _malformed(reason: str) -> ProtocolError:
    return ProtocolError("frame_malformed", f"Malformed binary frame: {reason}.")


def _limited(frame: bytes) -> bytes:
    if len(frame) > MAX_FRAME_BYTES:
        raise ValueError(f"frame of {len(frame)} bytes is larger than {MAX_FRAME_BYTES}")
    return frame

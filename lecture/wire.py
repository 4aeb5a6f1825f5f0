"""Binary frames of the hall socket (docs/protocol.md, "Binary frames").

byte 0 is the frame version, byte 1 the frame kind; all numbers are big-endian. A frame of a kind that this
version does not know parses to :class:`UnknownFrame` and is to be ignored.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from lecture.checksum import entry_crc32c
from lecture.entries import Entry
from lecture.errors import ProtocolError

FRAME_VERSION = 1
MAX_FRAME_BYTES = 256 * 1024
"""No frame is larger; the relay keeps to :data:`BLOB_DATA_BYTES` for pages so that voice never waits long."""
BLOB_DATA_BYTES = 4096 - 40 - 16
"""How much of a blob one frame carries at most on a thin link (frame, header and WebSocket header within 4 KiB)."""
MAX_BLOB_BYTES = 16 * 1024 * 1024

_CHUNK = 1
_BLOB = 2
_CHUNK_HEAD = struct.Struct("!BBBBHQQII")  # version, frame kind, entry kind, flags, track, seq, t_ms, duration_ms, crc
_BLOB_HEAD = struct.Struct("!BB32sBII")  # version, frame kind, digest, media type, offset, total

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
class UnknownFrame:
    """A frame of a kind that this version does not know."""

    frame_kind: int


Frame = ChunkFrame | BlobFrame | UnknownFrame


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


_PARSERS = {_CHUNK: _parse_chunk, _BLOB: _parse_blob}


def _malformed(reason: str) -> ProtocolError:
    return ProtocolError("frame_malformed", f"Malformed binary frame: {reason}.")


def _limited(frame: bytes) -> bytes:
    if len(frame) > MAX_FRAME_BYTES:
        raise ValueError(f"frame of {len(frame)} bytes is larger than {MAX_FRAME_BYTES}")
    return frame

"""Segments: what a copy of a lecture sends to fill holes of the relay's log (docs/protocol.md, section 14). Pure."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from lecture.checksum import SHA256_HEX
from lecture.chunks import CHUNK_MS
from lecture.entries import MAX_SEQ, EncodedFrame, Entry, Kind, pack_frames, unpack_frames
from lecture.errors import ProtocolError, RefusedError
from lecture.log import Span
from lecture.tracks import CAMERA_CODECS, SOURCE_RUNG, Track
from lecture.wire import ChunkFrame, pack_chunk, parse_frame

MAGIC = b"HCS1"
CONTENT_TYPE = "application/vnd.hallcast.segment"
SEGMENT_BYTES = 64 * 1024
"""Most bytes of a segment: some twenty seconds of voice as it was sent."""
COPY_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
HEAD_BYTES = 512
"""More than the head of a segment of ours has."""

_MOST_HEAD_BYTES = 4096
_TRACK_ID = 1
_U16 = struct.Struct("!H")
_U32 = struct.Struct("!I")
_CHUNK_BYTES = 34  # of a chunk frame's head and its size
_FRAME_BYTES = 9  # of a frame's head in a media entry


@dataclass(frozen=True, slots=True)
class After:
    """The picture that comes directly before a segment's first one.

    :param digest: SHA-256 of its data in lower-case hex.
    :param t_ms: when it stands in the copy.
    """

    digest: str
    t_ms: int


@dataclass(frozen=True, slots=True)
class Segment:
    """All that a copy has of a span.

    :param copy: id of the copy.
    :param span: lecture time.
    :param track: a voice or a camera as it was sent.
    :param frames: in order of time; none says that the copy has nothing of the span.
    :param after: of a camera; None: the copy does not know the picture that the relay has before the span.
    """

    copy: str
    span: Span
    track: Track
    frames: tuple[EncodedFrame, ...] = ()
    after: After | None = None


def pack_segment(segment: Segment) -> bytes:
    """Encode a segment.

    :raises ValueError: for a number that does not fit.
    """
    track = segment.track
    head: dict[str, Any] = {
        "copy": segment.copy,
        "start_ms": segment.span.start_ms,
        "end_ms": segment.span.end_ms,
        "track": {
            "kind": track.kind,
            "codec": track.codec,
            "clock_rate": track.clock_rate,
            "language": track.language,
            "rung": track.rung,
            "channels": track.channels,
        },
    }
    if segment.after is not None:
        head |= {"after": segment.after.digest, "after_ms": segment.after.t_ms}
    text = json.dumps(head, separators=(",", ":")).encode()
    out = bytearray(MAGIC + _U16.pack(len(text)) + text)
    for entry in _entries(Kind.CAMERA if track.kind == "camera" else Kind.VOICE, segment.frames):
        chunk = pack_chunk(entry)
        out += _U32.pack(len(chunk)) + chunk
    return bytes(out)


def segment_bytes(frames: Iterable[EncodedFrame]) -> int:
    """What a segment of these frames has at most, in bytes, its head aside."""
    # A chunk's own head is shared by some frames; with a share of it for each, and one more, it is sure to be enough.
    # Pictures, which do not tell how long they last, may have one each.
    return sum(
        len(frame.data) + _FRAME_BYTES + _CHUNK_BYTES * (frame.duration_ms or CHUNK_MS) // CHUNK_MS + 1
        for frame in frames
    )


def frames_that_fit(frames: Iterable[EncodedFrame], max_bytes: int) -> list[EncodedFrame]:
    """The first frames whose segment stays below ``max_bytes``; one at least, if there are any."""
    fitting: list[EncodedFrame] = []
    left = max_bytes - HEAD_BYTES
    for frame in frames:
        left -= segment_bytes([frame])
        if left < 0 and fitting:
            break
        fitting.append(frame)
    return fitting


def parse_segment(body: bytes) -> Segment:
    """Decode a segment.

    :raises RefusedError: ``segment_malformed`` (400).
    """
    try:
        return _parse(body)
    except ProtocolError as error:
        raise _malformed(error.text) from error
    except (ValueError, OverflowError, KeyError, TypeError, struct.error, RecursionError) as error:
        raise _malformed(f"The segment is malformed: {error}.") from error


def _parse(body: bytes) -> Segment:
    if not body.startswith(MAGIC):
        raise ValueError("it does not begin as one")
    (size,) = _U16.unpack_from(body, len(MAGIC))
    at = len(MAGIC) + _U16.size
    if size > _MOST_HEAD_BYTES or at + size > len(body):
        raise ValueError("its head is cut short or too long")
    head = json.loads(body[at : at + size])
    at += size
    copy, span, track = str(head["copy"]), Span(_time(head["start_ms"]), _time(head["end_ms"])), head["track"]
    if not COPY_ID.fullmatch(copy) or span.start_ms >= span.end_ms:
        raise ValueError("its copy or its span is none")
    described = Track(
        str(track["kind"]),
        str(track["codec"]),
        int(track["clock_rate"]),
        str(track["language"]),
        str(track["rung"]),
        int(track["channels"]),
    )
    is_camera = described.kind == "camera"
    if is_camera:
        _check_camera(described)
    else:
        _check_voice(described)
    frames: list[EncodedFrame] = []
    while at < len(body):
        (size,) = _U32.unpack_from(body, at)
        at += _U32.size
        if at + size > len(body):
            raise ValueError("it is cut short")
        frames += _frames(Kind.CAMERA if is_camera else Kind.VOICE, body[at : at + size])
        at += size
    for before, frame in pairwise(frames):
        if frame.t_ms < before.t_ms + before.duration_ms // 2:
            raise ValueError("its frames overlap or are out of order")
    return Segment(copy, span, described, tuple(frames), _after(head) if is_camera else None)


def _check_voice(track: Track) -> None:
    if (track.kind, track.codec, track.clock_rate, track.rung) != ("voice", "opus", 48_000, SOURCE_RUNG):
        raise ValueError("it is not of a voice as it was sent")
    if track.channels not in (1, 2):
        raise ValueError("a voice has one channel or two")


def _check_camera(track: Track) -> None:
    if track.codec not in CAMERA_CODECS or track != Track("camera", track.codec, 90_000, rung=SOURCE_RUNG):
        raise ValueError("it is not of a camera as it was sent")


def _after(head: dict[str, Any]) -> After | None:
    if "after" not in head:
        return None
    digest = str(head["after"])
    if not SHA256_HEX.fullmatch(digest):
        raise ValueError("the picture before it is none")
    return After(digest, _time(head["after_ms"]))


def _frames(kind: Kind, chunk: bytes) -> list[EncodedFrame]:
    frame = parse_frame(chunk)
    if not isinstance(frame, ChunkFrame) or frame.entry.kind != kind or frame.entry.track_id != _TRACK_ID:
        raise ValueError("a chunk in it is not of its track")
    frames = list(unpack_frames(frame.entry))
    if any(not item.data for item in frames):
        raise ValueError("a frame in it is empty")
    if kind == Kind.VOICE and not all(0 < item.duration_ms <= 120 for item in frames):
        raise ValueError("a frame of voice lasts up to 120 ms")
    return frames


def _time(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_SEQ:
        raise ValueError("a time is out of range")
    return value


def _entries(kind: Kind, frames: Iterable[EncodedFrame]) -> Iterable[Entry]:
    gathered: list[EncodedFrame] = []
    for frame in frames:
        if gathered and frame.t_ms - gathered[0].t_ms >= CHUNK_MS:
            yield _entry(kind, gathered)
            gathered = []
        gathered.append(frame)
    if gathered:
        yield _entry(kind, gathered)


def _entry(kind: Kind, frames: list[EncodedFrame]) -> Entry:
    start_ms, end_ms = frames[0].t_ms, frames[-1].t_ms + frames[-1].duration_ms
    return Entry(kind, start_ms, pack_frames(start_ms, frames), _TRACK_ID, end_ms - start_ms)


def _malformed(text: str) -> RefusedError:
    return RefusedError("segment_malformed", text, 400)

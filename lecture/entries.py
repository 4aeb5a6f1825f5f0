"""Entries: the items of a lecture's log.

A lecture is one append-only log. Everything that happens in it is an :class:`Entry`
stamped with *lecture time* (integer milliseconds since the lecture began, set by the relay).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Any


class Kind(IntEnum):
    """What an entry is. Numbers are part of the lecture file and the wire; never reuse one."""

    VOICE = 1
    CAMERA = 2
    DECK = 3
    PAGE = 4
    TURN = 5
    POINTER = 6
    INK = 7
    QUESTION = 8
    MARK = 9
    STATE = 10
    RECEIPT = 11
    SCREEN = 12
    CAPTION = 13


MEDIA_KINDS = frozenset({Kind.VOICE, Kind.CAMERA, Kind.SCREEN})
"""Kinds whose payload is encoded media (:func:`pack_frames`); all others carry JSON (:func:`pack_event`)."""

EVENT_KINDS = frozenset(Kind) - MEDIA_KINDS
"""Kinds whose payload is JSON."""
UNORDERED_KINDS = MEDIA_KINDS | {Kind.POINTER, Kind.INK}
"""What a hall may get in any order; events of other kinds come in the order of the log."""

MAX_DURATION_MS = 2 * 0xFFFF
"""No entry lasts longer (a frame begins at most 65,535 ms into its entry and lasts at most that long), so that a
reader looking for what overlaps a moment knows how far back to look."""


MAX_SEQ = (1 << 53) - 1
"""Largest seq and lecture time: the integers that JSON carries everywhere."""
MAX_TRACKS = 0xFFFF
"""Track ids have 16 bits on the wire."""


class Flag(IntFlag):
    """Properties of an entry or of one encoded frame in it."""

    NONE = 0
    KEYFRAME = 1
    SILENCE = 2
    CONCEALED = 4
    """Voice that was made up because the source was missing. Such an entry holds one frame; one that holds the real
    words of the same time takes its place."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One item of the log.

    :param kind: a :class:`Kind`; a number unknown to this version is kept as a plain int and ignored by readers.
    :param t_ms: lecture time at which the entry begins, in ms.
    :param payload: frames (media kinds) or UTF-8 JSON (all others).
    :param track_id: the track of this log it belongs to, 0 for none.
    :param duration_ms: how long it lasts (media), else 0.
    :param seq: its place in the log, 1 and up; 0 until the log has appended it.
    """

    kind: int
    t_ms: int
    payload: bytes
    track_id: int = 0
    duration_ms: int = 0
    flags: int = 0
    seq: int = 0

    @property
    def end_ms(self) -> int:
        """Lecture time at which the entry ends, in ms."""
        return self.t_ms + self.duration_ms


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """One encoded frame of a media entry (an Opus packet, a coded picture, a :mod:`lecture.screen` update).

    :param t_ms: lecture time, in ms.
    :param duration_ms: 0 where unknown (camera, screen).
    """

    t_ms: int
    duration_ms: int
    data: bytes
    flags: int = 0


_FRAME = struct.Struct("!HHBI")  # offset_ms, duration_ms, flags, length


def pack_frames(t_ms: int, frames: Iterable[EncodedFrame]) -> bytes:
    """Lay frames into a media entry's payload, each with its offset from the entry's ``t_ms``.

    :raises ValueError: if a frame lies before the entry or more than 65,535 ms after it.
    """
    out = bytearray()
    for frame in frames:
        offset_ms = frame.t_ms - t_ms
        if not 0 <= offset_ms <= 0xFFFF:
            raise ValueError(f"frame at {frame.t_ms} ms does not fit an entry at {t_ms} ms")
        out += _FRAME.pack(offset_ms, frame.duration_ms, frame.flags, len(frame.data))
        out += frame.data
    return bytes(out)


def unpack_frames(entry: Entry) -> Iterator[EncodedFrame]:
    """Read a media entry's frames back.

    :raises ValueError: if the payload is cut short.
    """
    payload, at = entry.payload, 0
    while at < len(payload):
        if at + _FRAME.size > len(payload):
            raise ValueError("media entry is cut short")
        offset_ms, duration_ms, flags, length = _FRAME.unpack_from(payload, at)
        at += _FRAME.size
        if at + length > len(payload):
            raise ValueError("media entry is cut short")
        yield EncodedFrame(entry.t_ms + offset_ms, duration_ms, payload[at : at + length], flags)
        at += length


def readable_frames(entry: Entry) -> Iterator[EncodedFrame]:
    """Read a media entry's frames back as far as it goes: what a file from elsewhere says may be cut short."""
    with suppress(ValueError):
        yield from unpack_frames(entry)


def pack_event(fields: dict[str, Any]) -> bytes:
    """Encode a non-media entry's fields as compact UTF-8 JSON."""
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def unpack_event(entry: Entry) -> dict[str, Any]:
    """Decode a non-media entry's fields.

    :raises ValueError: if the payload is not a JSON object.
    """
    try:
        fields = json.loads(entry.payload)
    except RecursionError:
        raise ValueError("event payload is nested too deeply") from None
    if not isinstance(fields, dict):
        raise ValueError("event payload is not a JSON object")
    return fields


def check_numbers(entry: Entry) -> None:
    """Refuse an entry whose numbers no file or frame can hold.

    :raises ValueError: naming the entry.
    """
    if not (
        0 <= entry.kind <= 0xFF
        and 0 <= entry.flags <= 0xFF
        and 0 <= entry.track_id <= MAX_TRACKS
        and 0 <= entry.t_ms <= MAX_SEQ
        and 0 <= entry.duration_ms <= MAX_DURATION_MS
    ):
        raise ValueError(f"a number of the entry at {entry.t_ms} ms is out of range")

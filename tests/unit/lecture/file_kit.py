"""Entries for the lecture file's tests."""

from __future__ import annotations

from lecture.entries import EncodedFrame, Entry, Kind, pack_event, pack_frames
from lecture.tracks import Track

VOICE = Track("voice", "opus", 48000, "en", "16", 1)


def voice(t_ms: int, duration_ms: int = 1000, track_id: int = 1, *, size_bytes: int = 40) -> Entry:
    """A piece of voice; one frame stands for all of it."""
    payload = pack_frames(t_ms, [EncodedFrame(t_ms, 60, b"x" * size_bytes)])
    return Entry(Kind.VOICE, t_ms, payload, track_id, duration_ms)


def turn(t_ms: int, page: int = 1) -> Entry:
    """A page turn."""
    return Entry(Kind.TURN, t_ms, pack_event({"deck": "d", "page": page}))

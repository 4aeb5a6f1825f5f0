"""Tracks: the continuous media of a lecture, one per language and rung."""

from __future__ import annotations

from dataclasses import dataclass

VOICE_FRAME_MS = 60
"""Length of a made voice rung's Opus frame. Made rungs lie on this grid of lecture time: frame n covers
``[n * 60, n * 60 + 60)`` ms, the same n in every rung, so that any rung can fill any gap."""

VOICE_RUNGS_KBPS = (8, 12, 16, 24)
"""The made rungs of a voice, in kbit/s of Opus."""

RECORDED_KBPS = 16
"""The archive's rung, which the relay always makes and records: replay reads it, and catch-up where the link is wide.
With the pages it stays below 20 kbit/s. At 24 it did not (22.7), for a gain that few hear (PESQ 4.46 against 4.21 of
real speech, STOI .995 against .988); what the publisher sent is recorded beside it."""

LIGHT_KBPS = 12
"""The rung recorded beside it: thin links catch up with it."""

SOURCE_RUNG = "source"
"""Rung name of media kept exactly as the publisher sent it."""

LANGUAGE_FORM = r"(?!.{36})[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}"
"""A BCP 47 language tag, of 35 characters at most; it becomes a part of addresses and file names."""

UNKNOWN_LANGUAGE = "und"
"""BCP 47 for a language that nobody named: in a lecturer's own copy, the one that the relay takes it for."""

CAMERA_CODECS = frozenset({"vp8", "vp9", "av1", "h264"})
"""Codec names of a camera that can be recorded and shown."""

SCREEN_CODEC = "hallcast-screen"
"""Codec name of a shared screen's updates (:mod:`lecture.screen`)."""


@dataclass(frozen=True, slots=True)
class Track:
    """One continuous medium of a lecture.

    :param kind: ``voice``, ``camera`` or ``screen``.
    :param language: BCP 47 tag of a voice (``en``, ``ko``); else empty.
    :param rung: :data:`SOURCE_RUNG` or the made rung's rate in kbit/s as text (``"12"``).
    :param codec: IANA media subtype in lower case: ``opus``, ``vp8``, ``h264``, ``vp9``, ``av1``; of a screen
        :data:`SCREEN_CODEC`.
    :param clock_rate: RTP clock in Hz (48000, 90000; a screen's ticks are ms: 1000).
    :param channels: 1 or 2 for voice, else 0.
    :param track_id: its number in this log, 0 until the log has added it.
    """

    kind: str
    codec: str
    clock_rate: int
    language: str = ""
    rung: str = SOURCE_RUNG
    channels: int = 0
    track_id: int = 0

"""Errors of the streamer."""

from __future__ import annotations

from lecture.errors import HallcastError


class StreamError(HallcastError):
    """The lecture cannot be streamed.

    Ids: ``voice_unreadable``, ``camera_unreadable``, ``slides_unreadable``, ``deck_not_pdf``, ``turns_malformed``,
    ``keep_unwritable``, and what the relay refuses for good (``unauthorised``, ``forbidden``,
    ``lecture_ended``, …).
    """

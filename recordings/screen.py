"""A recorded shared screen: when there was one, and its updates piece by piece (docs/protocol.md, section 13)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress

import numpy as np

from lecture.entries import EncodedFrame
from lecture.errors import ProtocolError
from lecture.log import Span
from lecture.screen import MAX_UPDATE_BYTES, TILE, ScreenUpdate, pack_update, parse_update
from lecture.screen_canvas import ScreenCanvas
from lecture.screen_mosaic import mosaic_of
from recordings.recording import Recording
from transport import webp

SEGMENT_MS = 60_000
"""Replay fetches the updates in pieces of this length."""
_PIECE = struct.Struct("!QI")  # t_ms, bytes
_SHARP_BYTES = MAX_UPDATE_BYTES // 2
"""A whole picture above this comes as a photograph: legible soon is worth more than exact late."""
_PHOTO_QUALITY = 25


def shared(recording: Recording) -> list[Span]:
    """The stretches of lecture time in which a screen was shared."""
    found: list[Span] = []
    since_ms: int | None = None
    for frame, update in _updates(recording, None):
        if not update.stop and since_ms is None:
            since_ms = frame.t_ms
        elif update.stop and since_ms is not None:
            found.append(Span(since_ms, frame.t_ms))
            since_ms = None
    if since_ms is not None:
        found.append(Span(since_ms, recording.duration_ms))
    return found


def segment(recording: Recording, number: int, *, whole: bool) -> bytes:
    """The updates of segment ``number``, each after its lecture time (8 bytes) and length (4 bytes).

    :param whole: begin with one that needs nothing before it and shows the screen as it stood when the segment began.
    """
    span = Span(number * SEGMENT_MS, (number + 1) * SEGMENT_MS)
    out = bytearray()
    if whole and (before := _still(_as_it_stood(recording, span.start_ms))) is not None:
        _put(out, span.start_ms, pack_update(before))
    for frame, _ in _updates(recording, span):
        _put(out, frame.t_ms, frame.data)
    return bytes(out)


def whole_segments(recording: Recording, count: int) -> Iterator[bytes]:
    """The first segments as :func:`segment` gives them one by one, each update decoded once."""
    canvas = ScreenCanvas(webp.decode)
    for number in range(count):
        out = bytearray()
        if (before := _still(canvas)) is not None:
            _put(out, number * SEGMENT_MS, pack_update(before))
        for frame, update in _updates(recording, Span(number * SEGMENT_MS, (number + 1) * SEGMENT_MS)):
            _put(out, frame.t_ms, frame.data)
            with suppress(ProtocolError):
                canvas.apply(update)
        yield bytes(out)


def _put(out: bytearray, t_ms: int, update: bytes) -> None:
    out += _PIECE.pack(t_ms, len(update))
    out += update


def _updates(recording: Recording, span: Span | None) -> Iterator[tuple[EncodedFrame, ScreenUpdate]]:
    for track in recording.tracks("screen"):
        for frame in recording.frames(track, span):
            try:
                yield frame, parse_update(frame.data)
            except ProtocolError:
                continue


def _as_it_stood(recording: Recording, t_ms: int) -> ScreenCanvas:
    """The picture before ``t_ms``."""
    canvas = ScreenCanvas(webp.decode)
    start_ms = _begun_anew_ms(recording, t_ms)
    if start_ms is not None:
        for _, update in _updates(recording, Span(start_ms, t_ms)):
            with suppress(ProtocolError):
                canvas.apply(update)
    return canvas


def _begun_anew_ms(recording: Recording, before_ms: int) -> int | None:
    """When the last update came that needs none before it; None where no screen was shared."""
    end_ms = before_ms
    while end_ms > 0:
        piece = Span(max(0, end_ms - SEGMENT_MS), end_ms)
        whole = [(frame.t_ms, update.stop) for frame, update in _updates(recording, piece) if update.is_whole]
        if whole:
            start_ms, stopped = max(whole)
            return None if stopped else start_ms
        end_ms = piece.start_ms
    return None


def _still(canvas: ScreenCanvas) -> ScreenUpdate | None:
    """A picture as one update that takes the number of its last, so that what follows fits; None for none."""
    at = canvas.position
    if at.stopped or not at.number:
        return None
    everything = np.ones(tuple(edge // TILE for edge in canvas.padded.shape[:2]), np.bool_)
    mosaic = mosaic_of(canvas.padded, everything, webp.encode)
    if len(mosaic.image) > _SHARP_BYTES:
        mosaic = mosaic_of(canvas.padded, everything, lambda pixels: webp.encode(pixels, _PHOTO_QUALITY))
    return ScreenUpdate(at.share, at.number, 0, at.width, at.height, mosaics=(mosaic,))

"""Opus frames as samples on the timeline of a lecture."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing

import numpy as np

from lecture.entries import EncodedFrame
from lecture.log import Span
from transport.opus import SAMPLE_RATE, Decoder, OpusError, Pcm

SAMPLES_PER_MS = SAMPLE_RATE // 1000
CONTINUES_MS = 40
"""A packet whose stamp is no farther off follows the one before directly."""


def rendered(frames: Iterable[EncodedFrame], span: Span, *, continues_ms: int = CONTINUES_MS) -> Pcm:
    """Mono samples of a span at 48 kHz; silence where there is no frame.

    :param frames: in order of time; those before the span are decoded too, so that nothing begins abruptly.
    :param continues_ms: 0 puts each frame where its stamp says, to the millisecond: for measuring, not for listening.
    """
    start = span.start_ms * SAMPLES_PER_MS
    pcm = np.zeros((span.end_ms - span.start_ms) * SAMPLES_PER_MS, np.int16)
    at: int | None = None
    with closing(Decoder(1)) as decoder:
        for frame in frames:
            stamp = frame.t_ms * SAMPLES_PER_MS - start
            if at is None or abs(stamp - at) > continues_ms * SAMPLES_PER_MS:
                at = stamp
            try:
                block = decoder.decode(frame.data).reshape(-1)
            except OpusError:
                continue
            low, high = max(at, 0), min(at + len(block), len(pcm))
            if low < high:
                pcm[low:high] = block[low - at : high - at]
            at += len(block)
    return pcm

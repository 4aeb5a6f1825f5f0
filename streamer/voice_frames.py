"""The form in which a voice travels through the streamer before it is encoded."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streamer.pacing import FRAME_MS

SAMPLE_RATE = 48_000
FRAME_SAMPLES = SAMPLE_RATE * FRAME_MS // 1000

Samples = npt.NDArray[np.int16]
"""One frame: :data:`FRAME_SAMPLES` of mono at 48 kHz."""

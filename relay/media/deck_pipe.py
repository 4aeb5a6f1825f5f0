"""What the relay and its deck worker say to each other over a pipe. Both sides bound what they accept.

The relay writes one JSON line per job: ``{"job": "page" | "placeholder", "page": 1, "tier": 1}``. The worker answers
each with one frame, and says the first frame itself when it has opened the deck.
"""

from __future__ import annotations

import struct
from typing import Any

HEADER = struct.Struct("!II")
"""Of a frame: length of its JSON facts, length of the image that follows them, in bytes."""

MAX_FACTS_BYTES = 256_000
MAX_IMAGE_BYTES = 16_000_000
MAX_TITLE_CHARS = 120
MAX_TEXT_CHARS = 20_000

TIER_SIZE = {1: (1280, 720), 2: (1920, 1080)}
"""Box in pixels that a page of this tier fits, by tier."""

Facts = dict[str, Any]

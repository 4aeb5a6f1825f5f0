"""``hallcast-data/1000``: the payload that carries messages and frames over RTP, between a relay and a hall of ours."""

from __future__ import annotations

MAX_OBJECT_BYTES = 1 << 20
"""Largest message or frame."""

"""What the hall's window is given to show."""

from __future__ import annotations

from classroom_client.view import Link, Sound, View

WELL = View(
    link=Link.UP,
    sound=Sound.PLAYING,
    lecture_state="live",
    publisher="live",
    title="Waves",
    heard_ms=5000,
    behind_ms=2100,
    delay_ms=2000,
    page=2,
    page_count=12,
)
"""A lecture that is heard as it should be."""

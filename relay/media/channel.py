"""The channel: how the media part talks to one hall or lecturer without knowing what carries it.

A WebSocket is the usual carrier. Signalling implements :class:`Channel` over it; tests implement it in memory.
"""

from __future__ import annotations

from typing import Protocol


class ChannelClosed(Exception):
    """The other side has gone, or the channel was closed by us. Nothing more will come."""


class Channel(Protocol):
    """A message channel: whole text and binary messages, in order, no loss while it lives.

    ``send_text`` and ``send_binary`` may wait while the carrier's own buffer is full (that wait is the
    back-pressure this part relies on, so the carrier must not queue without bound) and raise
    :class:`ChannelClosed` once it has gone. ``receive`` is called by one task only, the two send methods by
    one task at a time.
    """

    async def send_text(self, text: str) -> None:
        """Send one text message."""

    async def send_binary(self, data: bytes) -> None:
        """Send one binary message."""

    async def receive(self) -> str | bytes:
        """The next message. Raises :class:`ChannelClosed` at the end."""

    async def close(self, code: int, reason: str) -> None:
        """Close with a WebSocket close code (:class:`lecture.errors.CloseCode`). Never raises; idempotent."""

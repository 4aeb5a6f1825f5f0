"""How far behind the live edge the hall plays. Pure; the clock is an argument."""

from __future__ import annotations

_CALM_S = 20.0


class PlayoutDelay:
    """Chooses the playout delay from what is known of the link; the timeline moves to it without a jump.

    Fixed as set while the voice comes over RTP. Over the socket it comes in bursts (half-second chunks, TCP's own
    retransmission), so there the delay is at least ``socket_ms``; it goes down again after 20 s of RTP.
    """

    def __init__(self, base_ms: int, socket_ms: int) -> None:
        self._base_ms = base_ms
        self._socket_ms = max(base_ms, socket_ms)
        self._socket_until = float("-inf")

    def update(self, now: float, *, over_socket: bool) -> int:
        """The delay wanted now, in ms."""
        if over_socket:
            self._socket_until = now + _CALM_S
        return self._socket_ms if now < self._socket_until else self._base_ms

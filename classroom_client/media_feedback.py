"""What the hall tells the relay of the packets it gets: transport-wide feedback, and a sign of life each second."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping

from transport import rtcp
from transport.twcc import FeedbackRecorder, sequence_of

SIGN_OF_LIFE_S = 0.9
"""The relay takes RTP for dead after 3 s without RTCP of ours."""
_INTERVALS_S = ((60.0, 0.35), (200.0, 0.25))  # up to so many kbit/s received: thin links have thinner ways back
_WIDE_INTERVAL_S = 0.15


class MediaFeedback:
    """The RTCP of one media connection, all of it: streams send theirs by :meth:`send`.

    :param ssrc: ours.
    :param extension_id: of the transport-wide sequence number; None where the relay does not number packets.
    :param send_rtcp: of the connection.
    """

    def __init__(self, ssrc: int, extension_id: int | None, send_rtcp: Callable[[bytes], None]) -> None:
        self._ssrc = ssrc
        self._extension_id = extension_id
        self._send_rtcp = send_rtcp
        self._recorder = FeedbackRecorder(ssrc)
        self._sent_s = -math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._timer_s = math.inf
        self._loop = asyncio.get_running_loop()

    def begin(self) -> None:
        """The connection stands: give signs of life from now on."""
        self._due()

    def arrived(self, extensions: Mapping[int, bytes], now: float) -> None:
        """Note a packet."""
        if self._extension_id is None:
            return
        sequence = sequence_of(extensions, self._extension_id)
        if sequence is None:
            return
        self._recorder.arrived(sequence, now)
        if self._recorder.due_at <= now:
            self._due()
        elif self._timer_s > self._recorder.due_at:
            self._arm(now)

    def send(self, packet: bytes) -> None:
        """Send RTCP now."""
        self._sent_s = self._loop.time()
        self._send_rtcp(packet)

    def tune(self, received_kbps: float) -> None:
        """How much comes tells how much feedback the way back bears."""
        self._recorder.interval_s = next(
            (interval_s for kbps, interval_s in _INTERVALS_S if received_kbps < kbps), _WIDE_INTERVAL_S
        )

    def close(self) -> None:
        """Send nothing more."""
        if self._timer is not None:
            self._timer.cancel()

    def _due(self) -> None:
        now = self._loop.time()
        packet = self._recorder.poll(now)
        if packet is None and now - self._sent_s >= SIGN_OF_LIFE_S:
            packet = rtcp.build(rtcp.ReceiverReport(self._ssrc, ()))
        if packet is not None:
            self.send(packet)
        self._arm(now)

    def _arm(self, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_s = max(min(self._recorder.due_at, self._sent_s + SIGN_OF_LIFE_S), now + 0.005)
        self._timer = self._loop.call_at(self._timer_s, self._due)

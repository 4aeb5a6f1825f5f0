"""Whether RTP or the socket carries a hall's items: by what comes back from the hall over UDP. Pure."""

from __future__ import annotations

from enum import StrEnum

SILENT_S = 3.0
SILENT_MAX_S = 5.0
SILENT_ROUND_TRIPS = 4.0
PROVEN_S = 2.0
GAP_S = 1.6
"""While RTP has to prove itself: a longer pause between two signs begins the proof anew (they come each second)."""
PROBE_EVERY_S = 1.0
HEDGE_S = (1.3, 2.5)
HEDGE_ROUND_TRIPS = 2.0
HEDGE_TAKES_S = 2.7
"""Voice of which nothing was heard for so long (at least, at most) goes over the socket as well: before RTP is given up
for dead, a hall with a short playout delay would have run out of words. One that plays later than that, and than the
socket takes to bring them, can wait: what goes over it in vain fills the queue of a thin link for a second, and the
page waits for ten."""


class Carrier(StrEnum):
    """What carries the items of a hall."""

    RTP = "rtp"
    SOCKET = "socket"


class CarrierSwitch:
    """The choice for one hall.

    RTP is in use while any RTCP of the hall came within the last 3 s (4 round trips if that is longer, at most 5 s);
    else the socket is, while RTP is probed once a second, and taken again when feedback has come for 2 s.

    :ivar rtt_s: round trip, as it is known best; set it.
    """

    def __init__(self) -> None:
        self.rtt_s = 0.0
        self._carrier = Carrier.SOCKET
        self._connected = False
        self._heard_at = float("-inf")
        self._proof_since: float | None = None
        self._probed_at = float("-inf")

    def connected(self, now: float) -> None:
        """A media connection stands: its handshake has just been through both ways, so RTP is taken at once."""
        self._connected = True
        self._heard_at = now
        self._carrier = Carrier.RTP

    def disconnected(self) -> None:
        """There is no media connection any more."""
        self._connected = False
        self._carrier = Carrier.SOCKET
        self._proof_since = None

    def heard(self, now: float) -> None:
        """RTCP of the hall came."""
        self.choose(now)
        if self._carrier is Carrier.SOCKET and (self._proof_since is None or now - self._heard_at > GAP_S):
            self._proof_since = now
        self._heard_at = now

    def choose(self, now: float) -> Carrier:
        """What carries items now."""
        if not self._connected:
            return Carrier.SOCKET
        silent_s = now - self._heard_at
        if self._carrier is Carrier.RTP:
            if silent_s > min(SILENT_MAX_S, max(SILENT_S, SILENT_ROUND_TRIPS * self.rtt_s)):
                self._carrier = Carrier.SOCKET
                self._proof_since = None
        elif silent_s > GAP_S:
            self._proof_since = None
        elif self._proof_since is not None and now - self._proof_since >= PROVEN_S:
            self._carrier = Carrier.RTP
        return self._carrier

    def probe_due(self, now: float) -> bool:
        """Whether to send a small packet over RTP now, to learn whether it works again; at most once a second."""
        if not self._connected or self.choose(now) is Carrier.RTP or now - self._probed_at < PROBE_EVERY_S:
            return False
        self._probed_at = now
        return True


def hedge_after_s(rtt_s: float, playout_delay_ms: int) -> float:
    """How long RTP may be silent before the hall's voice goes over the socket as well.

    :param playout_delay_ms: as the hall reports it, 0 for unknown.
    """
    least_s, most_s = HEDGE_S
    return min(most_s, max(least_s, HEDGE_ROUND_TRIPS * rtt_s, playout_delay_ms / 1000 - HEDGE_TAKES_S))

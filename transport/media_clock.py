"""From a publisher's RTP timestamps to lecture time."""

from __future__ import annotations

from transport.rtcp import SenderReport


class MediaClock:
    """Maps one stream's RTP timestamps to lecture time. Pure.

    Stub: see the methods; the policy comes with the implementation.

    :param clock_rate: of the timestamps, in Hz.
    :param reference: the clock of the same publisher's voice: a camera's clock keeps in step with it as sender
        reports of both allow.
    """

    def __init__(self, clock_rate: int, *, reference: MediaClock | None = None) -> None:
        self.clock_rate = clock_rate
        self.anchors = 0
        """How often the clock was anchored: 1 after the first packet, one more for each jump."""
        raise NotImplementedError

    def at(self, timestamp: int, now_ms: float, *, retransmitted: bool = False) -> float:
        """Lecture time, in ms, of a packet that arrived at lecture time ``now_ms``.

        Within one anchor a later timestamp never maps to an earlier time; after a jump the new times lie after
        all the old ones.

        :param timestamp: 32 bits or unwrapped.
        :param retransmitted: it came late by its nature: map it, learn nothing from it.
        """
        raise NotImplementedError

    def sync(self, report: SenderReport) -> None:
        """Learn from a sender report which of the publisher's wall-clock times a timestamp stands for."""
        raise NotImplementedError

    @property
    def lateness_ms(self) -> float:
        """How much later than its lecture time the newest packet arrived (0 for the anchor), smoothed."""
        raise NotImplementedError

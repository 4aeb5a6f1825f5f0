"""One received RTP stream with its feedback: receiver reports and NACKs go out exactly when they are due."""

from __future__ import annotations

import asyncio
import math
from abc import ABC, abstractmethod
from collections.abc import Callable

from transport import rtcp
from transport.receive import ReceivedPacket, ReceiveStream
from transport.rtp import MalformedPacket, RtpPacket
from transport.sdp import NegotiatedMedia

_REMEMBERED_S = 15.0  # longer than the longest playout delay: what is older cannot be told from a duplicate


class RtpStream(ABC):
    """The packets of one negotiated medium, whatever SSRC they come on.

    :param send_rtcp: sends feedback.
    :param near_ms: about what lecture time it is.
    """

    def __init__(self, media: NegotiatedMedia, send_rtcp: Callable[[bytes], None], near_ms: Callable[[], int]) -> None:
        self._media = media
        self._send_rtcp = send_rtcp
        self._near_ms = near_ms
        self._stream: ReceiveStream | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline_s = 2.0
        self._originals = frozenset(item.codec.payload_type for item in media.formats)
        self._retransmitted = frozenset(item.rtx_payload_type for item in media.formats)

    @property
    def fraction_lost(self) -> float:
        """Before repair, over the last seconds."""
        return self._stream.stats.fraction_lost if self._stream else 0.0

    def takes(self, packet: RtpPacket) -> bool:
        """Whether the packet belongs here."""
        return packet.payload_type in self._originals or packet.payload_type in self._retransmitted

    def push(self, packet: RtpPacket, now: float) -> None:
        """Take a packet."""
        is_rtx = packet.payload_type not in self._originals
        if self._stream is None or (not is_rtx and self._stream.ssrc != packet.ssrc):
            if is_rtx:
                return
            self._stream = self._begin(packet.ssrc, now)
        for received in self._stream.push(packet, now):
            self._received(received, now)
        self._feedback(now)

    def push_rtcp(self, data: bytes, now: float) -> None:
        """Take the sender's reports."""
        if self._stream is None:
            return
        try:
            packets = rtcp.parse(data)
        except MalformedPacket:
            return
        for packet in packets:
            if isinstance(packet, rtcp.SenderReport) and packet.ssrc == self._stream.ssrc:
                self._stream.handle_sender_report(packet, now)

    def tune(self, now: float, rtt_s: float | None, deadline_s: float) -> None:
        """Tell what is known of the link.

        :param deadline_s: how long after it was due a packet is still of use.
        """
        self._deadline_s = deadline_s
        if self._stream is not None:
            self._stream.deadline_s = deadline_s
            if rtt_s is not None:
                self._stream.set_rtt(now, rtt_s)

    def close(self) -> None:
        """Send nothing more."""
        if self._timer is not None:
            self._timer.cancel()

    @abstractmethod
    def _received(self, packet: ReceivedPacket, now: float) -> None:
        """A new packet is here, in whatever order."""

    def _restarted(self) -> None:  # noqa: B027 (most streams carry nothing over from packet to packet)
        """The stream comes on another SSRC now."""

    def _begin(self, ssrc: int, now: float) -> ReceiveStream:
        if self._stream is not None:
            self._restarted()
        return ReceiveStream.negotiated(self._media, ssrc, deadline_s=self._deadline_s, remembered_s=_REMEMBERED_S)

    def _feedback(self, now: float) -> None:
        """Send what is due, and come again when the next is."""
        if self._stream is None:
            return
        for packet in self._stream.poll(now):
            self._send_rtcp(packet)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due_at = self._stream.due_at
        if math.isfinite(due_at):
            self._timer = asyncio.get_running_loop().call_at(max(due_at, now + 0.01), self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._feedback(asyncio.get_running_loop().time())

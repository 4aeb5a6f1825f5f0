"""What a publisher sends, sorted into its sources: one voice, and the camera's one or several simulcast layers.

SSRCs need not be announced (with simulcast they never are): a source is known by its payload type and, with
simulcast, by its rid header extension; once seen, by its SSRC.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from transport import rtcp, rtp
from transport.receive import ReceivedPacket, ReceiveStream
from transport.rtp import MalformedPacket
from transport.sdp import REPAIRED_RID, RID, NegotiatedMedia

MAX_LAYERS = 4
RATE_WINDOW_S = 1.0


@dataclass(eq=False, slots=True)
class Source:
    """One RTP source of a publisher.

    :ivar rid: simulcast layer, empty without simulcast.
    :ivar kbps: what it sends, over the last second.
    """

    media: NegotiatedMedia
    stream: ReceiveStream
    rid: str = ""
    kbps: float = 0.0
    first_s: float = 0.0
    _window: tuple[float, int] = field(default=(0.0, 0))

    def measure(self, now: float) -> None:
        """Bring :attr:`kbps` up to date."""
        since, count_bytes = self._window
        if now - since >= RATE_WINDOW_S:
            if since:
                self.kbps = (self.stream.stats.bytes - count_bytes) * 8 / 1000 / (now - since)
            self._window = (now, self.stream.stats.bytes)


OnPacket = Callable[[Source, ReceivedPacket, float], None]
OnSenderReport = Callable[[Source, rtcp.SenderReport], None]


class Ingest:
    """Sorts packets of one peer into sources.

    :param deadline_s: how long a missing packet is asked for again.
    :ivar malformed: packets dropped because they are no RTP or RTCP, or of nothing we agreed on.
    """

    def __init__(
        self, media: list[NegotiatedMedia], deadline_s: float, on_packet: OnPacket, on_sender_report: OnSenderReport
    ) -> None:
        self._media = [item for item in media if item.receives]
        self._deadline_s = deadline_s
        self._on_packet = on_packet
        self._on_sender_report = on_sender_report
        self._by_ssrc: dict[int, Source] = {}
        self.sources: list[Source] = []
        self.malformed = 0

    def push_rtp(self, data: bytes, now: float) -> None:
        """Take one RTP packet."""
        try:
            source = self._by_ssrc.get(rtp.ssrc_of(data)) or self._recognise(data, now)
            if source is None:
                self.malformed += 1
                return
            packets = source.stream.push(data, now)
        except MalformedPacket:
            self.malformed += 1
            return
        for packet in packets:
            self._on_packet(source, packet, now)

    def push_rtcp(self, data: bytes, now: float) -> None:
        """Take one RTCP datagram."""
        try:
            packets = rtcp.parse(data)
        except MalformedPacket:
            self.malformed += 1
            return
        for packet in packets:
            if isinstance(packet, rtcp.SenderReport) and (source := self._by_ssrc.get(packet.ssrc)):
                source.stream.handle_sender_report(packet, now)
                self._on_sender_report(source, packet)

    def poll(self, now: float, rtt_s: float | None) -> list[bytes]:
        """RTCP to send now."""
        out: list[bytes] = []
        for source in self.sources:
            source.measure(now)
            if rtt_s is not None:
                source.stream.set_rtt(now, rtt_s)
            out += source.stream.poll(now)
        return out

    def of_kind(self, kind: str) -> list[Source]:
        """Sources of ``audio`` or ``video``, in order of appearance."""
        return [source for source in self.sources if source.media.kind == kind]

    def _recognise(self, data: bytes, now: float) -> Source | None:
        packet = rtp.parse(data)
        for media in self._media:
            if packet.payload_type == media.codec.payload_type:
                return self._add(media, packet.ssrc, _text(packet, media, RID), now)
            if packet.payload_type == media.rtx_payload_type:
                return self._source_of_rtx(media, packet)
        return None

    def _add(self, media: NegotiatedMedia, ssrc: int, rid: str, now: float) -> Source | None:
        if media.rids and rid not in media.rids:
            return None  # with simulcast the first packets carry their rid; without it the layer is unknown
        stream = ReceiveStream.negotiated(media, ssrc, deadline_s=self._deadline_s)
        source = Source(media, stream, rid, first_s=now)
        # A publisher may change its SSRC (another device, a restarted encoder): the new source replaces the old one.
        for old in [s for s in self.sources if s.media is media and s.rid == rid]:
            self._forget(old)
        if len(self.sources) >= MAX_LAYERS * len(self._media):
            self._forget(self.sources[0])
        self.sources.append(source)
        self._by_ssrc[ssrc] = source
        return source

    def _source_of_rtx(self, media: NegotiatedMedia, packet: rtp.RtpPacket) -> Source | None:
        candidates = [source for source in self.sources if source.media is media]
        rid = _text(packet, media, REPAIRED_RID)
        for source in candidates:
            announced = source.stream.rtx_ssrc
            if packet.ssrc == announced or (
                announced is None and (len(candidates) == 1 or (rid and rid == source.rid))
            ):
                self._forget_rtx(source)
                self._by_ssrc[packet.ssrc] = source
                return source
        return None

    def _forget_rtx(self, source: Source) -> None:
        """A source has one SSRC for RTX at a time: a sender that makes up new ones must not fill the memory."""
        own = source.stream.ssrc
        self._by_ssrc = {ssrc: other for ssrc, other in self._by_ssrc.items() if other is not source or ssrc == own}

    def _forget(self, source: Source) -> None:
        self.sources.remove(source)
        self._by_ssrc = {ssrc: other for ssrc, other in self._by_ssrc.items() if other is not source}


def _text(packet: rtp.RtpPacket, media: NegotiatedMedia, uri: str) -> str:
    value = packet.extensions.get(media.extensions.get(uri, 0), b"")
    return value.decode("ascii", "replace")

"""One subscriber's voice over RTP."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from lecture.log import Span
from lecture.tracks import VOICE_FRAME_MS
from relay.adaptation.copies import copies_fit, copy_spacing, is_urgent
from relay.adaptation.pacer import Class
from relay.media.pack_copies import PackCopies
from relay.media.rtp_outlet import RtpOutlet
from relay.media.voice_packs import FRAMES_PER_PACK, ReadyPack
from transport.red import Redundancy
from transport.rtcp import Nack, RtcpPacket
from transport.sdp import HALLCAST_VOICE, NegotiatedMedia
from transport.send import SendStream
from transport.voice_payload import COPIES

PAUSE_MS = 300
RESEND_BYTES_PER_S = 6_000
"""What retransmission may cost beside the voice itself: a hall that asks for everything again must not double what its
thin link carries. What is not sent again is a gap, which the hall fetches from the log."""
MAX_RESENDS = 64
"""Resends that wait for their turn; beyond that the oldest is dropped, and asked for again if it is still needed."""
MAX_URGENT = 16
"""Packs that wait to go along with live ones; beyond that the oldest is dropped, and has its resends."""
UNHEARD_MS = 15_000
"""Voice sent so long ago has arrived, or has been asked for from the log."""


class VoiceSender:
    """One subscriber's voice: live packets at once, resends as a lane of the outlet.

    :ivar packed: it takes several frames in one packet (our hall), else standard Opus packets.
    :ivar wanted_kbps: rung it should get, 0 for none; :attr:`sent_kbps` is the one it got last.
    :ivar on: whether live voice goes this way at all.
    :ivar began_ms: lecture time of the first packet since it was switched on, None before.
    :ivar playout_delay_ms: as a hall reported it last, 0 for unknown.
    """

    classes = (Class.PROTECTION,)

    def __init__(self, outlet: RtpOutlet, media: NegotiatedMedia, *, transport_cc: bool) -> None:
        self.packed = media.codec.is_named(HALLCAST_VOICE)
        self.stream = SendStream.negotiated(
            media, mid=not self.packed, transport_cc=transport_cc, resend_bytes_per_s=RESEND_BYTES_PER_S
        )
        self.wanted_kbps = 16
        self.sent_kbps = 0
        self.end_ms = 0
        self.on = True
        self._redundancy = Redundancy(media.codec.payload_type, media.red_payload_type)
        self._copies = PackCopies(self.packed and media.codec.parameters.get(COPIES) == "1")
        self._copied: dict[int, int] = {}  # number of a packet: that of the earlier one it brings along; as _unheard
        self.began_ms: int | None = None
        self._outlet = outlet
        self._remembers = transport_cc and self.packed
        self._unheard: dict[int, tuple[int, int]] = {}  # sequence number: begin and end of what it carried
        self._resends: deque[bytearray] = deque()
        self._urgent: deque[int] = deque(maxlen=MAX_URGENT)
        self._number = 0
        self._rtt_s = 0.0
        self.playout_delay_ms = 0

    def send_frame(self, t_ms: int, rungs: Mapping[int, bytes], now: float) -> None:
        """Send one 60-ms frame in the rung wanted."""
        self._send(t_ms, VOICE_FRAME_MS, rungs, now)

    def send_pack(self, pack: ReadyPack, now: float) -> None:
        """Send one pack in the rung wanted."""
        self._send(pack.t_ms, pack.end_ms - pack.t_ms, pack.payloads, now)

    def _send(self, t_ms: int, duration_ms: int, payloads: Mapping[int, bytes], now: float) -> None:
        if not self.on or not self.wanted_kbps:
            return
        # A rung just taken up may not be there yet: the former one goes on, else the best there is.
        kbps = self.wanted_kbps
        if kbps not in payloads:
            kbps = self.sent_kbps if self.sent_kbps in payloads else max(payloads)
        marker = t_ms - self.end_ms > PAUSE_MS or not self.end_ms
        payload, payload_type = self._redundancy.payload(payloads[kbps], t_ms * 48)
        payload, packets_before = self._copies.payload(payload, t_ms, self._most_urgent())
        packet = self.stream.send(payload, t_ms * 48, marker, now, payload_type)
        if self.began_ms is None:
            self.began_ms = t_ms
        self.sent_kbps = kbps
        self.end_ms = t_ms + duration_ms
        if not self._remembers:
            self._outlet.send(packet, Class.VOICE, now)
            return
        self._number = number = _number(packet)
        self._unheard[number] = t_ms, self.end_ms
        if packets_before:
            self._copied[number] = (number - packets_before) & 0xFFFF
        self._outlet.send(packet, Class.VOICE, now, number)

    @property
    def copies(self) -> int:
        """How many packs before its own the one is that each brings along; 0 while none does."""
        return self._copies.spacing if self._copies.taken else 0

    def protect(self, fraction_lost: float, budget_kbps: float, rtt_s: float, playout_delay_ms: int) -> None:
        """Follow the link: where it loses packets that there is no time to send again, each frame is sent twice.

        That is so for a standard player, and for a hall that plays sooner than two round trips.

        :param playout_delay_ms: as a hall reports it, 0 for unknown.
        """
        self._rtt_s, self.playout_delay_ms = rtt_s, playout_delay_ms
        redundancy, copies = self._redundancy, self._copies
        fit = copies_fit(fraction_lost, budget_kbps, self.wanted_kbps, wanted=redundancy.wanted)
        redundancy.wanted = fit
        pack_ms = FRAMES_PER_PACK * VOICE_FRAME_MS
        spacing = copy_spacing(playout_delay_ms, rtt_s, pack_ms, wanted=copies.spacing > 0)
        copies.spacing = spacing if fit else 0

    def arrived(self, number: int) -> None:
        """The packet of this number has arrived, and with it the one of which it has a copy."""
        copied = self._drop(number)
        if copied is not None:
            self._drop(copied)

    def lost(self, numbers: list[int], now: float) -> None:
        """Feedback says that these packets are lost: send them again without waiting to be asked."""
        still = tuple(number for number in numbers if number in self._unheard)
        if still:
            self.handle_rtcp((Nack(0, self.stream.ssrc, still),), now)

    def handle_rtcp(self, packets: Sequence[RtcpPacket], now: float) -> None:
        """Digest reports and requests; what is to be sent again waits in the lane."""
        for packet in self.stream.handle_rtcp(packets, now):
            if len(self._resends) >= MAX_RESENDS:
                self._resends.popleft()
            self._resends.append(packet)
            self._urge(_number(packet))

    def waiting(self, class_: Class, packet_bytes: int, now: float) -> Class | None:
        """See :class:`relay.media.rtp_outlet.Lane`."""
        return class_ if self._resends else None

    def next(self, class_: Class, packet_bytes: int, now: float) -> tuple[bytearray, object] | None:
        """See :class:`relay.media.rtp_outlet.Lane`."""
        packet = self._resends.popleft()
        return packet, _number(packet) if self._remembers else None

    def forget_old(self, now_ms: int) -> None:
        """Drop what is known of voice that was sent long ago; call it now and then."""
        old = [number for number, (_, end_ms) in self._unheard.items() if end_ms < now_ms - UNHEARD_MS]
        for number in old:
            self._drop(number)

    def unheard(self) -> list[Span]:
        """What was sent and is not known to have arrived, in order."""
        merged: list[Span] = []
        for start_ms, end_ms in sorted(self._unheard.values()):
            if merged and start_ms <= merged[-1].end_ms:
                merged[-1] = Span(merged[-1].start_ms, max(end_ms, merged[-1].end_ms))
            else:
                merged.append(Span(start_ms, end_ms))
        return merged

    def forget(self) -> None:
        """Another carrier has taken over: nothing is sent again here."""
        self._unheard.clear()
        self._copied.clear()
        self._urgent.clear()
        self._resends.clear()

    def _drop(self, number: int) -> int | None:
        self._unheard.pop(number, None)
        return self._copied.pop(number, None)

    def _urge(self, number: int) -> None:
        """What is sent again so late that few tries are left goes along with the next live pack as well."""
        if not self._copies.taken or number not in self._unheard or number in self._urgent:
            return
        age_ms = self.end_ms - self._unheard[number][0]
        if is_urgent(age_ms, self.playout_delay_ms, self._rtt_s):
            self._urgent.append(number)

    def _most_urgent(self) -> int:
        """How many packets before the next one the pack is that has waited longest, 0 if none does."""
        while self._urgent:
            number = self._urgent.popleft()
            if number in self._unheard:
                return (self._number + 1 - number) & 0xFFFF
        return 0


def _number(packet: bytearray) -> int:
    return packet[2] << 8 | packet[3]

"""What goes out to one peer over RTP: a voice in the rung its link takes, and the camera.

A subscriber is cheap: payloads are made once for all, each packet costs its header, SRTP and one send.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lecture.tracks import VOICE_FRAME_MS
from relay.adaptation.rungs import LinkReport, RungChooser
from transport import rtcp
from transport.peer import Peer
from transport.receive import ReceivedPacket
from transport.rtp import MalformedPacket
from transport.sdp import HALLCAST_VOICE, NegotiatedMedia
from transport.send import SendStream
from transport.video import Vp8Continuity

PAUSE_MS = 300
VOICE_RESEND_BYTES_PER_S = 6_000
CAMERA_RESEND_BYTES_PER_S = 20_000
"""What retransmission may cost beside the media itself: a hall that asks for everything again must not double what its
thin link carries. What is not sent again is a gap, which the hall fetches from the log."""
SENDER_REPORT_EVERY_S = 2.0
MIN_RECEIVER_REPORT_S = 0.9


class VoiceSender:
    """One subscriber's voice.

    :ivar packed: it takes several frames in one packet (our hall), else standard Opus packets.
    :ivar wanted_kbps: rung it should get; :attr:`sent_kbps` is the one it got last.
    """

    def __init__(self, peer: Peer, media: NegotiatedMedia) -> None:
        self.packed = media.codec.is_named(HALLCAST_VOICE)
        self.stream = SendStream.negotiated(media, mid=True, resend_bytes_per_s=VOICE_RESEND_BYTES_PER_S)
        self.wanted_kbps = 16
        self.sent_kbps = 0
        self.end_ms = 0
        self._peer = peer

    def send_frame(self, t_ms: int, rungs: Mapping[int, bytes], now: float) -> None:
        """Send one 60-ms frame in the rung wanted."""
        self._send(t_ms, VOICE_FRAME_MS, rungs, now)

    def send_pack(self, t_ms: int, frames: int, payloads: Mapping[int, bytes], now: float) -> None:
        """Send one pack in the rung wanted."""
        self._send(t_ms, frames * VOICE_FRAME_MS, payloads, now)

    def _send(self, t_ms: int, duration_ms: int, payloads: Mapping[int, bytes], now: float) -> None:
        # A rung just taken up may not be there yet: the former one goes on, else the best there is.
        for kbps in (self.wanted_kbps, self.sent_kbps):
            if kbps in payloads:
                break
        else:
            kbps = max(payloads)
        marker = t_ms - self.end_ms > PAUSE_MS or not self.end_ms
        self._peer.send_rtp(self.stream.send(payloads[kbps], t_ms * 48, marker, now))
        self.sent_kbps = kbps
        self.end_ms = t_ms + duration_ms


class CameraSender:
    """One subscriber's camera: off, waiting for a keyframe to begin with, or on.

    :ivar codec: negotiated codec in lower case; a camera of another cannot be sent.
    """

    def __init__(self, peer: Peer, media: NegotiatedMedia) -> None:
        self.codec = media.codec.name.lower()
        self.stream = SendStream.negotiated(media, mid=True, resend_bytes_per_s=CAMERA_RESEND_BYTES_PER_S)
        self.on = False
        self.started = False
        self.lost_picture = False
        self._continuity = Vp8Continuity() if self.codec == "vp8" else None
        self._peer = peer

    @property
    def waits_for_keyframe(self) -> bool:
        return self.on and (self.lost_picture or not self.started)

    def turn(self, on: bool) -> None:
        """Switch the camera on (from the next keyframe) or off (at once)."""
        if on != self.on:
            self.on = on
            self.restart()

    def restart(self) -> None:
        """The source changes: go on from its next keyframe."""
        if self.started:
            self.stream.switch_source()
            if self._continuity is not None:
                self._continuity.switch_source()
        self.started = False

    def send(self, packet: ReceivedPacket, timestamp: int, starts_keyframe: bool, now: float) -> None:
        """Forward one packet of the camera."""
        if not self.on or not (self.started or starts_keyframe):
            return
        self.started = True
        if starts_keyframe:
            self.lost_picture = False
        payload = packet.payload
        if self._continuity is not None and payload:
            try:
                payload = self._continuity.rewrite(payload)
            except MalformedPacket:
                return
        data = self.stream.forward(packet, timestamp, now, payload)
        if data is not None:
            self._peer.send_rtp(data)


class Subscriber:
    """All that one peer gets, and what its feedback says.

    :param media: as negotiated; at most the first voice and the first camera are served.
    """

    def __init__(
        self,
        peer: Peer,
        media: list[NegotiatedMedia],
        language: str,
        chooser: RungChooser,
    ) -> None:
        voices = [item for item in media if item.kind == "audio" and item.sends]
        cameras = [item for item in media if item.kind == "video" and item.sends]
        self.language = language
        self.chooser = chooser
        self.voice = VoiceSender(peer, voices[0]) if voices else None
        self.camera = CameraSender(peer, cameras[0]) if cameras else None
        self.fraction_lost = 0.0
        self.rtt_s: float | None = None
        self.sent_kbps = 0.0
        self._peer = peer
        self._report_at: float | None = None
        self._sender_report_at = float("-inf")
        self._reported_at = float("-inf")
        self._sent_mark = (0.0, 0)

    def facts(self) -> dict[str, Any]:
        """The link in figures, JSON-ready."""
        streams = [sender.stream.stats for sender in (self.voice, self.camera) if sender is not None]
        address = self._peer.remote_address
        return {
            "connected": self._peer.connected,
            "remote": f"{address[0]}:{address[1]}" if address else "",
            "language": self.language,
            "rung": self.voice.sent_kbps if self.voice else 0,
            "camera": self.camera is not None and self.camera.on,
            "sent_kbps": round(self.sent_kbps, 1),
            "sent_bytes": self._peer.bytes_sent,
            "rtt_ms": None if self.rtt_s is None else round(self.rtt_s * 1000),
            "fraction_lost": round(self.fraction_lost, 4),
            "packets": sum(stats.packets for stats in streams),
            "resent_packets": sum(stats.resent_packets for stats in streams),
        }

    def push_rtcp(self, data: bytes, now: float) -> None:
        """Take RTCP of the peer: answer NACKs, note reports and keyframe requests."""
        try:
            packets = rtcp.parse(data)
        except MalformedPacket:
            return
        for sender in (self.voice, self.camera):
            if sender is None:
                continue
            for packet in sender.stream.handle_rtcp(packets, now):
                self._peer.send_rtp(packet)
        if self.camera is not None and rtcp.wants_keyframe(packets, self.camera.stream.ssrc):
            self.camera.lost_picture = True
        self._receiver_report(now)

    def hall_report(self, fraction_lost: float, rtt_s: float | None, now: float) -> None:
        """Take our hall's own report, which rules over receiver reports."""
        self._reported_at = now
        self.fraction_lost, self.rtt_s = fraction_lost, rtt_s
        self.chooser.report(LinkReport(fraction_lost, rtt_s), now)

    def tick(self, now: float, media_ms: float) -> None:
        """Apply the choice, send sender reports; call a few times a second."""
        if not self._peer.connected:
            return
        choice = self.chooser.choose(now)
        if self.voice is not None:
            self.voice.wanted_kbps = choice.voice_kbps
        if self.camera is not None:
            self.camera.turn(choice.camera)
        self._measure(now)
        if now - self._sender_report_at >= SENDER_REPORT_EVERY_S:
            self._sender_report_at = now
            for sender in (self.voice, self.camera):
                if sender is not None and sender.stream.stats.packets:
                    self._peer.send_rtcp(sender.stream.sender_report(now, media_ms))

    def _receiver_report(self, now: float) -> None:
        stats = self.voice.stream.stats if self.voice else None
        if stats is None or stats.report_at_s is None or stats.report_at_s == self._report_at:
            return
        if self._report_at is not None and stats.report_at_s - self._report_at < MIN_RECEIVER_REPORT_S:
            return
        self._report_at = stats.report_at_s
        if now - self._reported_at > 10.0:
            self.fraction_lost, self.rtt_s = stats.fraction_lost, stats.rtt_s
            self.chooser.report(LinkReport(stats.fraction_lost, stats.rtt_s), now)

    def _measure(self, now: float) -> None:
        since, count_bytes = self._sent_mark
        if now - since >= 2.0:
            sent_bytes = self._peer.bytes_sent
            if since:
                self.sent_kbps = (sent_bytes - count_bytes) * 8 / 1000 / (now - since)
            self._sent_mark = (now, sent_bytes)

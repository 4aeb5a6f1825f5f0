"""What goes out to one peer over RTP: a voice in the rung its link takes, and the camera.

A subscriber is cheap: payloads are made once for all, each packet costs its header, SRTP and one send.
"""

from __future__ import annotations

from typing import Any

from relay.adaptation.report_rungs import LinkReport, ReportChooser
from relay.media.camera_sender import CameraSender
from relay.media.voice_sender import VoiceSender
from transport import rtcp
from transport.peer import Peer
from transport.rtp import MalformedPacket
from transport.sdp import NegotiatedMedia

SENDER_REPORT_EVERY_S = 2.0
MIN_RECEIVER_REPORT_S = 0.9
WHOLE_CAMERA_KBPS = 100_000


class Subscriber:
    """All that one peer gets, and what its feedback says.

    :param media: as negotiated; at most the first voice and the first camera are served.
    """

    def __init__(
        self,
        peer: Peer,
        media: list[NegotiatedMedia],
        language: str,
        chooser: ReportChooser,
    ) -> None:
        voices = [item for item in media if item.kind == "audio" and item.sends]
        cameras = [item for item in media if item.kind == "video" and item.sends]
        self.language = language
        self.chooser = chooser
        self.voice = VoiceSender(peer, voices[0]) if voices else None
        self.camera = CameraSender(cameras[0], lambda packet, now: peer.send_rtp(packet)) if cameras else None
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
            self.camera.turn(WHOLE_CAMERA_KBPS if choice.camera else 0)
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

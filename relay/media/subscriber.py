"""What goes out to one peer over RTP: a voice in the rung its link takes, the camera, and a hall's data.

A subscriber is cheap: payloads are made once for all, each packet costs its header, SRTP and one send.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lecture.tracks import RECORDED_KBPS
from relay.adaptation.pacer import Class
from relay.adaptation.rungs import Choice, RungChooser
from relay.media.camera_scout import CameraScout
from relay.media.camera_sender import CameraSender
from relay.media.rtp_outlet import DataLane, RtpOutlet
from relay.media.voice_sender import VoiceSender
from transport import rtcp
from transport.data_send import Token
from transport.peer import Peer
from transport.rtp import MalformedPacket
from transport.sdp import TRANSPORT_CC, NegotiatedMedia
from transport.twcc import Outcome

SENDER_REPORT_EVERY_S = 2.0
PLAYER_START_KBPS = 800.0
"""People at a standard player expect a picture at once; most of them sit behind no thin link."""
START_VOICE = 3.0
"""Until something is known the voice takes no more than this share of what the link is taken to carry."""
BURST_S = 0.04
"""Where pages do not share the way, so much of the camera may go at once."""
FORGET_EVERY_S = 5.0


class Subscriber:
    """All that one peer gets, and what its feedback says.

    :param media: as negotiated; at most the first voice, the first camera and the first data section are served.
    :param start_kbps: what its link is taken to carry until something is known.
    :param data: makes the data lane of a hall that takes data; it needs transport-wide feedback.
    :ivar choice: what is being sent.
    :ivar page_waits: whether the camera has to make room for a page or for catch-up.
    :ivar on_heard: called when RTCP came that proves that what we send arrives.
    :ivar on_tick: called a few times a second, with ``now``.
    """

    def __init__(
        self,
        peer: Peer,
        media: list[NegotiatedMedia],
        language: str,
        *,
        start_kbps: float = PLAYER_START_KBPS,
        data: Callable[[NegotiatedMedia], DataLane] | None = None,
    ) -> None:
        sent = [item for item in media if item.sends]
        by_kind = {kind: [item for item in sent if item.kind == kind] for kind in ("audio", "video", "application")}
        transport_cc = bool(sent) and all(TRANSPORT_CC in item.extensions for item in sent)
        self.language = language
        self.outlet = RtpOutlet(
            peer,
            transport_cc=transport_cc,
            # By reports alone nothing is learnt of what a link carries beyond what is sent: begin high, come down.
            start_kbps=start_kbps if transport_cc else PLAYER_START_KBPS,
            burst_s=0.0 if data else BURST_S,
            on_outcomes=self._outcomes,
        )
        self.voice = (
            VoiceSender(self.outlet, by_kind["audio"][0], transport_cc=transport_cc) if by_kind["audio"] else None
        )
        self.camera = (
            CameraSender(by_kind["video"][0], self._send_camera, self._camera_room, transport_cc=transport_cc)
            if by_kind["video"]
            else None
        )
        self.data = data(by_kind["application"][0]) if data and by_kind["application"] and transport_cc else None
        self.chooser = RungChooser(
            camera=self.camera is not None,
            packs=self.voice is not None and self.voice.packed,
            start_kbps=min(RECORDED_KBPS, round(start_kbps / START_VOICE)),
        )
        self.choice = Choice(0)
        self.page_waits = False
        self.on_heard: Callable[[float], None] | None = None
        self.on_tick: Callable[[float], None] | None = None
        for lane in (self.voice, self.data, _CameraLane(self.camera) if self.camera is not None else None):
            if lane is not None:
                self.outlet.add_lane(lane)
        if self.camera is not None and transport_cc:
            self.outlet.add_lane(CameraScout(self.camera, self.outlet.estimator))
        self._peer = peer
        self._playout_delay_ms = 0
        self._report_at: float | None = None
        self._sender_report_at = float("-inf")
        self._forget_at = float("-inf")

    @property
    def connected(self) -> bool:
        """Whether packets can flow."""
        return self._peer.connected

    @property
    def rtt_s(self) -> float | None:
        """Round-trip time as it is known best."""
        told = self.voice.stream.rtt_s if self.voice is not None else None
        return told if told is not None else self.outlet.estimator.rtt_s or None

    def facts(self) -> dict[str, Any]:
        """The link in figures, JSON-ready."""
        streams = [item.stream.stats for item in (self.voice, self.camera, self.data) if item is not None]
        address = self._peer.remote_address
        rtt_s = self.rtt_s
        return {
            "connected": self._peer.connected,
            "remote": f"{address[0]}:{address[1]}" if address else "",
            "language": self.language,
            "rung": self.voice.sent_kbps if self.voice and not self.choice.text else 0,
            "text": self.choice.text,
            "voice_copies": self.voice.copies if self.voice else 0,
            "camera": self.camera is not None and self.camera.on,
            "camera_kbps": self.camera.kbps if self.camera is not None else 0,
            "sent_bytes": self._peer.bytes_sent,
            "rtt_ms": None if rtt_s is None else round(rtt_s * 1000),
            "fraction_lost": round(self.outlet.estimator.loss, 4),
            "packets": sum(stats.packets for stats in streams),
            "resent_packets": sum(stats.resent_packets for stats in streams),
        }

    def push_rtcp(self, data: bytes, now: float) -> None:
        """Take RTCP of the peer: feedback, requests for packets and keyframes, reports."""
        try:
            packets = rtcp.parse(data)
        except MalformedPacket:
            return
        arrived = self.outlet.feedback(packets, now)
        others = [packet for packet in packets if not isinstance(packet, rtcp.TransportFeedback)]
        if others:
            self._requests(others, now)
            self._reports(others, now)
        log = self.outlet.log
        # Feedback that keeps silent about all we send proves only one direction.
        if self.on_heard is not None and (arrived or log is None or not log.in_flight_bytes):
            self.on_heard(now)
        self.outlet.pump(now)

    def hall_report(self, fraction_lost: float, rtt_s: float | None, playout_delay_ms: int, now: float) -> None:
        """Take our hall's own report."""
        self._playout_delay_ms = playout_delay_ms
        self.outlet.estimator.report(fraction_lost, rtt_s, now)

    def tick(self, now: float, media_ms: float) -> None:
        """Apply the choice, send sender reports; call a few times a second."""
        if self.on_tick is not None:
            self.on_tick(now)
        if not self._peer.connected:
            return
        self.outlet.tick(now)
        self._choose(now)
        if now - self._sender_report_at >= SENDER_REPORT_EVERY_S:
            self._sender_report_at = now
            for sender in (self.voice, self.camera):
                if sender is not None and sender.stream.stats.packets:
                    self.outlet.send_rtcp(sender.stream.sender_report(now, media_ms))
        if self.voice is not None and now - self._forget_at >= FORGET_EVERY_S:
            self._forget_at = now
            self.voice.forget_old(round(media_ms))

    def close(self) -> None:
        """Send nothing more."""
        self.outlet.close()

    def _choose(self, now: float) -> None:
        estimator, camera = self.outlet.estimator, self.camera
        if camera is not None:
            self.chooser.camera_rungs_kbps = camera.rungs_kbps
        self.choice = self.chooser.choose(
            estimator.sustained_kbps(now), estimator.loss, self.rtt_s or 0.0, now, page_waiting=self.page_waits
        )
        if self.voice is not None:
            self.voice.wanted_kbps = self.choice.voice_kbps
            self.voice.protect(estimator.loss, estimator.sustained_kbps(now), self.rtt_s or 0.0, self._playout_delay_ms)
        if camera is not None:
            camera.turn(self.choice.camera_kbps if self.outlet.open else 0)

    def _outcomes(self, outcomes: Sequence[Outcome], now: float) -> None:
        lost: list[int] = []
        for outcome in outcomes:
            token = outcome.token
            if isinstance(token, int) and self.voice is not None:
                if outcome.arrival_s is not None:
                    self.voice.arrived(token)
                else:
                    lost.append(token)
            elif isinstance(token, Token) and self.data is not None:
                if outcome.arrival_s is not None:
                    self.data.arrived(token)
                else:
                    self.data.lost(token)
        if lost and self.voice is not None:
            self.voice.lost(lost, now)

    def _requests(self, packets: Sequence[rtcp.RtcpPacket], now: float) -> None:
        if self.voice is not None:
            self.voice.handle_rtcp(packets, now)
        if self.camera is not None:
            self.camera.handle_rtcp(packets, now)

    def _reports(self, packets: Sequence[rtcp.RtcpPacket], now: float) -> None:
        bps = rtcp.remb_bps(packets)
        if bps is not None:
            self.outlet.estimator.remb(bps / 1000, now)
        stats = self.voice.stream.stats if self.voice else None
        if stats is None or stats.report_at_s is None or stats.report_at_s == self._report_at:
            return
        self._report_at = stats.report_at_s
        self.outlet.estimator.report(stats.fraction_lost, stats.rtt_s, now)

    def _camera_room(self, now: float) -> bool:
        return self.outlet.open and self.outlet.room(Class.CAMERA, now)

    def _send_camera(self, packet: bytearray, now: float) -> None:
        self.outlet.send(packet, Class.CAMERA, now)


class _CameraLane:
    """What of the camera found no room at once."""

    classes = (Class.CAMERA,)

    def __init__(self, camera: CameraSender) -> None:
        self._camera = camera

    def waiting(self, class_: Class, packet_bytes: int, now: float) -> Class | None:
        return class_ if self._camera.waiting_packets else None

    def next(self, class_: Class, packet_bytes: int, now: float) -> tuple[bytearray, object] | None:
        packet = self._camera.next_packet(now)
        return None if packet is None else (packet, None)

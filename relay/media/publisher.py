"""A publisher: one WHIP session of the lecturer or an interpreter, and what it feeds."""

from __future__ import annotations

from collections.abc import Callable

from relay.media.camera_line import CameraLine
from relay.media.ingest import Ingest, Source
from relay.media.media_session import MediaSession
from relay.media.voice_line import VoiceLine
from transport import rtcp, rtp
from transport.receive import ReceivedPacket
from transport.rtp import MalformedPacket
from transport.sdp import TRANSPORT_CC, AnswerPolicy, Offer
from transport.twcc import FeedbackRecorder, sequence_of

REMB_EVERY_S = 1.0
NOTHING_EVERY_S = 1.0
"""To who has sent nothing yet (a microphone is still to be allowed, a pipe is empty) a report of no source says that
the relay is there (RFC 3550, section 6.4.2): its silence would be taken for an outage."""
VOICE_KBPS = 100
SIMULCAST_KBPS = 3_000


def publisher_policy(offer: Offer, *, camera: bool) -> AnswerPolicy:
    """What we take of a publisher's offer: Opus, and the lecturer's camera in whatever codec halls can show.

    Transport-wide feedback goes to who knows nothing else: a browser that offers both is held at a few kbit/s by it.
    """
    feedback = [entry for media in offer.media for entries in media.feedback.values() for entry in entries]
    return AnswerPolicy(
        direction="recvonly",
        max_video=1 if camera else 0,
        transport_cc="transport-cc" in feedback and "goog-remb" not in feedback,
        opus_parameters={"usedtx": "1", "useinbandfec": "1", "maxaveragebitrate": "48000"},
    )


class Publisher:
    """Feeds a voice line, and the camera line for a lecturer, from one session's packets.

    :param deadline_s: how long a packet lost on the uplink is asked for again.
    :param on_media: called before its first media packet is taken.
    :ivar last_packet_s: ``now`` of the last packet of any kind, or of the offer.
    """

    def __init__(
        self,
        session: MediaSession,
        role: str,
        voice: VoiceLine,
        camera: CameraLine | None,
        *,
        deadline_s: float,
        keyframe_interval_s: float,
        camera_kbps: int,
        on_media: Callable[[], None],
        now: float,
    ) -> None:
        self.session = session
        self.role = role
        self.voice = voice
        self.camera = camera
        self.last_packet_s = now
        self.has_media = False
        self._ingest = Ingest(session.media, deadline_s, self._packet, self._sender_report)
        self._keyframe_interval_s = keyframe_interval_s
        self._camera_kbps = camera_kbps
        self._on_media = on_media
        self._voice_source: Source | None = None
        self._remb_at = self._nothing_at = 0.0
        numbers = {item.extensions.get(TRANSPORT_CC) for item in session.media}
        self._number_id = numbers.pop() if len(numbers) == 1 else None  # all sections are numbered, or none is
        self._feedback = FeedbackRecorder(session.media[0].ssrc)
        session.on_rtp = self._rtp
        session.on_rtcp = self._rtcp

    @property
    def sources(self) -> list[Source]:
        """What it sends, in order of appearance."""
        return self._ingest.sources

    @property
    def malformed(self) -> int:
        """Packets of it that were dropped because they made no sense."""
        return self._ingest.malformed

    def silent_s(self, now: float) -> float:
        """Seconds since anything came."""
        return now - self.last_packet_s

    def tick(self, now: float) -> None:
        """Ask for what is missing, report, ask for keyframes; call every 20 to 50 ms."""
        peer = self.session.peer
        cameras = self._ingest.of_kind("video")
        if self.camera is not None:
            self.camera.tick(cameras, now)
        if not peer.connected:
            return
        for data in self._ingest.poll(now, peer.rtt_s):
            peer.send_rtcp(data)
        if not self.sources and now - self._nothing_at >= NOTHING_EVERY_S:
            self._nothing_at = now
            peer.send_rtcp(rtcp.build(rtcp.ReceiverReport(self.session.media[0].ssrc)))
        if (feedback := self._feedback.poll(now)) is not None:
            peer.send_rtcp(feedback)
        if self.camera is not None and self.camera.source in cameras and self.camera.wants_keyframe:
            for data in self.camera.source.stream.request_keyframe(now, self._keyframe_interval_s):
                peer.send_rtcp(data)
        if cameras and now - self._remb_at >= REMB_EVERY_S:
            self._remb_at = now
            peer.send_rtcp(self._remb(cameras))

    def finish(self, now: float) -> None:
        """It has gone: let its lines give out what they hold. What still comes of it would take them up again."""
        self.session.ignore_packets()
        if self._voice_source is not None:
            self.voice.finish(now)
        if self.camera is not None:
            self.camera.finish()

    def _rtp(self, data: bytes, now: float) -> None:
        self.last_packet_s = now
        if self._number_id is not None:
            self._note(data, self._number_id, now)
        self._ingest.push_rtp(data, now)

    def _note(self, data: bytes, number_id: int, now: float) -> None:
        """Remember for the feedback that this packet arrived."""
        try:
            number = sequence_of(rtp.parse(data).extensions, number_id)
        except MalformedPacket:
            return  # counted by the ingest
        if number is not None:
            self._feedback.arrived(number, now)

    def _rtcp(self, data: bytes, now: float) -> None:
        self.last_packet_s = now
        self._ingest.push_rtcp(data, now)

    def _packet(self, source: Source, packet: ReceivedPacket, now: float) -> None:
        if not self.has_media:
            self.has_media = True
            self._on_media()
        if source.media.kind == "audio":
            if source is not self._voice_source:
                self._voice_source = source
                self.voice.begin(now)
                if self.camera is not None:
                    self.camera.begin(self.voice.clock)
            self.voice.push(packet, now)
        elif self.camera is not None:
            self.camera.push(source, packet, now)

    def _sender_report(self, source: Source, report: rtcp.SenderReport) -> None:
        if source is self._voice_source:
            self.voice.sender_report(report)
        elif self.camera is not None:
            self.camera.sender_report(source, report)

    def _remb(self, cameras: list[Source]) -> bytes:
        # Without transport-wide feedback this is what makes a browser send more than its first 300 kbit/s, and no more
        # than halls can use. Simulcast needs room for the layers above the one that is taken.
        simulcast = bool(cameras[0].media.rids)
        kbps = VOICE_KBPS + (SIMULCAST_KBPS if simulcast else self._camera_kbps)
        own = cameras[0].media.ssrc
        ssrcs = tuple(source.stream.ssrc for source in self._ingest.sources)
        return rtcp.build(rtcp.ReceiverReport(own), rtcp.Remb(own, kbps * 1000, ssrcs))

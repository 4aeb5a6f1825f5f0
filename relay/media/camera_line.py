"""The lecturer's camera: from the publisher's packets to the subscribers, untouched or as a rung, and to the log."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from lecture.chunks import Chunker
from lecture.entries import EncodedFrame, Entry, Kind
from lecture.log import LectureLog
from lecture.tracks import SOURCE_RUNG, Track
from relay.media.camera_maker import CameraMaker, MadePicture
from relay.media.camera_rungs import Feed, SourceRate
from relay.media.camera_sender import CameraSender
from relay.media.ingest import Source
from transport.media_clock import MediaClock
from transport.receive import InOrder, ReceivedPacket
from transport.rtcp import SenderReport
from transport.video import ASSEMBLED_CODECS, FrameAssembler, starts_keyframe

CLOCK_RATE = 90_000
REMEMBERED_TIMES = 64
CHOOSE_EVERY_S = 5.0
TELL_EVERY_S = 0.25

_CODEC = "camera_codec"
_H264_PROFILE = "camera_h264_profile"


class CameraLine:
    """The camera of the lecture. Publishers come and go; the line and its subscribers stay.

    Of several simulcast layers one is forwarded and recorded: the largest within ``camera_kbps``.

    :ivar codec: of the present or last camera, in lower case; empty before the first.
    :ivar source: what is forwarded now.
    """

    def __init__(self, log: LectureLog, wait_s: float, camera_kbps: int, now_ms: Callable[[float], float]) -> None:
        self.senders: set[CameraSender] = set()
        self.codec = log.get_meta(_CODEC) or ""
        self.h264_profile = log.get_meta(_H264_PROFILE) or None
        self.source: Source | None = None
        self._log = log
        self._wait_s = wait_s
        self._camera_kbps = camera_kbps
        self._now_ms = now_ms
        self._voice_clock: MediaClock | None = None
        self._clock = MediaClock(CLOCK_RATE)
        self._times: OrderedDict[int, float] = OrderedDict()  # of the newest frames, so that a frame has one time
        self._in_order = InOrder(wait_s)
        self._assembler: FrameAssembler | None = None
        self._chunks: Chunker | None = None
        self._choose_at = 0.0
        self._tell_at = 0.0
        self._source_rate = SourceRate()
        self._maker = CameraMaker(self._made)

    def begin(self, voice_clock: MediaClock | None) -> None:
        """A new publisher starts."""
        self.finish()
        self._voice_clock = voice_clock

    def push(self, source: Source, packet: ReceivedPacket, now: float) -> None:
        """Take a packet of the publisher, in whatever order; other layers than the chosen one are dropped."""
        # The same layer from another source: the publisher has changed its SSRC.
        if self.source is None or (source is not self.source and source.rid == self.source.rid):
            self._switch(source)
        if source is not self.source:
            return
        t_ms = self._time_of(packet, now)
        if t_ms < 0:
            return
        keyframe = starts_keyframe(self.codec, packet.payload)
        timestamp = round(t_ms * 90)
        for sender in self.senders:
            if sender.on:
                sender.forward(packet, self.codec, timestamp, keyframe, now)
        if self._assembler is not None:
            self._record(self._in_order.push(packet, now))

    def sender_report(self, source: Source, report: SenderReport) -> None:
        """Take a sender report of the camera."""
        if source is self.source:
            self._clock.sync(report)

    @property
    def wants_keyframe(self) -> bool:
        """Whether a subscriber or the recorder cannot go on without a keyframe."""
        if self._maker.wants_keyframe or (self._assembler is not None and self._assembler.asks_for_keyframe):
            return True
        return any(s.waits_for_keyframe and s.wanted is not None and not s.wanted.made for s in self.senders)

    def tick(self, sources: list[Source], now: float) -> None:
        """Let go of what waited long enough, choose the layer; call every 20 to 50 ms.

        :param sources: all that the publisher's camera has now.
        """
        if self._assembler is not None:
            self._record(self._in_order.poll(now))
        if now >= self._tell_at:
            self._tell_at = now + TELL_EVERY_S
            self._tell(now)
        if self.source is not None and self.source not in sources:
            self.finish()  # the next packet of any layer goes on
        if self.source is None or now < self._choose_at or len(sources) < 2:
            return
        self._choose_at = now + CHOOSE_EVERY_S
        alive = [source for source in sources if source.kbps > 0]
        within = [source for source in alive if source.kbps <= self._camera_kbps]
        best = max(within, key=lambda s: s.kbps) if within else min(alive, key=lambda s: s.kbps, default=self.source)
        if best is not self.source and (self.source.kbps == 0 or not self._much_alike(best, self.source)):
            self._switch(best)

    def finish(self) -> None:
        """The publisher has gone: write what is held."""
        if self._assembler is not None:
            self._record(self._in_order.flush())
        if self._chunks is not None:
            self._append(self._chunks.flush())
        self.source = None
        self._maker.stop()
        for sender in self.senders:
            sender.source_is(self.codec, 0)
            sender.restart()

    def join(self) -> None:
        """After :meth:`finish`: wait for the end of the maker's thread. Blocks: call it in a thread."""
        self._maker.join()

    def _tell(self, now: float) -> None:
        """Tell the senders what the source takes, and the maker which rungs they take."""
        measured = self.source.kbps if self.source is not None else 0.0
        if measured:
            self._source_rate.measured(measured)
        feeds: set[Feed] = set()
        for sender in self.senders:
            sender.source_is(self.codec, 0 if self.source is None else self._source_rate.kbps or self._camera_kbps)
            wanted = sender.wanted
            if wanted is None or not wanted.made or self.source is None:
                continue
            feeds.add(wanted)
            if sender.waits_for_keyframe:
                self._maker.request_keyframe(wanted)
        self._maker.want(frozenset(feeds), now)

    def _made(self, picture: MadePicture, now: float) -> None:
        for sender in self.senders:
            if sender.on:
                sender.send_picture(picture.feed, picture.payloads, picture.t_ms * 90, picture.keyframe, now)

    def _much_alike(self, one: Source, other: Source) -> bool:
        # Rates of one layer vary by themselves; a switch costs a keyframe.
        return other.kbps <= self._camera_kbps and one.kbps < 1.5 * other.kbps

    def _switch(self, source: Source) -> None:
        self.finish()
        self.source = source
        codec = source.media.codec
        self.codec = codec.name.lower()
        self.h264_profile = codec.parameters.get("profile-level-id") if self.codec == "h264" else None
        # After a restart halls may come back before the camera does; they should still agree on its codec.
        self._log.set_meta(_CODEC, self.codec)
        self._log.set_meta(_H264_PROFILE, self.h264_profile or "")
        self._source_rate = SourceRate()
        self._clock = MediaClock(CLOCK_RATE, reference=self._voice_clock)
        self._times.clear()
        self._in_order = InOrder(self._wait_s)
        self._assembler = None
        if self.codec in ASSEMBLED_CODECS:
            self._assembler = FrameAssembler(self.codec)
            track = self._log.add_track(Track("camera", self.codec, CLOCK_RATE, rung=SOURCE_RUNG))
            self._chunks = Chunker(Kind.CAMERA, track.track_id)

    def _time_of(self, packet: ReceivedPacket, now: float) -> float:
        known = self._times.get(packet.timestamp_ext)
        if known is None:
            known = self._clock.at(packet.timestamp_ext, self._now_ms(now), retransmitted=packet.retransmitted)
            self._times[packet.timestamp_ext] = known
            if len(self._times) > REMEMBERED_TIMES:
                self._times.popitem(last=False)
        return known

    def _record(self, packets: list[ReceivedPacket]) -> None:
        assert self._assembler is not None
        for packet in packets:
            t_ms = self._times.get(packet.timestamp_ext)
            if t_ms is None:
                t_ms = self._clock.at(packet.timestamp_ext, self._now_ms(packet.arrival_s), retransmitted=True)
            for frame in self._assembler.push(packet, max(0, round(t_ms))):
                self._append_frame(frame)

    def _append_frame(self, frame: EncodedFrame) -> None:
        assert self._chunks is not None
        self._maker.push(self.codec, frame)
        self._append(self._chunks.push(frame))

    def _append(self, entries: list[Entry]) -> None:
        for entry in entries:
            self._log.append(entry)

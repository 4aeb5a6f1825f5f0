"""One subscriber's camera over RTP: which feed it takes, and its packets until the link has room for them."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from relay.media.camera_coder import made_codecs
from relay.media.camera_rungs import RUNGS, SOURCE_KBPS, Feed
from transport import rtcp
from transport.receive import ReceivedPacket
from transport.rtp import MalformedPacket
from transport.sdp import NegotiatedMedia
from transport.send import SendStream
from transport.video import Vp8Continuity

QUEUE_S = 1.0
"""A packet that waits longer than this is stale, and all that waits is dropped until the next keyframe."""

KEYFRAME_QUEUE_S = 3.0
"""The same for packets of a keyframe, which alone takes a rung's link about a second."""

MAX_QUEUE_PACKETS = 512
SOURCE_ROOM = 1.15
"""The source is begun only where this many times its rate are to be had, and left below its rate."""

RESEND_SHARE = 0.75
"""Of the camera's rate, what its retransmission may cost beside it: enough for the worst links, where each lost packet
is asked for twice. A picture that is not completed waits for a keyframe, which costs more."""

_LEAST_RESEND_BYTES_PER_S = 2_000
_UNKNOWN_RTT_S = 0.5
_KEYFRAME_TIME_S = 0.5


@dataclass(slots=True)
class _Waiting:
    """A packet that has no number yet.

    :param packet: upstream's, ``None`` for a rung.
    :param keyframe: it is part of one.
    :param begins: it is the first one since the feed was changed, or broken off.
    """

    feed: Feed
    payload: bytes
    packet: ReceivedPacket | None
    timestamp: int
    marker: bool
    keyframe: bool
    begins: bool
    since_s: float


class CameraSender:
    """One subscriber's camera: off, or a feed (the source, or a rung) from a keyframe of it on.

    Packets wait here until there is room, retransmissions first, and get their numbers only when they go out, so that
    what is dropped leaves no hole that would be asked for again. A picture that has begun goes out whole.

    :param media: what was negotiated; the feed's codec must be among its formats.
    :param send: sends a finished packet; second argument ``now``.
    :param room: whether :paramref:`send` would take one more packet now; default always. When there is room again call
        :meth:`pump` (or take packets yourself with :meth:`next_packet`).
    :ivar feed: what is being sent, ``None`` while nothing is.
    :ivar wanted: what it shall get; sent from its next keyframe on.
    :ivar lost_picture: the subscriber waits for a keyframe (:meth:`keyframe_asked`).
    :ivar dropped_packets: packets that became stale here.
    """

    def __init__(
        self,
        media: NegotiatedMedia,
        send: Callable[[bytearray, float], None],
        room: Callable[[float], bool] | None = None,
        *,
        transport_cc: bool = False,
    ) -> None:
        self.formats = {item.codec.name.lower(): item for item in media.formats}
        self.made_codec = next((codec for codec in made_codecs() if codec in self.formats), "")
        self.stream = SendStream.negotiated(media, mid=True, transport_cc=transport_cc)
        self.feed: Feed | None = None
        self.wanted: Feed | None = None
        self.lost_picture = False
        self.dropped_packets = 0
        self._send = send
        self._room = room
        self._kbps = 0
        self._source = ("", 0.0)
        self._queue: deque[_Waiting] = deque()
        self._again: deque[tuple[float, bytearray]] = deque()
        self._begun: tuple[Feed, int] | None = None  # picture of which packets have gone out, others not yet
        self._begins = True
        self._timestamp = -1
        self._keyframe_timestamp = -1
        self._keyframe_s = float("-inf")
        self._continuity = Vp8Continuity()

    @property
    def on(self) -> bool:
        """Whether it gets a camera at all."""
        return self._kbps > 0

    @property
    def kbps(self) -> int:
        """Rate of what is being sent now: of the rung, or about that of the source; 0 for nothing."""
        if self.feed is None:
            return 0
        return self.feed.kbps if self.feed.made else max(1, round(self._source[1]))

    @property
    def rungs_kbps(self) -> tuple[int, ...]:
        """What it may be turned to, rising: the rungs, and what the source takes where it is to be had."""
        codec, source_kbps = self._source
        rungs = {rung.kbps for rung in RUNGS} if self.made_codec else set()
        if codec in self.formats and source_kbps > 0:
            rungs = {kbps for kbps in rungs if kbps < source_kbps} | {math.ceil(source_kbps * SOURCE_ROOM)}
        return tuple(sorted(rungs))

    @property
    def better_kbps(self) -> int | None:
        """The next better camera than this subscriber is turned to, ``None`` where there is none."""
        if self._source[1] <= 0:
            return None
        return next((kbps for kbps in self.rungs_kbps if kbps > self._kbps), None)

    @property
    def waits_for_keyframe(self) -> bool:
        """Whether it cannot go on (or change over) without a keyframe of :attr:`wanted`."""
        return self.wanted is not None and (self.lost_picture or self.feed != self.wanted)

    @property
    def waiting_packets(self) -> int:
        """How many packets wait for room."""
        return len(self._queue) + len(self._again)

    def turn(self, kbps: int) -> None:
        """Send a camera that takes at most so much (0: none), from the next keyframe; less than now at once."""
        if kbps != self._kbps:
            self._kbps = kbps
            self.stream.set_resend_budget(max(_LEAST_RESEND_BYTES_PER_S, RESEND_SHARE * kbps * 125))
            self._choose()

    def source_is(self, codec: str, kbps: float) -> None:
        """What the publisher sends now; 0 kbit/s for nothing."""
        self._source = codec, kbps
        self._choose()

    def handle_rtcp(self, packets: Sequence[rtcp.RtcpPacket], now: float) -> None:
        """Take the subscriber's requests, for packets and for keyframes."""
        self._again += [(now, packet) for packet in self.stream.handle_rtcp(packets, now)]
        if rtcp.wants_keyframe(packets, self.stream.ssrc):
            self.keyframe_asked(now)
        self.pump(now)

    def keyframe_asked(self, now: float) -> None:
        """The subscriber asks for a keyframe; one that has just gone out is the answer already."""
        rtt_s = self.stream.rtt_s
        if now - self._keyframe_s > (_UNKNOWN_RTT_S if rtt_s is None else rtt_s) + _KEYFRAME_TIME_S:
            self.lost_picture = True

    def restart(self) -> None:
        """The source changes, or packets handed over were dropped: go on from the next keyframe."""
        self._drop()
        self._again.clear()
        self.stream.forget()

    def forward(self, packet: ReceivedPacket, codec: str, timestamp: int, keyframe: bool, now: float) -> None:
        """Take one packet of the source.

        :param keyframe: it is the first of a keyframe.
        """
        feed = Feed(codec, SOURCE_KBPS)
        if self._takes(feed, keyframe):
            if keyframe:
                self._keyframe_timestamp = timestamp
            self._timestamp = max(self._timestamp, timestamp)
            in_keyframe = timestamp == self._keyframe_timestamp
            self._put(feed, packet.payload, packet, timestamp, packet.marker, in_keyframe, now)
            self.pump(now)

    def send_picture(self, feed: Feed, payloads: tuple[bytes, ...], timestamp: int, keyframe: bool, now: float) -> None:
        """Take one picture of a rung."""
        if not self._takes(feed, keyframe):
            return
        # A rung is made a moment after the source went out: times never go back where one follows on the other.
        self._timestamp = timestamp = max(timestamp, self._timestamp + 1)
        for number, payload in enumerate(payloads, 1):
            self._put(feed, payload, None, timestamp, number == len(payloads), keyframe, now)
        self.pump(now)

    def pump(self, now: float) -> None:
        """Hand over what waits, as far as there is room."""
        while (self._room is None or self._room(now)) and (packet := self.next_packet(now)) is not None:
            self._send(packet, now)

    def next_packet(self, now: float) -> bytearray | None:
        """Take the next packet to be sent, ``None`` while there is none."""
        while self._again:
            asked_s, packet = self._again.popleft()
            if now - asked_s <= QUEUE_S:  # else it has been asked for once more, or is of no use
                return packet
        self._drop_stale(now)
        while self._queue:
            item = self._queue.popleft()
            data = self._numbered(item, now)
            if data is not None:
                self._begun = None if item.marker else (item.feed, item.timestamp)
                return data
        return None

    def _choose(self) -> None:
        wanted = self._best()
        if wanted == self.wanted:
            return
        self.wanted = wanted
        if self.feed is not None and (wanted is None or self._cost(wanted) < self._cost(self.feed)):
            self._drop()  # what goes on now is too much

    def _best(self) -> Feed | None:
        codec, source_kbps = self._source
        source = Feed(codec, SOURCE_KBPS)
        room = 1.0 if self.wanted == source else SOURCE_ROOM
        if codec in self.formats and source_kbps > 0 and self._kbps >= source_kbps * room:
            return source
        rungs = [rung.kbps for rung in RUNGS if rung.kbps <= self._kbps]
        return Feed(self.made_codec, rungs[-1]) if rungs and self.made_codec else None

    def _cost(self, feed: Feed) -> float:
        return feed.kbps if feed.made else self._source[1]

    def _takes(self, feed: Feed, keyframe: bool) -> bool:
        if keyframe and feed == self.wanted:
            if feed != self.feed:
                # From here on the new one; what waits of the old one is of no use any more.
                self._drop()
                self.feed = feed
                self._begins = True
            self.lost_picture = False
        return feed == self.feed

    def _put(
        self,
        feed: Feed,
        payload: bytes,
        packet: ReceivedPacket | None,
        timestamp: int,
        marker: bool,
        keyframe: bool,
        now: float,
    ) -> None:
        if keyframe:
            self._keyframe_s = now
        self._queue.append(_Waiting(feed, payload, packet, timestamp, marker, keyframe, self._begins, now))
        self._begins = False
        if len(self._queue) > MAX_QUEUE_PACKETS:
            self._drop()
        self._drop_stale(now)

    def _drop_stale(self, now: float) -> None:
        if self._queue:
            first = self._queue[0]
            longest_s = KEYFRAME_QUEUE_S if first.keyframe else QUEUE_S
            if now - first.since_s > longest_s and self._begun != (first.feed, first.timestamp):
                self._drop()

    def _drop(self) -> None:
        """Drop what waits, but for the rest of a picture that has begun; nothing more before the next keyframe."""
        kept = [item for item in self._queue if (item.feed, item.timestamp) == self._begun]
        self.dropped_packets += len(self._queue) - len(kept)
        self._queue = deque(kept)
        self.feed = None

    def _numbered(self, item: _Waiting, now: float) -> bytearray | None:
        if item.begins or (item.keyframe and item.packet is None and self._begun is None):
            self._change_over(item.feed)
        payload = item.payload
        if item.feed.codec == "vp8" and payload:
            try:
                payload = self._continuity.rewrite(payload)
            except MalformedPacket:
                return None
        if item.packet is None:
            return self.stream.send(payload, item.timestamp, item.marker, now)
        return self.stream.forward(item.packet, item.timestamp, now, payload)

    def _change_over(self, feed: Feed) -> None:
        """Numbers and picture ids go on from where they are, whatever the feed's own."""
        agreed = self.formats[feed.codec]
        self.stream.switch_format(agreed.codec.payload_type, agreed.rtx_payload_type)
        self.stream.switch_source()
        self._continuity.switch_source()

"""One language's voice: from the publisher's packets to the log and to the subscribers.

Everything is done once for all halls: recorded as sent, decoded, laid on the grid of lecture time, encoded in the
rungs that are taken, packed. A subscriber costs no more than its own packet header.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from lecture.chunks import Chunker
from lecture.entries import EncodedFrame, Entry, Flag, Kind
from lecture.log import LectureLog
from lecture.tracks import LIGHT_KBPS, RECORDED_KBPS, SOURCE_RUNG, VOICE_FRAME_MS, Track
from relay.media.voice_decode import VoiceDecoder
from relay.media.voice_grid import GridFrame, VoiceGrid
from relay.media.voice_packs import HeldPacks, Pack, PackBuilder, ReadyPack
from relay.media.voice_rungs import MadeFrame, VoiceRungs
from relay.media.voice_sender import VoiceSender
from transport import voice_payload
from transport.media_clock import MediaClock
from transport.opus import OpusError, is_silence, packet_duration_ms
from transport.receive import InOrder, ReceivedPacket
from transport.rtcp import SenderReport

CLOCK_RATE = 48_000
SETTLE_MS = 300
"""A publisher's first packets wait so long until it is known which of them were late: their lecture time, and that of
all that follows, would else be wrong by as much. A one-way lecture can afford it."""
MAX_EARLY_PACKETS = 500
"""That wait; beyond it (thirty times what is spoken in that time) they go on at once, with the time they have."""
IDLE_S = 1.0
"""Without a packet for so long the voice has broken off: what is half gathered goes out."""


class VoiceLine:
    """The voice of one language. Publishers come and go; the line and its subscribers stay.

    :param wait_s: how long a missing packet of the uplink may hold back those behind it.
    :param begin_earlier: told when the lecture turns out to have begun so many ms before the voice that it began with
        came in.
    :ivar clock: of the present publisher's voice (a camera of the same publisher keeps in step with it).
    """

    def __init__(
        self,
        language: str,
        log: LectureLog,
        wait_s: float,
        now_ms: Callable[[float], float],
        begin_earlier: Callable[[float], None],
    ) -> None:
        self.language = language
        self.senders: set[VoiceSender] = set()
        self.clock = MediaClock(CLOCK_RATE, settle_ms=SETTLE_MS)
        self.track = log.add_track(Track("voice", "opus", CLOCK_RATE, language, str(RECORDED_KBPS), 1))
        self.light_track = log.add_track(Track("voice", "opus", CLOCK_RATE, language, str(LIGHT_KBPS), 1))
        self.source_track = log.add_track(Track("voice", "opus", CLOCK_RATE, language, SOURCE_RUNG, 2))
        self._log = log
        self._wait_s = wait_s
        self._now_ms = now_ms
        self._begin_earlier = begin_earlier
        self._source_chunks = Chunker(Kind.VOICE, self.source_track.track_id)
        self._made_chunks = {
            kbps: Chunker(Kind.VOICE, track.track_id, grid=True)
            for kbps, track in ((LIGHT_KBPS, self.light_track), (RECORDED_KBPS, self.track))
        }
        self._grid = VoiceGrid()
        self._rungs = VoiceRungs()
        self._packs: dict[int, PackBuilder] = {}
        self._held = HeldPacks()
        self._decoder: VoiceDecoder | None = None
        self._in_order = InOrder(wait_s)
        self._early: list[ReceivedPacket] = []
        self._last_packet_s = float("-inf")
        self._recorded_end_ms = 0
        self._concealed_ms = 0

    @property
    def recorded_end_ms(self) -> int:
        """Lecture time up to which made voice is in the log."""
        return self._recorded_end_ms

    @property
    def recorded_tracks(self) -> dict[int, int]:
        """Track ids of the recorded made rungs, by kbit/s."""
        return {RECORDED_KBPS: self.track.track_id, LIGHT_KBPS: self.light_track.track_id}

    @property
    def concealed_ms(self) -> int:
        """How much was made up because the uplink lost it, or sent none in silence."""
        return self._concealed_ms + (self._decoder.concealed_ms if self._decoder else 0)

    @property
    def made_kbps(self) -> list[int]:
        """Rungs being made now."""
        return self._rungs.made_kbps

    def resume(self, recorded_end_ms: int) -> None:
        """What a former process recorded ends here."""
        self._recorded_end_ms = recorded_end_ms

    def repaired(self, end_ms: int) -> None:
        """Made voice came into the log from elsewhere, up to there."""
        self._recorded_end_ms = max(self._recorded_end_ms, end_ms)

    def quiet_since(self, now: float) -> float:
        """Seconds since the last packet."""
        return now - self._last_packet_s

    def begin(self, now: float) -> None:
        """A new publisher (or a new source of it) starts; its numbers and timestamps are its own."""
        self.finish(now)
        self.clock = MediaClock(CLOCK_RATE, settle_ms=SETTLE_MS)
        self._in_order = InOrder(self._wait_s)
        self._decoder = VoiceDecoder()

    def push(self, packet: ReceivedPacket, now: float) -> None:
        """Take a packet of the publisher, in whatever order."""
        if self._decoder is None:
            return
        self._last_packet_s = now
        self.clock.at(packet.timestamp_ext, self._now_ms(now), retransmitted=packet.retransmitted)
        if self.clock.early_ms:
            self._begin_earlier(self.clock.early_ms)
        self._take(self._in_order.push(packet, now), now)

    def sender_report(self, report: SenderReport) -> None:
        """Take a sender report of the voice."""
        self.clock.sync(report)

    def tick(self, now: float) -> None:
        """Let go of what waited long enough; call every 20 to 50 ms."""
        self._take(self._in_order.poll(now), now)
        if self.quiet_since(now) > IDLE_S:
            self._flush(now)
        self._send_packs(self._now_ms(now), now)

    def finish(self, now: float) -> None:
        """The publisher has gone: give out all that is held."""
        self._take(self._in_order.flush(), now, finishing=True)
        self._flush(now)
        self._send_packs(math.inf, now)
        if self._decoder is not None:
            self._concealed_ms += self._decoder.concealed_ms
            self._decoder.close()
            self._decoder = None

    def close(self, now: float) -> None:
        """Free the coders; the line is not used again."""
        self.finish(now)
        self._rungs.close()

    def _take(self, packets: list[ReceivedPacket], now: float, *, finishing: bool = False) -> None:
        self._early += packets
        settled = self.clock.settled(self._now_ms(now)) or len(self._early) > MAX_EARLY_PACKETS
        if not (settled or finishing):
            return
        packets, self._early = self._early, []
        for packet in packets:
            assert self._decoder is not None
            if not packet.payload:
                continue  # padding only: it has a number, no sound
            t_ms = self.clock.at(packet.timestamp_ext, self._now_ms(packet.arrival_s), retransmitted=True)
            if t_ms < 0:
                continue  # sent before the lecture began
            self._record_source(packet, t_ms)
            for at_ms, pcm, concealed in self._decoder.push(packet, t_ms):
                self._make(self._grid.push(at_ms, pcm, concealed=concealed), now)

    def _record_source(self, packet: ReceivedPacket, t_ms: float) -> None:
        try:
            duration_ms = packet_duration_ms(packet.payload)
        except OpusError:
            return
        self._append(self._source_chunks.push(EncodedFrame(round(t_ms), duration_ms, packet.payload)))

    def _make(self, frames: list[GridFrame], now: float) -> None:
        for frame in frames:
            made = self._rungs.encode(frame, {sender.wanted_kbps for sender in self.senders})
            self._record_made(made)
            for sender in self.senders:
                if not sender.packed:
                    sender.send_frame(made.t_ms, made.rungs, now)
            self._gather(made, now)

    def _record_made(self, made: MadeFrame) -> None:
        for kbps, chunks in self._made_chunks.items():
            data = made.rungs[kbps]
            flags = (Flag.SILENCE if is_silence(data) else 0) | (Flag.CONCEALED if made.concealed else 0)
            self._append(chunks.push(EncodedFrame(made.t_ms, VOICE_FRAME_MS, data, int(flags))))

    def _gather(self, made: MadeFrame, now: float) -> None:
        for kbps in self._packs.keys() - made.rungs.keys():
            del self._packs[kbps]  # no longer taken: what was gathered of it goes out in the recorded rung
        done: dict[int, dict[int, Pack]] = {}
        for kbps, data in made.rungs.items():
            for pack in self._packs.setdefault(kbps, PackBuilder()).push(made.number, data):
                done.setdefault(pack.first, {})[kbps] = pack
        self._hold(done, now)

    def _flush(self, now: float) -> None:
        self._make(self._grid.flush(), now)
        done: dict[int, dict[int, Pack]] = {}
        for kbps, builder in self._packs.items():
            for pack in builder.flush():
                done.setdefault(pack.first, {})[kbps] = pack
        self._hold(done, now)
        for chunks in (*self._made_chunks.values(), self._source_chunks):
            self._append(chunks.flush())

    def _hold(self, done: dict[int, dict[int, Pack]], now: float) -> None:
        if not any(sender.packed for sender in self.senders):
            return
        now_ms = self._now_ms(now)
        for first in sorted(done):
            # A rung that was taken up in the middle of a pack has a shorter one, which starts later: not for sending.
            whole = done[first].get(RECORDED_KBPS)
            if whole is None:
                continue
            payloads = {
                kbps: voice_payload.pack(pack.frames)
                for kbps, pack in done[first].items()
                if len(pack.frames) == len(whole.frames)
            }
            self._held.put(ReadyPack(whole.t_ms, len(whole.frames), payloads), now_ms)
        self._send_packs(now_ms, now)

    def _send_packs(self, until_ms: float, now: float) -> None:
        for pack in self._held.take(until_ms):
            for sender in self.senders:
                if sender.packed:
                    sender.send_pack(pack, now)

    def _append(self, entries: list[Entry]) -> None:
        for entry in entries:
            self._log.append(entry)
            if entry.track_id == self.track.track_id:  # the last of the made ones, so all rungs have it by now
                self._recorded_end_ms = max(self._recorded_end_ms, entry.end_ms)

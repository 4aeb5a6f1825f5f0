"""Transport-wide feedback: which packets of a connection arrived and when, at the receiver and at the sender
(draft-holmer-rmcat-transport-wide-cc-extensions-01).

Every RTP packet of a connection, whatever its source, carries one more number of 16 bits that rises by one per packet.
The receiver tells from time to time which numbers arrived, and when by its own clock.

Pure: ``now`` is an argument, in seconds of any monotonic clock.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from transport import rtcp, rtp
from transport.rtcp_feedback import MAX_DELTA_TICKS, MIN_DELTA_TICKS, TICKS_PER_REFERENCE, most_chunk_bytes

OVERDUE_ROUND_TRIPS = 1.5
OVERDUE_S = 1.0
"""A packet that nothing was heard of for so many round trips and seconds counts as lost: feedback comes at least once a
second or was lost itself, and the next one repeats it."""

REPEAT_S = 1.0
"""The last feedback before a silence is repeated after this time."""

MAX_IN_FLIGHT = 8192
"""Packets a sender waits to hear of; beyond them the oldest count as lost."""

_MAX_REMEMBERED = 4096
"""Packets given up for lost that may still turn out to have arrived; the oldest are forgotten first."""

_TICKS_PER_S = 4000
_TICK_S = 1 / _TICKS_PER_S
_REFERENCE_S = TICKS_PER_REFERENCE * _TICK_S

_MAX_SPAN = 4096
"""Numbers that one feedback may span; what is older is not spoken of."""
MAX_FEEDBACK_BYTES = 1200
"""Of one datagram, so that it fits into one IP packet; the rest follows at once."""
_PACKET_BYTES = 24
"""Of one feedback packet beside the statuses and times: its heads, and what fills up the last word."""


def stamp(packet: bytearray, offset: int, sequence16: int) -> None:
    """Write a transport-wide sequence number (see :attr:`transport.send.SendStream.transport_sequence_offset`)."""
    packet[offset] = sequence16 >> 8
    packet[offset + 1] = sequence16 & 0xFF


def sequence_of(extensions: Mapping[int, bytes], extension_id: int) -> int | None:
    """The transport-wide sequence number among a packet's header extensions, ``None`` where there is none."""
    value = extensions.get(extension_id)
    return None if value is None or len(value) < 2 else value[0] << 8 | value[1]


@dataclass(slots=True)
class Outcome:
    """What became of one sent packet.

    :ivar sequence: its transport-wide sequence number, unwrapped.
    :ivar size_bytes: as given to :meth:`SentLog.sent`.
    :ivar sent_s: ``now`` of its sending.
    :ivar arrival_s: its arrival by the receiver's clock, in seconds, unwrapped; ``None``: lost, as far as is known.
    :ivar token: as given to :meth:`SentLog.sent`.
    :ivar class_: as given to :meth:`SentLog.sent`.
    :ivar was_lost: it had been given out as lost before and has arrived after all.
    """

    sequence: int
    size_bytes: int
    sent_s: float
    arrival_s: float | None = None
    token: object = None
    class_: int = 0
    was_lost: bool = False


class SentLog:
    """What a sender has sent over one connection and not yet heard of.

    Each packet comes out as arrived at most once, and as lost at most once before that. It is taken for lost when
    feedback speaks of it without an arrival, or when nothing was heard of it for long (:meth:`overdue`).

    :param first_sequence: default random below 2**15.
    """

    def __init__(self, first_sequence: int | None = None) -> None:
        first = random.getrandbits(15) if first_sequence is None else first_sequence & 0xFFFF
        self._newest = first + 0xFFFF  # unwrapped; the one before the first
        self._flying: dict[int, Outcome] = {}  # in order of sending
        self._given_up: dict[int, Outcome] = {}
        self._overflown: deque[Outcome] = deque(maxlen=MAX_IN_FLIGHT)
        self._reference = rtp.Unwrapper(24)
        self.in_flight_bytes = 0
        """Bytes sent and not yet heard of."""

    def sent(self, size_bytes: int, now: float, token: object = None, class_: int = 0) -> int:
        """Note one packet that goes out now; returns the number to :func:`stamp` on it.

        :param size_bytes: on the wire, with IP and UDP headers (UDP payload + 28).
        :param token: anything the caller wants back with the outcome.
        """
        self._newest = sequence = self._newest + 1
        self._flying[sequence] = Outcome(sequence, size_bytes, now, None, token, class_)
        self.in_flight_bytes += size_bytes
        if len(self._flying) > MAX_IN_FLIGHT:
            self._overflown.append(self._give_up(next(iter(self._flying))))
        return sequence & 0xFFFF

    @property
    def oldest_s(self) -> float | None:
        """When the oldest of the packets in flight was sent, ``None`` with nothing in flight."""
        return next(iter(self._flying.values())).sent_s if self._flying else None

    def feedback(self, packet: rtcp.TransportFeedback, now: float) -> list[Outcome]:
        """Digest feedback: what is newly known, in order of sending."""
        origin_s = self._reference.unwrap(packet.reference) * _REFERENCE_S
        sequence = self._newest - ((self._newest - packet.base_sequence) & 0xFFFF)
        flying, given_up = self._flying, self._given_up
        out: list[Outcome] = []
        for ticks in packet.arrivals:
            if ticks is None:
                if sequence in flying:
                    out.append(self._give_up(sequence))
            else:
                outcome = flying.pop(sequence, None)
                if outcome is not None:
                    self.in_flight_bytes -= outcome.size_bytes
                elif given_up:
                    outcome = given_up.pop(sequence, None)
                if outcome is not None:
                    outcome.arrival_s = origin_s + ticks * _TICK_S
                    out.append(outcome)
            sequence += 1
        return out

    def overdue(self, now: float, rtt_s: float) -> list[Outcome]:
        """Packets that were sent so long ago that feedback would have come; they count as lost from now on.

        :param rtt_s: round-trip time, queueing included.
        """
        sent_before_s = now - OVERDUE_ROUND_TRIPS * rtt_s - OVERDUE_S
        late: list[int] = []
        for outcome in self._flying.values():
            if outcome.sent_s > sent_before_s:
                break
            late.append(outcome.sequence)
        out = [*self._overflown, *map(self._give_up, late)]
        self._overflown.clear()
        return out

    def _give_up(self, sequence: int) -> Outcome:
        lost = self._flying.pop(sequence)
        self.in_flight_bytes -= lost.size_bytes
        # The one that goes out stays as it is: another one stands for it, in case that it arrives after all.
        self._given_up[sequence] = Outcome(
            sequence, lost.size_bytes, lost.sent_s, None, lost.token, lost.class_, was_lost=True
        )
        if len(self._given_up) > _MAX_REMEMBERED:
            del self._given_up[next(iter(self._given_up))]
        return lost


class FeedbackRecorder:
    """Notes arrivals and makes the feedback.

    With ``overlap`` each feedback repeats the window of the one before, as feedback gets lost too, and the last window
    before a silence is repeated once.

    :param local_ssrc: ours, for the RTCP.
    :param interval_s: least time between two feedback packets; may be changed at any time (0.1 to 1 s by uplink).
    """

    def __init__(self, local_ssrc: int, *, interval_s: float = 0.25, overlap: bool = True) -> None:
        self.local_ssrc = local_ssrc
        self.interval_s = interval_s
        self.overlap = overlap
        self._unwrapper = rtp.Unwrapper(16)
        self._arrivals: dict[int, int] = {}  # number to ticks, from the window before on
        self._before = 0  # first number of the window before
        self._base = 0  # first number not yet spoken of
        self._news_s: float | None = None  # arrival of the first packet not yet spoken of
        self._repeat = False
        self._sent_s = -math.inf
        self._count = 0

    def arrived(self, sequence16: int, now: float) -> None:
        """Note the arrival of a packet with that transport-wide sequence number. Duplicates are ignored, and so is
        what comes later than a whole window (with ``overlap``: two windows) after its turn."""
        unwrapper = self._unwrapper
        newest = unwrapper.newest
        sequence = unwrapper.unwrap(sequence16)
        if newest is None or sequence < newest - _MAX_SPAN:
            # The first one, or the sender has begun anew (or has sent on for half a round of numbers in an outage).
            unwrapper.newest = sequence
            self._arrivals.clear()
            self._before = self._base = sequence
        elif sequence < self._before or sequence in self._arrivals:
            return
        self._arrivals[sequence] = int(now * _TICKS_PER_S)
        if len(self._arrivals) > _MAX_SPAN:
            del self._arrivals[next(iter(self._arrivals))]
        if self._news_s is None:
            self._news_s = now

    @property
    def due_at(self) -> float:
        """When :meth:`poll` next has something to say, ``inf`` while there is nothing to tell."""
        if self._news_s is not None:
            return max(self._sent_s + self.interval_s, self._news_s)
        return self._sent_s + max(self.interval_s, REPEAT_S) if self._repeat else math.inf

    def poll(self, now: float) -> bytes | None:
        """An RTCP datagram (reduced size, RFC 5506) with the feedback, if it is due."""
        if now < self.due_at:
            return None
        newest = self._unwrapper.newest or 0
        first = max(self._before if self.overlap else self._base, newest - _MAX_SPAN + 1)
        packets, end = self._packets(first, newest)
        whole = end > newest
        self._sent_s = now if whole else -math.inf
        if self._news_s is None:
            self._repeat = False
            return rtcp.build(*packets)
        self._repeat = self.overlap
        self._news_s = None if whole else now
        if end > self._base or not whole:  # else all news was late arrivals within a window that stays
            self._before = max(first, self._base) if self.overlap and whole else end
            self._base = max(self._base, end)
            for sequence in [sequence for sequence in self._arrivals if sequence < self._before]:
                del self._arrivals[sequence]
        return rtcp.build(*packets)

    def _packets(self, first: int, last: int) -> tuple[list[rtcp.TransportFeedback], int]:
        """Feedback for these numbers, as many packets as the distances in time need, and the number where it ends."""
        groups: list[tuple[int, list[int | None]]] = []  # first number, ticks
        at, before = first, 0
        room_bytes, group_bytes = MAX_FEEDBACK_BYTES, 0
        times_bytes = 0
        for sequence in range(first, last + 1):
            ticks = self._arrivals.get(sequence)
            if ticks is None:
                continue
            is_new = not groups or not MIN_DELTA_TICKS <= ticks - before <= MAX_DELTA_TICKS
            if is_new:
                room_bytes -= group_bytes
                times_bytes = 0
            times_bytes += 1 if not is_new and 0 <= ticks - before <= 0xFF else 2
            count = sequence + 1 - (at if is_new else groups[-1][0])
            group_bytes = _PACKET_BYTES + most_chunk_bytes(count) + times_bytes
            if group_bytes > room_bytes:
                break
            if is_new:
                groups.append((at, []))
            groups[-1][1].extend([None] * (sequence - at))
            groups[-1][1].append(ticks)
            at, before = sequence + 1, ticks
        return [self._packet(base, arrivals) for base, arrivals in groups], at

    def _packet(self, base: int, arrivals: list[int | None]) -> rtcp.TransportFeedback:
        reference = next(ticks for ticks in arrivals if ticks is not None) // TICKS_PER_REFERENCE
        origin = reference * TICKS_PER_REFERENCE
        count, self._count = self._count, (self._count + 1) & 0xFF
        return rtcp.TransportFeedback(
            self.local_ssrc,
            0,
            base & 0xFFFF,
            count,
            reference & 0xFF_FFFF,
            tuple(None if ticks is None else ticks - origin for ticks in arrivals),
        )

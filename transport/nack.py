"""Which packets to ask for again, and when (RFC 4585 generic NACK).

A hole is first left alone for a moment, since it may be mere reordering; then it is asked for, and asked for again
every :data:`REPEAT_ROUND_TRIPS` round trips (a little more than an answer takes), since requests and answers get lost
as well, until the deadline after which nobody could use the packet.
"""

from __future__ import annotations

import math

REPEAT_ROUND_TRIPS = 1.15
MAX_ASKED_AT_ONCE = 240
"""Bound of one NACK, so that it fits a datagram even when no two numbers share a word. The rest follows next time."""

_GUESSED_RTT_S = 0.5
_SHORTEST_REPEAT_S = 0.03
_TOLD_RTT_RULES_S = 10.0


class RoundTrip:
    """The round-trip time as seen by a receiver: told from elsewhere, else taken from requests and their answers."""

    def __init__(self) -> None:
        self.rtt_s = _GUESSED_RTT_S
        self._known = False
        self._told_at_s = -math.inf

    def tell(self, now: float, rtt_s: float) -> None:
        """A value measured elsewhere; it rules for 10 s."""
        self._told_at_s = now
        self._take(rtt_s)

    def answered(self, now: float, asked_at_s: float) -> None:
        """A request made at ``asked_at_s`` was answered."""
        if now - self._told_at_s > _TOLD_RTT_RULES_S:
            self._take(now - asked_at_s)

    def _take(self, rtt_s: float) -> None:
        if not 0 <= rtt_s < 60:
            return
        self.rtt_s = self.rtt_s + (rtt_s - self.rtt_s) / 4 if self._known else rtt_s
        self._known = True


class _Hole:
    __slots__ = ("asked", "due_s", "last_s", "next_s", "previous_s")

    def __init__(self, due_s: float, next_s: float) -> None:
        self.due_s = due_s
        self.next_s = next_s
        self.asked = 0
        self.last_s = 0.0
        self.previous_s = 0.0


class NackSchedule:
    """The holes of one stream and when each is asked for next. Pure.

    :param deadline_s: how long after it was due a packet is still asked for.
    :param reorder_s: how long a new hole is left alone.
    :param max_holes: bound; beyond it the oldest are given up.
    :ivar repeat_round_trips: between two requests for the same packet. Below 1 where the sender holds off for about a
        round trip after each answer: then a lost request costs less time, and nothing is answered twice.
    """

    def __init__(self, *, deadline_s: float, reorder_s: float, max_holes: int = 4096) -> None:
        self.deadline_s = deadline_s
        self.repeat_round_trips = REPEAT_ROUND_TRIPS
        self.round_trip = RoundTrip()
        self.given_up = 0
        self.asked = 0
        self._reorder_s = reorder_s
        self._max_holes = max_holes
        self._holes: dict[int, _Hole] = {}
        self.due_at = math.inf
        """When :meth:`due` next has something to say."""

    def __contains__(self, seq: int) -> bool:
        return seq in self._holes

    @property
    def missing(self) -> list[int]:
        """Numbers still asked for, in order."""
        return sorted(self._holes)

    def add(self, seq: int, due_s: float, now: float) -> None:
        """A packet was found missing, which would have come at ``due_s``."""
        next_s = now + self._reorder_s
        if due_s + self.deadline_s <= next_s:
            self.given_up += 1
            return
        if len(self._holes) >= self._max_holes:
            del self._holes[next(iter(self._holes))]
            self.given_up += 1
        self._holes[seq] = _Hole(due_s, next_s)
        self.due_at = min(self.due_at, next_s)

    def arrived(self, seq: int, now: float) -> bool:
        """A packet that may have been missing is there; returns whether it had been asked for."""
        hole = self._holes.pop(seq, None)
        if hole is None or not hole.asked:
            return False
        # An answer that comes much sooner than a round trip after the newest request answers the one before it.
        recent_s = now - hole.last_s
        early = hole.asked > 1 and recent_s < 0.7 * self.round_trip.rtt_s
        if hole.asked <= 2 or not early:
            self.round_trip.answered(now, hole.previous_s if early else hole.last_s)
        return True

    def forget(self, seq: int) -> None:
        """A packet is needed no longer."""
        self._holes.pop(seq, None)

    def due(self, now: float) -> list[int]:
        """The numbers to ask for now, in order (they count as asked for); the hopeless ones are given up."""
        if now < self.due_at:
            return []
        for seq in [seq for seq, hole in self._holes.items() if now >= hole.due_s + self.deadline_s]:
            del self._holes[seq]
            self.given_up += 1
        repeat_s = max(self.repeat_round_trips * self.round_trip.rtt_s, _SHORTEST_REPEAT_S)
        # Repeats that come due within a twentieth of a round trip go along, so that one packet asks for all.
        slack_s = repeat_s / 20
        chosen = sorted(
            seq for seq, hole in self._holes.items() if hole.next_s <= now + (slack_s if hole.asked else 0.0)
        )[:MAX_ASKED_AT_ONCE]
        for seq in chosen:
            hole = self._holes[seq]
            hole.asked += 1
            hole.previous_s, hole.last_s = hole.last_s, now
            hole.next_s = now + repeat_s
        self.asked += len(chosen)
        self.due_at = min(
            (min(hole.next_s, hole.due_s + self.deadline_s) for hole in self._holes.values()), default=math.inf
        )
        return chosen

    def clear(self) -> None:
        """Give up everything (the sender has begun anew)."""
        self.given_up += len(self._holes)
        self._holes.clear()
        self.due_at = math.inf

"""``hallcast-data``, the sending side: objects cut into pieces, sent by priority, sent again until they are delivered.

Pure. What was delivered and what was lost the caller learns from transport-wide feedback (:mod:`transport.twcc`), with
the :class:`Token` of each payload.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from lecture.ranges import Ranges
from transport.data_payload import (
    MAX_AHEAD,
    MAX_OBJECT_BYTES,
    OBJECT_OVERHEAD_BYTES,
    Piece,
    head_bytes,
    pack,
)

MAX_BEGUN_BYTES = 2 * MAX_OBJECT_BYTES
"""Objects of no more bytes than this are under way at once, half of what a receiver holds; the others wait."""

_LEAST_SPLIT_BYTES = 64
"""An object is not cut for the sake of less room than this."""


@dataclass(slots=True, eq=False, repr=False)
class _Object:
    id: int
    data: bytes
    text: bool
    priority: int
    pending: list[tuple[int, int]]  # stretches to send, in this order; of a withdrawn object: that it is, once
    waiting: int = 0  # their bytes, as counted in the lane
    number: int | None = None  # given when the first piece goes out
    acked: Ranges = field(default_factory=Ranges)
    withdrawn: bool = False
    done: bool = False

    @property
    def held_bytes(self) -> int:
        """What it costs the receiver until it is whole."""
        return len(self.data) + OBJECT_OVERHEAD_BYTES


@dataclass(slots=True)
class _Lane:
    """One priority: what is to be sent again goes before what is new."""

    again: dict[int, _Object] = field(default_factory=dict)
    fresh: dict[int, _Object] = field(default_factory=dict)
    waiting: int = 0


@dataclass(slots=True, eq=False, repr=False)
class Token:
    """Stands for one payload that was handed out: give it back to :meth:`DataSender.delivered` or ``lost``."""

    _pieces: tuple[tuple[_Object, Piece], ...]
    _lost: bool = False


class DataSender:
    """All data on its way to one receiver.

    *Messages* (text) arrive in the order in which they were first sent, which within one priority is the order of
    :meth:`put`. *Frames* (bytes) arrive each by itself. Lower numbers of priority are more urgent. The caller bounds
    what waits (:meth:`waiting_bytes`): nothing that was put is ever dropped here.

    :param max_payload_bytes: largest RTP payload to make.
    """

    def __init__(self, max_payload_bytes: int = 1100) -> None:
        self._max_payload_bytes = max_payload_bytes
        self._objects: dict[int, _Object] = {}
        self._next_id = 0
        self._lanes: dict[int, _Lane] = {}
        # Under way, by number. A message stays until all before it are delivered: so long the receiver holds it.
        self._messages: dict[int, _Object] = {}
        self._frames: dict[int, _Object] = {}
        self._next_message = 0
        self._next_frame = 0
        self._begun_bytes = 0

    def put(self, data: str | bytes, priority: int) -> int:
        """Send a message (``str``) or a frame (``bytes``); returns the object's id.

        :raises ValueError: if it is empty or larger than :data:`transport.data_payload.MAX_OBJECT_BYTES`.
        """
        text = isinstance(data, str)
        encoded = data.encode() if isinstance(data, str) else data
        if not 0 < len(encoded) <= MAX_OBJECT_BYTES:
            raise ValueError(f"an object of {len(encoded)} bytes cannot be sent")
        entry = _Object(self._next_id, encoded, text, priority, [(0, len(encoded))])
        self._next_id += 1
        self._objects[entry.id] = entry
        self._lane(priority).fresh[entry.id] = entry
        self._recount(entry)
        return entry.id

    def waiting_bytes(self, priority: int) -> int:
        """Bytes of exactly this priority not yet sent, or lost and to be sent again. Not 0 while anything waits."""
        lane = self._lanes.get(priority)
        return 0 if lane is None else lane.waiting

    def next_payload(self, priority: int, max_bytes: int) -> tuple[bytes, Token] | None:
        """The next payload, of this priority and more urgent ones; ``None`` where nothing of them waits or may go.

        :param max_bytes: of this payload, at most.
        """
        limit = min(max_bytes, self._max_payload_bytes)
        room = limit - 1
        taken: list[tuple[_Object, Piece]] = []
        for entry in self._candidates(priority):
            while entry.pending:
                piece = self._cut(entry, room, limit if taken else 0)
                if piece is None:
                    break
                room -= head_bytes(piece.number, piece.offset, len(piece.data)) + len(piece.data)
                taken.append((entry, piece))
            if entry.pending:
                break
        if not taken:
            return None
        return pack([piece for _, piece in taken]), Token(tuple(taken))

    def _candidates(self, priority: int) -> Iterator[_Object]:
        """Objects with something to send, in order; what they send is taken while this goes on."""
        for lane_priority in sorted(self._lanes):
            if lane_priority > priority:
                return
            lane = self._lanes[lane_priority]
            # The oldest first, however often it was lost: else what a page lacks of its legible version comes last.
            yield from sorted(lane.again.values(), key=lambda entry: entry.id)
            while lane.fresh:
                entry = next(iter(lane.fresh.values()))
                if entry.number is None and not self._may_begin(entry):
                    break
                yield entry

    def _may_begin(self, entry: _Object) -> bool:
        begun, number = (self._messages, self._next_message) if entry.text else (self._frames, self._next_frame)
        if begun and number - next(iter(begun)) >= MAX_AHEAD:
            return False
        return not self._begun_bytes or self._begun_bytes + entry.held_bytes <= MAX_BEGUN_BYTES

    def _cut(self, entry: _Object, room: int, empty_room: int) -> Piece | None:
        """Take the next piece of an object that fits, or none.

        :param empty_room: size of an empty payload if this one is not; what fits there whole is not cut for this one.
        """
        number = entry.number
        if number is None:
            number = self._next_message if entry.text else self._next_frame
        start, end = entry.pending[0]
        length = end - start
        whole = head_bytes(number, start, length) + length
        if whole > room:
            # A piece that fills the payload needs no length.
            length = min(length, room - head_bytes(number, start))
            least = end - start if entry.withdrawn or 1 + whole <= empty_room else _LEAST_SPLIT_BYTES
            if length < (least if empty_room else 1):
                return None
        if entry.number is None:
            self._begin(entry)
        if start + length < end:
            entry.pending[0] = start + length, end
        else:
            del entry.pending[0]
        self._recount(entry)
        last = not entry.withdrawn and start + length == len(entry.data)
        return Piece(not entry.text, number, start, last, entry.data[start : start + length], entry.withdrawn)

    def _begin(self, entry: _Object) -> None:
        if entry.text:
            entry.number = self._next_message
            self._messages[entry.number] = entry
            self._next_message += 1
        else:
            entry.number = self._next_frame
            self._frames[entry.number] = entry
            self._next_frame += 1
        self._begun_bytes += entry.held_bytes

    def delivered(self, token: Token) -> None:
        """The payload has arrived (also after it was given up for lost)."""
        for entry, piece in token._pieces:
            if entry.done:
                continue
            if piece.withdrawn:
                self._finish(entry)
                continue
            entry.acked.add(piece.offset, piece.offset + len(piece.data))
            if entry.acked.covers(0, len(entry.data)):
                self._finish(entry)
            elif token._lost and not entry.withdrawn:
                # It had been put in line again.
                entry.pending = [stretch for start, end in entry.pending for stretch in entry.acked.missing(start, end)]
                self._recount(entry)

    def lost(self, token: Token) -> None:
        """The payload is lost: what it carried and did not arrive otherwise goes to the front of its priority."""
        if token._lost:
            return
        token._lost = True
        for entry, piece in token._pieces:
            if entry.done:
                continue
            if entry.withdrawn:
                self._announce_withdrawal(entry)
                continue
            missing = entry.acked.missing(piece.offset, piece.offset + len(piece.data))
            entry.pending = missing + entry.pending
            self._line_up_again(entry)

    def set_priority(self, object_id: int, priority: int) -> None:
        """Move an object behind what waits in another priority; nothing happens if it has been delivered."""
        entry = self._objects.get(object_id)
        if entry is None or entry.priority == priority:
            return
        old, new = self._lane(entry.priority), self._lane(priority)
        old.waiting -= entry.waiting
        new.waiting += entry.waiting
        entry.priority = priority
        if old.again.pop(entry.id, None) is not None:
            new.again[entry.id] = entry
        elif old.fresh.pop(entry.id, None) is not None:
            new.fresh[entry.id] = entry

    def drop(self, object_id: int) -> None:
        """Withdraw an object that is superseded: what was not sent yet never will be. It may still arrive."""
        entry = self._objects.get(object_id)
        if entry is None or entry.withdrawn:
            return
        entry.withdrawn = True
        if entry.number is None:
            self._finish(entry)
        elif entry.pending:
            entry.pending = []
            self._announce_withdrawal(entry)

    def _announce_withdrawal(self, entry: _Object) -> None:
        """The receiver has to know that a number is not waited for."""
        entry.pending = [(0, 0)]
        self._line_up_again(entry)

    def _line_up_again(self, entry: _Object) -> None:
        lane = self._lane(entry.priority)
        lane.fresh.pop(entry.id, None)
        lane.again[entry.id] = entry
        self._recount(entry)

    def _recount(self, entry: _Object) -> None:
        """After a change of what an object has to send."""
        lane = self._lane(entry.priority)
        waiting = sum(max(1, end - start) for start, end in entry.pending)
        lane.waiting += waiting - entry.waiting
        entry.waiting = waiting
        if not waiting:
            lane.again.pop(entry.id, None)
            lane.fresh.pop(entry.id, None)

    def _finish(self, entry: _Object) -> None:
        entry.done = True
        entry.pending = []
        self._recount(entry)
        del self._objects[entry.id]
        if entry.number is None:
            return
        if not entry.text:
            del self._frames[entry.number]
            self._begun_bytes -= entry.held_bytes
            return
        while self._messages and (first := next(iter(self._messages.values()))).done:
            del self._messages[first.number or 0]
            self._begun_bytes -= first.held_bytes

    def is_pending(self, object_id: int) -> bool:
        """Whether an object is neither delivered nor withdrawn for good."""
        return object_id in self._objects

    def undelivered(self) -> list[tuple[int, str | bytes]]:
        """Priority and data of all that is not known to have arrived, for another carrier: by priority, and within
        one first the messages under way, then the frames under way, then what waits, each in the order of sending."""
        begun = [entry for kind in (self._messages, self._frames) for entry in kind.values() if not entry.done]
        out: dict[int, list[_Object]] = {}
        for entry in begun:
            out.setdefault(entry.priority, []).append(entry)
        for priority, lane in self._lanes.items():
            out.setdefault(priority, []).extend(entry for entry in lane.fresh.values() if entry.number is None)
        return [
            (priority, entry.data.decode() if entry.text else entry.data)
            for priority in sorted(out)
            for entry in out[priority]
            if not entry.withdrawn
        ]

    def clear(self) -> None:
        """Withdraw everything."""
        for object_id in list(self._objects):
            self.drop(object_id)

    def _lane(self, priority: int) -> _Lane:
        lane = self._lanes.get(priority)
        if lane is None:
            lane = self._lanes[priority] = _Lane()
        return lane

"""``hallcast-data``, the receiving side: pieces put together, messages put in order."""

from __future__ import annotations

from dataclasses import dataclass, field

from lecture.ranges import Ranges
from transport.data_payload import MAX_AHEAD, OBJECT_OVERHEAD_BYTES, Piece, parse
from transport.rtp import MalformedPacket

DEFAULT_MAX_BYTES = 4 << 20


@dataclass(slots=True)
class _Unfinished:
    data: bytearray = field(default_factory=bytearray)
    known: Ranges = field(default_factory=Ranges)
    size: int | None = None


class _Stream:
    """Objects of one kind, by their numbers: all below ``floor`` are done."""

    def __init__(self) -> None:
        self.floor = 0
        self.done: dict[int, str] = {}  # at or above the floor; messages wait here for their turn
        self.unfinished: dict[int, _Unfinished] = {}


class DataReceiver:
    """All data coming from one sender. Duplicates and any order of payloads do no harm.

    :param max_bytes: bound of what is held unfinished or waits for its turn. A sender of ours keeps well below, so
        nothing is ever dropped: reaching the bound is an error of the sender's.
    """

    def __init__(self, *, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._held_bytes = 0
        self._messages = _Stream()
        self._frames = _Stream()

    def push(self, payload: bytes) -> list[str | bytes]:
        """Take one RTP payload; returns what is complete now: messages (``str``) in order, frames as they complete.

        :raises MalformedPacket: if it contradicts itself or what came before, or the bound is reached. Nothing good
            can come from this sender any more.
        """
        ready: list[str | bytes] = []
        for piece in parse(payload):
            stream = self._frames if piece.frame else self._messages
            if piece.number < stream.floor or piece.number in stream.done:
                continue
            if piece.number - stream.floor >= MAX_AHEAD:
                raise MalformedPacket("data comes too far ahead of what has not come")
            if piece.withdrawn:
                self._forget(stream, piece.number)
                self._finish(stream, piece, None, ready)
            elif (data := self._assemble(stream, piece)) is not None:
                self._finish(stream, piece, data, ready)
        return ready

    def _assemble(self, stream: _Stream, piece: Piece) -> bytes | None:
        """The whole object, if this piece completes it."""
        end = piece.offset + len(piece.data)
        unfinished = stream.unfinished.get(piece.number)
        if unfinished is None:
            if piece.last and piece.offset == 0:
                return piece.data
            self._hold(OBJECT_OVERHEAD_BYTES)
            unfinished = stream.unfinished[piece.number] = _Unfinished()
        size = end if piece.last else unfinished.size
        if size is not None and (end > size or unfinished.known.end > size or unfinished.size not in (None, size)):
            raise MalformedPacket("pieces of data contradict each other about their end")
        grown = end - len(unfinished.data)
        if grown > 0:
            self._hold(grown)
            unfinished.data += bytes(grown)
        unfinished.size = size
        unfinished.data[piece.offset : end] = piece.data
        unfinished.known.add(piece.offset, end)
        if size is None or not unfinished.known.covers(0, size):
            return None
        self._forget(stream, piece.number)
        return bytes(unfinished.data)

    def _finish(self, stream: _Stream, piece: Piece, data: bytes | None, ready: list[str | bytes]) -> None:
        """An object is done: whole, or withdrawn (``None``)."""
        text = ""
        if piece.frame:
            if data is not None:
                ready.append(data)
        elif data is not None:
            try:
                text = data.decode()
            except UnicodeDecodeError as error:
                raise MalformedPacket("a message is not UTF-8") from error
        if piece.number != stream.floor:
            if text:
                self._hold(len(text) + OBJECT_OVERHEAD_BYTES)
            stream.done[piece.number] = text
            return
        stream.floor += 1
        if text:
            ready.append(text)
        while (text_due := stream.done.pop(stream.floor, None)) is not None:
            stream.floor += 1
            if text_due:
                self._held_bytes -= len(text_due) + OBJECT_OVERHEAD_BYTES
                ready.append(text_due)

    def _forget(self, stream: _Stream, number: int) -> None:
        unfinished = stream.unfinished.pop(number, None)
        if unfinished is not None:
            self._held_bytes -= len(unfinished.data) + OBJECT_OVERHEAD_BYTES

    def _hold(self, size_bytes: int) -> None:
        if self._held_bytes + size_bytes > self._max_bytes:
            raise MalformedPacket("too much data has begun to come and has not come whole")
        self._held_bytes += size_bytes

"""AV1 in RTP (AOMedia's "RTP Payload Format For AV1"): packetising, keyframes, temporal units put together again.

Frames are temporal units in the low-overhead format (each OBU with its size), without temporal delimiters.
"""

from __future__ import annotations

from collections.abc import Iterator

from transport.rtp import MalformedPacket

_CONTINUES, _WILL_CONTINUE, _NEW_SEQUENCE = 0x80, 0x40, 0x08  # Z, Y, N of the aggregation header
_SEQUENCE_HEADER, _TEMPORAL_DELIMITER, _TILE_LIST, _PADDING = 1, 2, 8, 15
_NOT_KEPT = frozenset({_TEMPORAL_DELIMITER, _TILE_LIST, _PADDING})
_MOST_COUNTED = 3  # elements that the aggregation header's W can count


def _read_leb128(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 56, 7):
        if at >= len(data):
            break
        value |= (data[at] & 0x7F) << shift
        at += 1
        if data[at - 1] < 0x80:
            return value, at
    raise MalformedPacket("an AV1 length is cut short")


def _leb128(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def elements(payload: bytes) -> Iterator[bytes]:
    """The OBU elements of a payload.

    :raises MalformedPacket: if lengths reach beyond it.
    """
    if len(payload) < 2:
        raise MalformedPacket("AV1 payload is cut short")
    count, at, number = payload[0] >> 4 & 3, 1, 0
    while at < len(payload):
        number += 1
        if number == count:  # W: the last of a stated number goes without a length
            size = len(payload) - at
        else:
            size, at = _read_leb128(payload, at)
        if at + size > len(payload):
            raise MalformedPacket("an AV1 element reaches beyond its payload")
        yield payload[at : at + size]
        at += size
    if number < count:
        raise MalformedPacket("an AV1 payload has fewer elements than it says")


def starts_keyframe(payload: bytes) -> bool:
    """Whether a payload is the first of a coded video sequence: it says so, or begins with a sequence header.

    :raises MalformedPacket: if it is not AV1.
    """
    if len(payload) < 2:
        raise MalformedPacket("AV1 payload is cut short")
    if payload[0] & _CONTINUES:
        return False
    return bool(payload[0] & _NEW_SEQUENCE) or any(
        element and element[0] >> 3 & 0x0F == _SEQUENCE_HEADER for element in elements(payload)
    )


class Av1Frame:
    """Collects one temporal unit's payloads."""

    def __init__(self) -> None:
        self._obus: list[bytes] = []
        self._open: list[bytes] | None = None

    @staticmethod
    def can_begin(payload: bytes, *, after_hole: bool) -> bool:
        """Whether a temporal unit can begin with this payload."""
        return bool(payload) and not payload[0] & _CONTINUES

    def add(self, payload: bytes) -> int:
        """Take the next payload; returns the bytes it adds.

        :raises MalformedPacket: if it is not AV1, or does not follow on.
        """
        parts = list(elements(payload))
        continues = bool(payload[0] & _CONTINUES)
        if continues != (self._open is not None):
            raise MalformedPacket("an AV1 fragment does not follow on")
        for number, part in enumerate(parts):
            if number == 0 and self._open is not None:
                self._open.append(part)
            else:
                self._open = [part]
            if number < len(parts) - 1 or not payload[0] & _WILL_CONTINUE:
                self._obus.append(b"".join(self._open))
                self._open = None
        return len(payload)

    def finish(self) -> tuple[bytes, bool]:
        """The temporal unit, and whether a coded video sequence begins with it.

        :raises MalformedPacket: if it ends within an OBU, or has none.
        """
        if self._open is not None:
            raise MalformedPacket("an AV1 temporal unit ends within an OBU")
        out = bytearray()
        keyframe = False
        for obu in self._obus:
            if not obu:
                continue
            kind = obu[0] >> 3 & 0x0F
            keyframe |= kind == _SEQUENCE_HEADER
            if kind not in _NOT_KEPT:
                out += _with_size(obu)
        if not out:
            raise MalformedPacket("an AV1 temporal unit without content")
        return bytes(out), keyframe


def _with_size(obu: bytes) -> bytes:
    head_bytes = 2 if obu[0] & 0x04 else 1
    if obu[0] & 0x02:  # it brings its size along
        return obu
    if len(obu) < head_bytes:
        raise MalformedPacket("an AV1 OBU is cut short")
    body = obu[head_bytes:]
    return bytes((obu[0] | 0x02,)) + obu[1:head_bytes] + _leb128(len(body)) + body


def obus(unit: bytes) -> Iterator[bytes]:
    """The OBUs of a temporal unit in the low-overhead format, each without its size.

    :raises MalformedPacket: if an OBU brings no size, or reaches beyond the unit.
    """
    at = 0
    while at < len(unit):
        head_bytes = 2 if unit[at] & 0x04 else 1
        if not unit[at] & 0x02 or at + head_bytes > len(unit):
            raise MalformedPacket("an AV1 OBU without its size")
        size, begin = _read_leb128(unit, at + head_bytes)
        if begin + size > len(unit):
            raise MalformedPacket("an AV1 OBU reaches beyond its temporal unit")
        head = bytes((unit[at] & ~0x02,)) + unit[at + 1 : at + head_bytes]
        yield head + unit[begin : begin + size]
        at = begin + size


class Av1Packetiser:
    """Cuts temporal units into payloads. OBUs travel without sizes; an aggregation header says what continues."""

    def __init__(self, max_payload_bytes: int) -> None:
        self._room = max_payload_bytes - 1

    def packetise(self, unit: bytes) -> list[bytes]:
        """The payloads of one temporal unit (in the low-overhead format).

        :raises MalformedPacket: if it is none, or has nothing to be sent.
        """
        kept = [obu for obu in obus(unit) if obu[0] >> 3 & 0x0F not in _NOT_KEPT]
        if not kept:
            raise MalformedPacket("an AV1 temporal unit without content")
        new_sequence = _NEW_SEQUENCE if any(obu[0] >> 3 & 0x0F == _SEQUENCE_HEADER for obu in kept) else 0
        payloads: list[bytes] = []
        continues = 0
        while kept:
            parts, cut = self._fill(kept)
            head = continues | (_WILL_CONTINUE if cut else 0) | (0 if payloads else new_sequence)
            count = len(parts) if len(parts) <= _MOST_COUNTED else 0
            sized = parts if count == 0 else parts[:-1]
            body = b"".join(_leb128(len(part)) + part for part in sized) + (b"" if count == 0 else parts[-1])
            payloads.append(bytes((head | count << 4,)) + body)
            continues = _CONTINUES if cut else 0
        return payloads

    def _fill(self, kept: list[bytes]) -> tuple[list[bytes], bool]:
        """Take off ``kept`` what goes into one payload; whether the last element is cut short.

        Room is reckoned as if each element had its length: a byte or two are given away, never too much taken.
        """
        parts: list[bytes] = []
        room = self._room
        while kept and room > 2:
            part = kept[0]
            fits = room - len(_leb128(min(len(part), room)))
            if len(part) > fits:
                parts.append(part[:fits])
                kept[0] = part[fits:]
                return parts, True
            parts.append(kept.pop(0))
            room -= len(_leb128(len(part))) + len(part)
        return parts, False

"""H264 in RTP (RFC 6184, packetisation modes 0 and 1): single NAL units, STAP-A and FU-A.

Frames are access units in Annex B (each NAL unit after ``00 00 00 01``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from transport.rtp import MalformedPacket

START_CODE = b"\0\0\0\1"
IDR, SPS, PPS, ACCESS_UNIT_DELIMITER, FILLER = 5, 7, 8, 9, 12
_STAP_A, _FU_A = 24, 28
_NOT_SENT = frozenset({ACCESS_UNIT_DELIMITER, FILLER})


def split_annex_b(data: bytes) -> list[bytes]:
    """The NAL units of an Annex B byte stream, without start codes and the zeros around them."""
    units: list[bytes] = []
    at = data.find(b"\0\0\1")
    while at >= 0:
        begin = at + 3
        at = data.find(b"\0\0\1", begin)
        unit = (data[begin:] if at < 0 else data[begin:at]).rstrip(b"\0")
        if unit:
            units.append(unit)
    return units


def split_avcc(data: bytes) -> list[bytes]:
    """The NAL units of an access unit with 4-byte lengths (as in MP4).

    :raises MalformedPacket: if a length reaches beyond the end.
    """
    units: list[bytes] = []
    at = 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "big")
        if at + 4 > len(data) or end > len(data):
            raise MalformedPacket("an H264 NAL unit reaches beyond its access unit")
        if end > at + 4:
            units.append(data[at + 4 : end])
        at = end
    return units


def split(data: bytes) -> list[bytes]:
    """The NAL units of an access unit in either form.

    :raises MalformedPacket: if it is in neither.
    """
    if data.startswith((START_CODE, b"\0\0\1")):
        return split_annex_b(data)
    return split_avcc(data)


def to_annex_b(units: Iterable[bytes]) -> bytes:
    """NAL units as Annex B."""
    return b"".join(START_CODE + unit for unit in units)


def parameter_sets(frame: bytes) -> bytes:
    """The SPS and PPS of an access unit, as Annex B (what muxers take as extradata); empty for none."""
    return to_annex_b(unit for unit in split(frame) if unit[0] & 0x1F in (SPS, PPS))


def _aggregated(payload: bytes) -> Iterator[bytes]:
    at = 1
    while at < len(payload):
        end = at + 2 + int.from_bytes(payload[at : at + 2], "big")
        if end > len(payload) or end == at + 2:
            raise MalformedPacket("an H264 aggregation contradicts itself")
        yield payload[at + 2 : end]
        at = end


def _kind(payload: bytes) -> int:
    if not payload:
        raise MalformedPacket("empty H264 payload")
    kind = payload[0] & 0x1F
    if kind == _FU_A and len(payload) < 3:
        raise MalformedPacket("H264 fragment is cut short")
    if kind == 0 or (kind > 23 and kind not in (_STAP_A, _FU_A)):
        raise MalformedPacket(f"H264 payload structure {kind} is not of packetisation mode 0 or 1")
    return kind


def starts_keyframe(payload: bytes) -> bool:
    """Whether a payload is the first of an IDR picture: its parameter sets, or where those come apart, its slice.

    :raises MalformedPacket: if it is not H264.
    """
    kind = _kind(payload)
    if kind == _FU_A:
        return payload[1] >= 0x80 and payload[1] & 0x1F in (IDR, SPS)
    if kind == _STAP_A:
        return any(unit[0] & 0x1F in (IDR, SPS) for unit in _aggregated(payload))
    return kind in (IDR, SPS)


class H264Frame:
    """Collects one access unit's payloads."""

    def __init__(self) -> None:
        self._units: list[bytes] = []
        self._fragments: list[bytes] | None = None

    @staticmethod
    def can_begin(payload: bytes, *, after_hole: bool) -> bool:
        """Whether an access unit can begin with this payload (and not go on with it).

        :param after_hole: what came before was lost. It may have been new parameter sets, so only they will do, or
            the delimiter that comes before them.
        :raises MalformedPacket: if it is not H264.
        """
        kind = _kind(payload)
        if after_hole:
            unit = next(_aggregated(payload), b"\0") if kind == _STAP_A else payload
            return unit[0] & 0x1F in (SPS, ACCESS_UNIT_DELIMITER)
        return kind != _FU_A or payload[1] >= 0x80

    def add(self, payload: bytes) -> int:
        """Take the next payload; returns the bytes it adds.

        :raises MalformedPacket: if it is not H264, or a fragment does not follow on.
        """
        kind = _kind(payload)
        if kind == _FU_A:
            self._add_fragment(payload)
        elif self._fragments is not None:
            raise MalformedPacket("an H264 fragment has no end")
        elif kind == _STAP_A:
            self._units += _aggregated(payload)
        else:
            self._units.append(payload)
        return len(payload)

    def _add_fragment(self, payload: bytes) -> None:
        head, flags = payload[0], payload[1]
        if flags & 0x80:
            if self._fragments is not None:
                raise MalformedPacket("an H264 fragment has no end")
            self._fragments = [bytes((head & 0xE0 | flags & 0x1F,))]
        if self._fragments is None:
            raise MalformedPacket("an H264 fragment has no beginning")
        self._fragments.append(payload[2:])
        if flags & 0x40:
            self._units.append(b"".join(self._fragments))
            self._fragments = None

    def finish(self) -> tuple[bytes, bool]:
        """The access unit in Annex B, and whether it is a keyframe.

        :raises MalformedPacket: if it ends within a fragment.
        """
        if self._fragments is not None:
            raise MalformedPacket("an H264 fragment has no end")
        return to_annex_b(self._units), any(unit[0] & 0x1F == IDR for unit in self._units)


class H264Packetiser:
    """Cuts access units into payloads: small NAL units together, large ones in fragments."""

    def __init__(self, max_payload_bytes: int) -> None:
        self._max_payload_bytes = max_payload_bytes

    def packetise(self, frame: bytes) -> list[bytes]:
        """The payloads of one access unit (Annex B or with 4-byte lengths).

        :raises MalformedPacket: if it is in neither form.
        """
        payloads: list[bytes] = []
        together: list[bytes] = []
        for unit in split(frame):
            if unit[0] & 0x1F in _NOT_SENT:
                continue
            size = 1 + sum(2 + len(other) for other in together) + 2 + len(unit)
            if together and size > self._max_payload_bytes:
                payloads.append(_join(together))
                together = []
            if len(unit) > self._max_payload_bytes:
                payloads += self._fragment(unit)
            else:
                together.append(unit)
        if together:
            payloads.append(_join(together))
        return payloads

    def _fragment(self, unit: bytes) -> Iterator[bytes]:
        room = self._max_payload_bytes - 2
        head, body = unit[0], unit[1:]
        count = -(-len(body) // room)
        size = -(-len(body) // count)
        for at in range(0, len(body), size):
            flags = (0x80 if at == 0 else 0) | (0x40 if at + size >= len(body) else 0)
            yield bytes((head & 0xE0 | _FU_A, flags | head & 0x1F)) + body[at : at + size]


def _join(units: list[bytes]) -> bytes:
    if len(units) == 1:
        return units[0]
    importance = max(unit[0] & 0x60 for unit in units)  # RFC 6184 5.7: the highest of those within
    return bytes((importance | _STAP_A,)) + b"".join(len(unit).to_bytes(2, "big") + unit for unit in units)

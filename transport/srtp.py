"""SRTP without copies that nobody needs.

pylibsrtp 1.0.0 takes and returns ``bytes`` and allocates twice per packet. One buffer that stays serves as well: its
content is protected in place and handed to ``sendto`` as a view (1.9 µs for 600 bytes where ``Session.protect`` takes
2.7). This touches pylibsrtp's private ``_srtp`` and ``_binding``.
"""

from __future__ import annotations

from typing import Any, Final

from pylibsrtp import Session, _binding

MAX_PACKET_BYTES: Final = 1500
"""Longest RTP or RTCP packet before protection."""

# libsrtp writes at most SRTP_MAX_TRAILER_LEN + 4 bytes behind a packet.
_TRAILER_BYTES = 16 + 128 + 4
_ffi: Any = _binding.ffi
_lib: Any = _binding.lib


class SrtpContext:
    """One direction of an SRTP session. Not thread-safe; a result is valid until the next call."""

    def __init__(self, session: Session) -> None:
        self._session = session  # keeps the C session alive
        self._srtp = session._srtp[0]
        self._data = _ffi.new("char[]", MAX_PACKET_BYTES + _TRAILER_BYTES)
        self._view = memoryview(_ffi.buffer(self._data))
        self._length = _ffi.new("int *")

    def protect(self, packet: bytes | bytearray | memoryview) -> memoryview | None:
        """Encrypt an RTP packet; ``None`` where libsrtp refuses it (malformed, or its index too old).

        :raises ValueError: the packet is longer than :data:`MAX_PACKET_BYTES`.
        """
        return self._process(packet, _lib.srtp_protect)

    def protect_rtcp(self, packet: bytes | bytearray | memoryview) -> memoryview | None:
        """Encrypt a compound RTCP packet."""
        return self._process(packet, _lib.srtp_protect_rtcp)

    def unprotect(self, packet: bytes) -> memoryview | None:
        """Decrypt an RTP packet; ``None`` where it is not authentic, or a replay."""
        return self._process(packet, _lib.srtp_unprotect)

    def unprotect_rtcp(self, packet: bytes) -> memoryview | None:
        """Decrypt a compound RTCP packet."""
        return self._process(packet, _lib.srtp_unprotect_rtcp)

    def _process(self, packet: bytes | bytearray | memoryview, function: Any) -> memoryview | None:
        size = len(packet)
        if size > MAX_PACKET_BYTES:
            raise ValueError(f"a packet of {size} bytes is longer than {MAX_PACKET_BYTES}")
        self._view[:size] = packet
        self._length[0] = size
        if function(self._srtp, self._data, self._length) != _lib.srtp_err_status_ok:
            return None
        return self._view[: self._length[0]]

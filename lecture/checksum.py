"""CRC-32C (Castagnoli, RFC 3720 appendix B.4) of entries and blobs, the same in the lecture file and on the wire; how a
SHA-256 is written there."""

from __future__ import annotations

import re
import struct

import google_crc32c

from lecture.entries import Entry

SHA256_HEX = re.compile(r"[0-9a-f]{64}")

_HEAD = struct.Struct("!BBHQI")  # kind, flags, track_id, t_ms, duration_ms


def crc32c(data: bytes) -> int:
    """CRC-32C of ``data``."""
    return int(google_crc32c.value(data))


def entry_crc32c(entry: Entry) -> int:
    """CRC-32C over an entry's kind u8, flags u8, track_id u16, t_ms u64, duration_ms u32 (big-endian) and payload.

    ``seq`` is left out: it says where a log keeps the entry, not what it is.

    :raises struct.error: if a number does not fit its field.
    """
    head = _HEAD.pack(entry.kind, entry.flags, entry.track_id, entry.t_ms, entry.duration_ms)
    return int(google_crc32c.extend(google_crc32c.value(head), entry.payload))

"""Data as scripts: a page that was opened from a folder may load those, and images and films, but read no other file.

A script holds bytes as a string of characters below 256 in the encoding windows-1252, which browsers read and which has
a character for every byte: 2 % more than the bytes themselves, where base64 would take 33 %. The page's side of this is
``relay/pages/lib/replay-pack.js``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

_ESCAPED = re.compile(rb'[\\"\r\n\0]')
_ESCAPES = {b"\\": b"\\\\", b'"': b'\\"', b"\r": b"\\r", b"\n": b"\\n", b"\0": b"\\x00"}


def facts_script(name: str, facts: object) -> bytes:
    """A script that brings anything that JSON can say."""
    return f"hallcastPack({json.dumps(name)},{json.dumps(facts, separators=(',', ':'))});\n".encode("ascii")


def bytes_script(name: str, pieces: Sequence[bytes]) -> bytes:
    """A script that brings pieces of bytes."""
    lengths = json.dumps([len(piece) for piece in pieces], separators=(",", ":"))
    text = _ESCAPED.sub(lambda found: _ESCAPES[found[0]], b"".join(pieces))
    return f"hallcastPack({json.dumps(name)},{lengths},".encode("ascii") + b'"' + text + b'");\n'

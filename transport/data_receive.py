"""``hallcast-data``, the receiving side: pieces put together, messages put in order."""

from __future__ import annotations

DEFAULT_MAX_BYTES = 4 << 20


class DataReceiver:
    """All data coming from one sender. Duplicates and any order of payloads do no harm.

    :param max_bytes: bound of what is held unfinished or waits for its turn. A sender of ours keeps well below.
    """

    def __init__(self, *, max_bytes: int = DEFAULT_MAX_BYTES) -> None: ...

    def push(self, payload: bytes) -> list[str | bytes]:
        """Take one RTP payload; returns what is complete now: messages (``str``) in order, frames as they complete.

        :raises MalformedPacket: if it contradicts itself or what came before, or the bound is reached.
        """
        raise NotImplementedError

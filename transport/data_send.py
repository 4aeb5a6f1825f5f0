"""``hallcast-data``, the sending side: objects cut into pieces, sent by priority, sent again until they are delivered.

Pure. What was delivered and what was lost the caller learns from transport-wide feedback (:mod:`transport.twcc`), with
the :class:`Token` of each payload.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class Token:
    """Stands for one payload that was handed out: give it back to :meth:`DataSender.delivered` or ``lost``."""


class DataSender:
    """All data on its way to one receiver.

    *Messages* (text) arrive in the order in which they were first sent, which within one priority is the order of
    :meth:`put`. *Frames* (bytes) arrive each by itself. Lower numbers of priority are more urgent.

    :param max_payload_bytes: largest RTP payload to make.
    """

    def __init__(self, max_payload_bytes: int = 1100) -> None: ...

    def put(self, data: str | bytes, priority: int) -> int:
        """Send a message (``str``) or a frame (``bytes``); returns the object's id.

        :raises ValueError: if it is empty or larger than :data:`transport.data_payload.MAX_OBJECT_BYTES`.
        """
        raise NotImplementedError

    def waiting_bytes(self, priority: int) -> int:
        """Bytes of exactly this priority not yet sent, or lost and to be sent again. Not 0 while anything waits."""
        raise NotImplementedError

    def next_payload(self, priority: int, max_bytes: int) -> tuple[bytes, Token] | None:
        """The next payload, of this priority and more urgent ones; ``None`` where nothing of them waits or may go.

        :param max_bytes: of this payload, at most.
        """
        raise NotImplementedError

    def delivered(self, token: Token) -> None:
        """The payload has arrived (also after it was given up for lost)."""
        raise NotImplementedError

    def lost(self, token: Token) -> None:
        """The payload is lost: what it carried and did not arrive otherwise goes to the front of its priority."""
        raise NotImplementedError

    def set_priority(self, object_id: int, priority: int) -> None:
        """Move an object behind what waits in another priority; nothing happens if it has been delivered."""
        raise NotImplementedError

    def drop(self, object_id: int) -> None:
        """Withdraw an object that is superseded: what was not sent yet never will be. It may still arrive."""
        raise NotImplementedError

    def undelivered(self) -> list[tuple[int, str | bytes]]:
        """Priority and data of all that is not known to have arrived, in the order of sending (for another carrier)."""
        raise NotImplementedError

    def clear(self) -> None:
        """Withdraw everything."""
        raise NotImplementedError

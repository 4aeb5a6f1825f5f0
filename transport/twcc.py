"""Transport-wide feedback: which packets of a connection arrived and when, at the receiver and at the sender
(draft-holmer-rmcat-transport-wide-cc-extensions-01).

Every RTP packet of a connection, whatever its source, carries one more number of 16 bits that rises by one per packet.
The receiver tells from time to time which numbers arrived, and when by its own clock.

Pure: ``now`` is an argument, in seconds of any monotonic clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from transport import rtcp


def stamp(packet: bytearray, offset: int, sequence16: int) -> None:
    """Write a transport-wide sequence number (see :attr:`transport.send.SendStream.transport_sequence_offset`)."""
    packet[offset] = sequence16 >> 8
    packet[offset + 1] = sequence16 & 0xFF


def sequence_of(extensions: Mapping[int, bytes], extension_id: int) -> int | None:
    """The transport-wide sequence number among a packet's header extensions, ``None`` where there is none."""
    raise NotImplementedError


@dataclass(slots=True)
class Outcome:
    """What became of one sent packet.

    :ivar sequence: its transport-wide sequence number, unwrapped.
    :ivar size_bytes: as given to :meth:`SentLog.sent`.
    :ivar sent_s: ``now`` of its sending.
    :ivar arrival_s: its arrival by the receiver's clock, in seconds, unwrapped; ``None``: lost, as far as is known.
    :ivar token: as given to :meth:`SentLog.sent`.
    :ivar class_: as given to :meth:`SentLog.sent`.
    :ivar was_lost: it had been given out as lost before and has arrived after all.
    """

    sequence: int
    size_bytes: int
    sent_s: float
    arrival_s: float | None = None
    token: object = None
    class_: int = 0
    was_lost: bool = False


class SentLog:
    """What a sender has sent over one connection and not yet heard of.

    Each packet comes out as arrived at most once, and as lost at most once before that. It is taken for lost when
    feedback speaks of it without an arrival, or when nothing was heard of it for long (:meth:`overdue`).
    """

    def sent(self, size_bytes: int, now: float, token: object = None, class_: int = 0) -> int:
        """Note one packet that goes out now; returns the number to :func:`stamp` on it.

        :param size_bytes: on the wire, with IP and UDP headers (UDP payload + 28).
        :param token: anything the caller wants back with the outcome.
        """
        raise NotImplementedError

    def feedback(self, packet: rtcp.TransportFeedback, now: float) -> list[Outcome]:
        """Digest feedback: what is newly known, in order of sending."""
        raise NotImplementedError

    def overdue(self, now: float, rtt_s: float) -> list[Outcome]:
        """Packets that were sent so long ago that feedback would have come; they count as lost from now on.

        :param rtt_s: round-trip time, queueing included.
        """
        raise NotImplementedError

    @property
    def in_flight_bytes(self) -> int:
        """Bytes sent and not yet heard of."""
        raise NotImplementedError

    @property
    def oldest_s(self) -> float | None:
        """When the oldest of them was sent, ``None`` with nothing in flight."""
        raise NotImplementedError


class FeedbackRecorder:
    """Notes arrivals and makes the feedback.

    With ``overlap`` each feedback repeats the window of the one before, as feedback gets lost too, and the last window
    before a silence is repeated once.

    :param local_ssrc: ours, for the RTCP.
    :param interval_s: least time between two feedback packets; may be changed at any time (0.1 to 1 s by uplink).
    """

    def __init__(self, local_ssrc: int, *, interval_s: float = 0.25, overlap: bool = True) -> None:
        self.local_ssrc = local_ssrc
        self.interval_s = interval_s
        self.overlap = overlap

    def arrived(self, sequence16: int, now: float) -> None:
        """Note the arrival of a packet with that transport-wide sequence number. Duplicates are ignored."""
        raise NotImplementedError

    @property
    def due_at(self) -> float:
        """When :meth:`poll` next has something to say, ``inf`` while there is nothing to tell."""
        raise NotImplementedError

    def poll(self, now: float) -> bytes | None:
        """An RTCP datagram (reduced size, RFC 5506) with the feedback, if it is due."""
        raise NotImplementedError

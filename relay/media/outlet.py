"""The one way to a peer over UDP: what is sent through it goes in the order of the classes, at the pace of the link."""

from __future__ import annotations

from typing import Protocol

from relay.adaptation.pacer import Class


class Outlet(Protocol):
    """Where a subscriber's streams hand over their packets. Nothing else writes RTP to that peer.

    :ivar transport_cc: whether packets carry the transport-wide sequence number. All streams of the peer are then made
        with ``SendStream.negotiated(..., transport_cc=True)``; the outlet fills the number in.
    """

    transport_cc: bool

    def send(self, packet: bytearray, class_: Class, now: float) -> None:
        """Send a finished RTP packet: control and live voice at once, others as soon as their turn comes.

        Of CAMERA at most a second waits; beyond that all of it is dropped (:meth:`camera_dropped`).
        """

    def camera_dropped(self) -> bool:
        """Whether waiting camera packets have been dropped since the last call: go on from the next keyframe."""

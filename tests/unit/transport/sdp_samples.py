"""Offers in files, and a transport to answer them with."""

from __future__ import annotations

from pathlib import Path

from transport.sdp import Fingerprint, LocalTransport

OFFERS = Path(__file__).parent / "offers"
LOCAL = LocalTransport(
    ufrag="hall",
    pwd="x" * 22,
    fingerprints=(Fingerprint("sha-256", ":".join(["AB"] * 32)),),
    candidates=("candidate:1 1 udp 2130706431 192.0.2.1 50000 typ host",),
)


def offer_text(name: str) -> str:
    """An offer with the line ends of RFC 8866."""
    return (OFFERS / f"{name}.sdp").read_text().replace("\n", "\r\n")


def offer_names() -> list[str]:
    """All of them."""
    return sorted(path.stem for path in OFFERS.glob("*.sdp"))

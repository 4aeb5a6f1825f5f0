"""Trickled candidates: ``application/trickle-ice-sdpfrag`` (RFC 8840), the body of a WHIP PATCH (RFC 9725 section 4.3)."""

from __future__ import annotations

from transport.sdp_types import Fragment


def parse_fragment(text: str) -> Fragment:
    """Read a fragment.

    :raises SdpError: ``sdp_malformed``, ``sdp_too_large``.
    """
    raise NotImplementedError


def build_fragment(fragment: Fragment) -> str:
    """Write a fragment."""
    raise NotImplementedError

"""Text to data: session descriptions (RFC 8866, RFC 8829)."""

from __future__ import annotations

from transport.sdp_types import Offer

MAX_SDP_BYTES = 64 * 1024
"""Longest description that is looked at; Chromium's offers with every codec take 8 kB."""


def parse_offer(text: str) -> Offer:
    """Read an offer (or an answer) of a WebRTC peer.

    :raises SdpError: ``sdp_malformed``, ``sdp_too_large``.
    """
    raise NotImplementedError

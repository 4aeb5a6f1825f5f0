"""Offers of our own peers: a streamer that publishes, a hall that listens."""

from __future__ import annotations

from typing import Literal

from transport.sdp_types import LocalTransport, NegotiatedMedia, OfferMedia, OfferSpec, RemoteTransport


def publisher_media(video_codec: Literal["VP8", "H264"] | None = "VP8", *, stereo: bool = False) -> OfferSpec:
    """What the streamer offers: Opus, and one video where ``video_codec`` is given; all sendonly."""
    raise NotImplementedError


def hall_media(
    *,
    camera: bool = True,
    voice: tuple[str, ...] = ("hallcast-voice", "opus"),
    camera_codecs: tuple[str, ...] = ("VP8", "H264", "VP9", "AV1"),
) -> OfferSpec:
    """What a hall offers: voice in the payloads it can take, best first, and the camera; all recvonly."""
    raise NotImplementedError


def make_offer(spec: OfferSpec, local: LocalTransport) -> str:
    """The text of our offer: one bundle, actpass, trickle."""
    raise NotImplementedError


def parse_answer(spec: OfferSpec, text: str) -> tuple[RemoteTransport, list[NegotiatedMedia]]:
    """Read the answer to the offer made from ``spec``; sections that were refused are missing in the list.

    :raises SdpError: ``sdp_malformed``, ``answer_mismatch`` (other sections than offered, codecs never offered, …).
    """
    raise NotImplementedError


_ = OfferMedia

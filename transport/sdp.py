"""Session descriptions: the offer/answer of RFC 8829 as far as one bundled transport needs it.

Codecs pass through untouched: nothing here knows how to encode anything. Text in, data out; no I/O.
All parsers raise :class:`transport.errors.SdpError` and nothing else, whatever the input.
"""

from __future__ import annotations

from transport.sdp_answer import make_answer
from transport.sdp_fragment import build_fragment, parse_fragment
from transport.sdp_offer import hall_media, make_offer, parse_answer, publisher_media
from transport.sdp_parse import MAX_SDP_BYTES, parse_offer
from transport.sdp_types import (
    ABS_SEND_TIME,
    AUDIO_LEVEL,
    HALL_CAMERA_CODECS,
    HALLCAST_DATA,
    HALLCAST_VOICE,
    MID,
    REPAIRED_RID,
    RID,
    TRANSPORT_CC,
    AnswerPolicy,
    Codec,
    Direction,
    Fingerprint,
    Fragment,
    LocalTransport,
    MediaFormat,
    NegotiatedMedia,
    Offer,
    OfferedMedia,
    OfferMedia,
    OfferSpec,
    RemoteTransport,
    Setup,
    random_ssrc,
)

__all__ = [
    "ABS_SEND_TIME",
    "AUDIO_LEVEL",
    "HALLCAST_DATA",
    "HALLCAST_VOICE",
    "HALL_CAMERA_CODECS",
    "MAX_SDP_BYTES",
    "MID",
    "REPAIRED_RID",
    "RID",
    "TRANSPORT_CC",
    "AnswerPolicy",
    "Codec",
    "Direction",
    "Fingerprint",
    "Fragment",
    "LocalTransport",
    "MediaFormat",
    "NegotiatedMedia",
    "Offer",
    "OfferMedia",
    "OfferSpec",
    "OfferedMedia",
    "RemoteTransport",
    "Setup",
    "build_fragment",
    "hall_media",
    "make_answer",
    "make_offer",
    "parse_answer",
    "parse_fragment",
    "parse_offer",
    "publisher_media",
    "random_ssrc",
]

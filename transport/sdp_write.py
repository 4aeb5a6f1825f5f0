"""Data to text: what answers and offers have in common."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator

from transport.sdp_types import (
    ABS_SEND_TIME,
    AUDIO_LEVEL,
    MID,
    REPAIRED_RID,
    RID,
    TRANSPORT_CC,
    Codec,
    LocalTransport,
    NegotiatedMedia,
)

STREAM_ID = "hallcast"

AUDIO_EXTENSIONS = frozenset({MID, AUDIO_LEVEL, ABS_SEND_TIME})
VIDEO_EXTENSIONS = frozenset({MID, RID, REPAIRED_RID, ABS_SEND_TIME})
DATA_EXTENSIONS = frozenset({MID})
AUDIO_FEEDBACK = frozenset({"nack"})
VIDEO_FEEDBACK = frozenset({"nack", "nack pli", "ccm fir", "goog-remb"})
DATA_FEEDBACK: frozenset[str] = frozenset()

_EXTENSIONS = {"audio": AUDIO_EXTENSIONS, "video": VIDEO_EXTENSIONS, "application": DATA_EXTENSIONS}
_FEEDBACK = {"audio": AUDIO_FEEDBACK, "video": VIDEO_FEEDBACK, "application": DATA_FEEDBACK}


def known_extensions(kind: str, *, transport_cc: bool) -> frozenset[str]:
    """Header extensions that our RTP understands."""
    known = _EXTENSIONS[kind]
    return known | {TRANSPORT_CC} if transport_cc else known


def known_feedback(kind: str, *, transport_cc: bool) -> frozenset[str]:
    """RTCP feedback that our RTP understands."""
    known = _FEEDBACK[kind]
    return known | {"transport-cc"} if transport_cc else known


def session_lines(mids: Iterable[str]) -> Iterator[str]:
    """Lines of the session part (RFC 8829 section 5.2.1)."""
    yield "v=0"
    yield f"o=- {secrets.randbits(62)} 2 IN IP4 127.0.0.1"
    yield "s=-"
    yield "t=0 0"
    if group := " ".join(mid for mid in mids if mid):
        yield f"a=group:BUNDLE {group}"
    yield "a=ice-options:trickle"
    yield f"a=msid-semantic: WMS {STREAM_ID}"


def transport_lines(local: LocalTransport, setup: str, *, tagged: bool) -> Iterator[str]:
    """Lines of the transport; candidates stand in the section that carries the bundle.

    Credentials are repeated in each section, which RFC 9143 does without: not every peer in the field does.
    """
    yield f"a=ice-ufrag:{local.ufrag}"
    yield f"a=ice-pwd:{local.pwd}"
    for entry in local.fingerprints:
        yield f"a=fingerprint:{entry.algorithm} {entry.value}"
    yield f"a=setup:{setup}"
    if tagged:
        yield from (f"a={candidate}" for candidate in local.candidates)
        yield "a=end-of-candidates"


def codec_lines(codec: Codec, feedback: Iterable[str], rtx_payload_type: int | None) -> Iterator[str]:
    """Lines of one payload format and its retransmissions."""
    yield f"a=rtpmap:{codec.payload_type} {codec.rtpmap}"
    yield from (f"a=rtcp-fb:{codec.payload_type} {entry}" for entry in sorted(feedback))
    if codec.fmtp:
        yield f"a=fmtp:{codec.payload_type} {codec.fmtp}"
    if rtx_payload_type is not None:
        yield f"a=rtpmap:{rtx_payload_type} rtx/{codec.clock_rate}"
        yield f"a=fmtp:{rtx_payload_type} apt={codec.payload_type}"


def red_lines(codec: Codec, red_payload_type: int) -> Iterator[str]:
    """Lines of the redundant form (RFC 2198 section 5) of a payload format, with one copy or more."""
    yield f"a=rtpmap:{red_payload_type} red/{codec.clock_rate}/{codec.channels}"
    yield f"a=fmtp:{red_payload_type} {codec.payload_type}/{codec.payload_type}"


def source_lines(kind: str, ssrc: int, rtx_ssrc: int | None, cname: str) -> Iterator[str]:
    """Lines that announce what we send (RFC 8830, RFC 5576)."""
    yield f"a=msid:{STREAM_ID} {STREAM_ID}-{kind}"
    if rtx_ssrc is not None:
        yield f"a=ssrc-group:FID {ssrc} {rtx_ssrc}"
    for number in (ssrc,) if rtx_ssrc is None else (ssrc, rtx_ssrc):
        yield f"a=ssrc:{number} cname:{cname}"


def extension_lines(media: NegotiatedMedia) -> Iterator[str]:
    """Lines of the header extensions."""
    return (f"a=extmap:{number} {uri}" for uri, number in sorted(media.extensions.items(), key=lambda item: item[1]))


def join(lines: Iterable[str]) -> str:
    """Lines to text."""
    return "".join(f"{line}\r\n" for line in lines)

"""What a session description says, as data."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]
Setup = Literal["actpass", "active", "passive"]

MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
RID = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
REPAIRED_RID = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
AUDIO_LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
ABS_SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
TRANSPORT_CC = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"

HALLCAST_VOICE = "hallcast-voice"
"""Encoding name of the voice payload between relay and our hall (``docs/protocol.md``)."""

HALLCAST_DATA = "hallcast-data"
"""Encoding name of the data payload between relay and our hall (``docs/protocol.md``)."""


def random_ssrc() -> int:
    """A fresh SSRC (RFC 3550 section 8); never 0, which some feedback messages use for *none*."""
    return secrets.randbelow(0xFFFFFFFE) + 1


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Digest of a DTLS certificate (RFC 8122): ``algorithm`` as in SDP (``sha-256``), ``value`` as ``AB:CD:…``."""

    algorithm: str
    value: str


@dataclass(frozen=True, slots=True)
class LocalTransport:
    """What we tell the other side about our one bundled transport.

    :param candidates: candidate attribute values without ``a=`` (``candidate:… typ host``).
    """

    ufrag: str
    pwd: str
    fingerprints: tuple[Fingerprint, ...]
    candidates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RemoteTransport:
    """What the other side told us about its transport.

    :param setup: its DTLS role as offered or answered (RFC 8842); we are the DTLS server only for ``active``.
    :param candidates: candidate attribute values without ``a=``.
    """

    ufrag: str
    pwd: str
    fingerprints: tuple[Fingerprint, ...]
    setup: Setup = "actpass"
    candidates: tuple[str, ...] = ()
    ice_lite: bool = False


@dataclass(frozen=True, slots=True)
class Codec:
    """One payload format of a media section (RFC 8866 ``rtpmap`` and ``fmtp``).

    :param fmtp: format parameters exactly as written, empty for none.
    """

    payload_type: int
    name: str
    clock_rate: int
    channels: int = 1
    fmtp: str = ""

    @property
    def parameters(self) -> dict[str, str]:
        """``fmtp`` as a dictionary, names in lower case."""
        pairs = (part.strip().partition("=") for part in self.fmtp.split(";") if part.strip())
        return {name.strip().lower(): value.strip() for name, _, value in pairs}

    @property
    def rtpmap(self) -> str:
        """Value of its ``rtpmap`` attribute after the payload type."""
        return f"{self.name}/{self.clock_rate}" + (f"/{self.channels}" if self.channels > 1 else "")

    def is_named(self, name: str) -> bool:
        """Encoding names compare without case (RFC 8866 section 6.6)."""
        return self.name.lower() == name.lower()


@dataclass(frozen=True, slots=True)
class OfferedMedia:
    """One media section of an offer (or of an answer), as written.

    :param index: its place in the description, from 0.
    :param kind: ``audio``, ``video``, ``application``, …
    :param mid: empty where the section names none.
    :param direction: as written by the other side.
    :param formats: formats of the m-line, as written.
    :param feedback: payload type to RTCP feedback (``nack``, ``nack pli``, …), wildcards resolved.
    :param rids_send: simulcast streams that it sends, in order.
    :param fid_ssrcs: primary SSRC to retransmission SSRC.
    """

    index: int
    kind: str
    mid: str
    protocol: str
    port: int
    direction: Direction
    formats: tuple[str, ...] = ()
    codecs: tuple[Codec, ...] = ()
    feedback: Mapping[int, frozenset[str]] = field(default_factory=dict)
    extensions: Mapping[str, int] = field(default_factory=dict)
    rtcp_mux: bool = False
    rtcp_rsize: bool = False
    rids_send: tuple[str, ...] = ()
    ssrcs: tuple[int, ...] = ()
    fid_ssrcs: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Offer:
    """A parsed offer.

    :param bundled: indices of the sections that share ``transport``: the first BUNDLE group, or one section alone.
    """

    media: tuple[OfferedMedia, ...]
    transport: RemoteTransport
    bundled: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MediaFormat:
    """A payload format that was agreed on, with the payload type of its retransmissions."""

    codec: Codec
    rtx_payload_type: int | None = None


@dataclass(frozen=True, slots=True)
class NegotiatedMedia:
    """What both sides agreed on for one media section.

    :param kind: ``audio``, ``video`` or ``application`` (``hallcast-data``).
    :param direction: ours.
    :param codec: the codec in use, with the payload type for both ways.
    :param also: further codecs that the one source may change to, from any packet on.
    :param feedback: RTCP feedback in use: ``nack``, ``nack pli``, ``ccm fir``, ``goog-remb``, ``transport-cc``.
    :param extensions: header extension URI to its id.
    :param remote_ssrcs: primary SSRCs that the other side announced (often none with simulcast).
    :param remote_rtx_ssrcs: announced primary SSRC to its retransmission SSRC.
    :param rids: simulcast streams we receive, in the sender's order; empty without simulcast.
    :param ssrc: the SSRC we send media with, or report with where we only receive.
    :param rtx_ssrc: the SSRC of our retransmissions, ``None`` where we do not send any that way.
    :param red_payload_type: payload type of redundant audio (RFC 2198, :mod:`transport.red`) whose blocks are all of
        ``codec``; ``None`` where it was not agreed on.
    """

    mid: str
    kind: str
    direction: Direction
    codec: Codec
    rtx_payload_type: int | None = None
    extensions: Mapping[str, int] = field(default_factory=dict)
    remote_ssrcs: tuple[int, ...] = ()
    remote_rtx_ssrcs: Mapping[int, int] = field(default_factory=dict)
    rids: tuple[str, ...] = ()
    feedback: frozenset[str] = frozenset()
    ssrc: int = 0
    rtx_ssrc: int | None = None
    also: tuple[MediaFormat, ...] = ()
    red_payload_type: int | None = None

    @property
    def formats(self) -> tuple[MediaFormat, ...]:
        """All formats that were agreed on, the first one first."""
        return (MediaFormat(self.codec, self.rtx_payload_type), *self.also)

    @property
    def sends(self) -> bool:
        """Whether media goes from us to the other side."""
        return self.direction in ("sendonly", "sendrecv")

    @property
    def receives(self) -> bool:
        """Whether media comes from the other side to us."""
        return self.direction in ("recvonly", "sendrecv")


HALL_CAMERA_CODECS = ("AV1", "VP8", "H264", "VP9")
"""In what a camera may come to a hall, best first."""


@dataclass(frozen=True, slots=True)
class AnswerPolicy:
    """What we take from an offer.

    :param direction: ours: ``recvonly`` towards publishers, ``sendonly`` towards players.
    :param audio_codecs: acceptable audio codecs, best first.
    :param video_codecs: acceptable video codecs, best first; empty refuses video.
    :param max_audio: sections of audio that are accepted, the first ones; the rest is refused with port 0.
    :param max_video: likewise of video.
    :param max_video_codecs: codecs taken in one section of video, the best ones.
    :param require_audio: without an audio section for us the offer is refused (``offer_without_audio``).
    :param audio_nack: ask for and answer retransmission of audio even where it was not offered.
    :param transport_cc: take transport-wide feedback where offered (Chromium then sends no REMB).
    :param red: take redundant audio (RFC 2198) where it is offered for the codec in use.
    :param data: take one section of ``hallcast-data``.
    :param simulcast: receive the rids that a publisher offers; else its first one alone.
    :param opus_parameters: set in the answer's Opus ``fmtp`` over what was offered.
    :param h264_profile: ``profile-level-id`` to prefer among several H264 formats (its first four digits count).
    """

    direction: Literal["recvonly", "sendonly"] = "recvonly"
    audio_codecs: tuple[str, ...] = ("opus",)
    video_codecs: tuple[str, ...] = ("VP8", "H264", "VP9", "AV1")
    max_audio: int = 1
    max_video: int = 1
    max_video_codecs: int = 1
    require_audio: bool = True
    audio_nack: bool = True
    transport_cc: bool = False
    red: bool = False
    data: bool = False
    simulcast: bool = True
    opus_parameters: Mapping[str, str] = field(default_factory=dict)
    h264_profile: str | None = None


@dataclass(frozen=True, slots=True)
class OfferMedia:
    """One media section of an offer of ours.

    :param codecs: codecs to offer, best first; see :func:`transport.sdp.publisher_media` and
        :func:`transport.sdp.hall_media` for the usual ones.
    :param rtx: offer retransmission by RFC 4588 for the video codecs (audio repeats the packet itself).
    """

    kind: Literal["audio", "video", "application"]
    direction: Literal["sendonly", "recvonly"]
    codecs: tuple[Codec, ...]
    rtx: bool = True
    ssrc: int = field(default_factory=random_ssrc)
    rtx_ssrc: int = field(default_factory=random_ssrc)


@dataclass(frozen=True, slots=True)
class OfferSpec:
    """An offer of ours; keep it, :func:`transport.sdp.parse_answer` needs it. Mids are "0", "1", … in order."""

    media: tuple[OfferMedia, ...]
    transport_cc: bool = False
    cname: str = field(default_factory=lambda: secrets.token_hex(8))


@dataclass(frozen=True, slots=True)
class Fragment:
    """A trickled ``application/trickle-ice-sdpfrag`` (RFC 8840).

    :param candidates: candidate attribute values without ``a=``.
    :param end: whether it ends the candidates.
    :param mid: the media section it names, empty for none.
    """

    candidates: tuple[str, ...] = ()
    ufrag: str | None = None
    pwd: str | None = None
    end: bool = False
    mid: str = ""

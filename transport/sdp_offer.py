"""Offers of our own peers: a streamer that publishes, a hall that listens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from transport.errors import SdpError
from transport.sdp_parse import parse_offer
from transport.sdp_types import (
    ABS_SEND_TIME,
    AUDIO_LEVEL,
    HALLCAST_DATA,
    HALLCAST_VOICE,
    MID,
    TRANSPORT_CC,
    Codec,
    LocalTransport,
    MediaFormat,
    NegotiatedMedia,
    OfferedMedia,
    OfferMedia,
    OfferSpec,
    RemoteTransport,
)
from transport.sdp_write import (
    codec_lines,
    extension_lines,
    join,
    known_extensions,
    known_feedback,
    session_lines,
    source_lines,
    transport_lines,
)
from transport.voice_payload import COPIES

_EXTENSION_IDS = {AUDIO_LEVEL: 1, ABS_SEND_TIME: 2, TRANSPORT_CC: 3, MID: 4}

_VOICE = {
    HALLCAST_VOICE: Codec(112, HALLCAST_VOICE, 48000, 1, f"{COPIES}=1"),
    "opus": Codec(111, "opus", 48000, 2, "minptime=10;useinbandfec=1"),
}

_DATA = Codec(120, HALLCAST_DATA, 1000)

# Video formats have even payload types, their retransmissions the next odd one.
_VIDEO = {
    "VP8": Codec(96, "VP8", 90000),
    "H264": Codec(102, "H264", 90000, 1, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"),
    "VP9": Codec(98, "VP9", 90000, 1, "profile-id=0"),
    "AV1": Codec(100, "AV1", 90000),
}


def publisher_media(
    video_codec: Literal["VP8", "H264"] | None = "VP8", *, stereo: bool = False, transport_cc: bool = False
) -> OfferSpec:
    """What the streamer offers: Opus, and one video where ``video_codec`` is given; all sendonly.

    :param stereo: the voice is sent in stereo (RFC 7587 ``sprop-stereo``).
    :param transport_cc: offer to take transport-wide feedback, instead of REMB.
    """
    opus = _VOICE["opus"]
    if stereo:
        opus = Codec(
            opus.payload_type, opus.name, opus.clock_rate, opus.channels, f"{opus.fmtp};stereo=1;sprop-stereo=1"
        )
    media = [OfferMedia("audio", "sendonly", (opus,), rtx=False)]
    if video_codec is not None:
        media.append(OfferMedia("video", "sendonly", (_VIDEO[video_codec],)))
    return OfferSpec(tuple(media), transport_cc=transport_cc)


def hall_media(
    *,
    camera: bool = True,
    voice: tuple[str, ...] = (HALLCAST_VOICE, "opus"),
    camera_codecs: tuple[str, ...] = ("VP8", "H264", "VP9", "AV1"),
    data: bool = False,
    transport_cc: bool = False,
) -> OfferSpec:
    """What a hall offers: voice in the payloads it can take, best first, the camera, and data; all recvonly.

    :param voice: of ``hallcast-voice`` and ``opus``.
    :param camera_codecs: of ``VP8``, ``H264``, ``VP9`` and ``AV1``.
    :param data: ``hallcast-data``, the carrier of events and pages; its sender learns of losses by transport-wide
        feedback alone, so that is offered as well.
    :param transport_cc: offer transport-wide feedback on every section.
    """
    media = [OfferMedia("audio", "recvonly", tuple(_VOICE[name] for name in voice), rtx=False)]
    if camera:
        media.append(OfferMedia("video", "recvonly", tuple(_VIDEO[name] for name in camera_codecs)))
    if data:
        media.append(OfferMedia("application", "recvonly", (_DATA,), rtx=False))
    return OfferSpec(tuple(media), transport_cc=transport_cc or data)


def make_offer(spec: OfferSpec, local: LocalTransport) -> str:
    """The text of our offer: one bundle, actpass, trickle."""
    lines = [*session_lines(str(index) for index in range(len(spec.media)))]
    for index, media in enumerate(spec.media):
        lines += _section(spec, index, media)
        lines += transport_lines(local, "actpass", tagged=index == 0)
    return join(lines)


def _section(spec: OfferSpec, index: int, media: OfferMedia) -> Iterator[str]:
    formats = [number for codec in media.codecs for number in _payload_types(media, codec)]
    yield f"m={media.kind} 9 UDP/TLS/RTP/SAVPF {' '.join(map(str, formats))}"
    yield "c=IN IP4 0.0.0.0"
    yield f"a=mid:{index}"
    yield f"a={media.direction}"
    yield "a=rtcp-mux"
    yield "a=rtcp-rsize"
    offered = _offered(spec, index, media, media.codecs[0])
    yield from extension_lines(offered)
    for codec in media.codecs:
        yield from codec_lines(codec, offered.feedback, codec.payload_type + 1 if media.rtx else None)
    if media.direction == "sendonly":
        yield from source_lines(media.kind, media.ssrc, offered.rtx_ssrc, spec.cname)


def _payload_types(media: OfferMedia, codec: Codec) -> tuple[int, ...]:
    return (codec.payload_type, codec.payload_type + 1) if media.rtx else (codec.payload_type,)


def _offered(spec: OfferSpec, index: int, media: OfferMedia, codec: Codec) -> NegotiatedMedia:
    """What we would have if all we offer were taken."""
    known = known_extensions(media.kind, transport_cc=spec.transport_cc)
    return NegotiatedMedia(
        mid=str(index),
        kind=media.kind,
        direction=media.direction,
        codec=codec,
        rtx_payload_type=codec.payload_type + 1 if media.rtx else None,
        extensions={uri: number for uri, number in _EXTENSION_IDS.items() if uri in known},
        feedback=_feedback(spec, media),
        ssrc=media.ssrc,
        rtx_ssrc=media.rtx_ssrc if media.rtx and media.direction == "sendonly" else None,
    )


def _feedback(spec: OfferSpec, media: OfferMedia) -> frozenset[str]:
    known = known_feedback(media.kind, transport_cc=spec.transport_cc)
    # One that sends by transport-wide feedback has no use for the receiver's own estimate.
    return known - {"goog-remb"} if spec.transport_cc and media.direction == "sendonly" else known


def parse_answer(spec: OfferSpec, text: str) -> tuple[RemoteTransport, list[NegotiatedMedia]]:
    """Read the answer to the offer made from ``spec``; sections that were refused are missing in the list.

    :raises SdpError: ``sdp_malformed``, ``sdp_too_large``, ``answer_mismatch`` (other sections than offered, codecs
        never offered, media outside the bundle, nothing taken).
    """
    answer = parse_offer(text)
    if len(answer.media) != len(spec.media):
        raise _mismatch("it has another number of media sections")
    agreed = []
    for index, (media, answered) in enumerate(zip(spec.media, answer.media, strict=True)):
        if answered.kind != media.kind or answered.mid not in ("", str(index)):
            raise _mismatch(f"media section {index} is another than offered")
        wanted = ("recvonly", "sendrecv") if media.direction == "sendonly" else ("sendonly", "sendrecv")
        if answered.port == 0 or answered.direction not in wanted:
            continue
        if index not in answer.bundled:
            raise _mismatch(f"media section {index} is not in the bundle")
        agreed.append(_agreed(spec, index, media, answered))
    if not agreed:
        raise _mismatch("it refuses everything")
    return answer.transport, agreed


def _agreed(spec: OfferSpec, index: int, media: OfferMedia, answered: OfferedMedia) -> NegotiatedMedia:
    formats = _formats(media, answered)
    if not formats:
        raise _mismatch(f"media section {index} has no codec that was offered")
    first, *others = formats
    offered = _offered(spec, index, media, first.codec)
    return NegotiatedMedia(
        mid=offered.mid,
        kind=offered.kind,
        direction=offered.direction,
        codec=first.codec,
        rtx_payload_type=first.rtx_payload_type,
        extensions={uri: n for uri, n in offered.extensions.items() if answered.extensions.get(uri) == n},
        remote_ssrcs=answered.ssrcs if media.direction == "recvonly" else (),
        remote_rtx_ssrcs=dict(answered.fid_ssrcs) if media.direction == "recvonly" else {},
        feedback=offered.feedback & answered.feedback[first.codec.payload_type],
        ssrc=offered.ssrc,
        rtx_ssrc=None if first.rtx_payload_type is None else offered.rtx_ssrc,
        also=tuple(others),
    )


def _formats(media: OfferMedia, answered: OfferedMedia) -> list[MediaFormat]:
    """What was offered and taken, in the answer's order."""
    taken = {codec.payload_type for codec in answered.codecs if codec.is_named("rtx")}
    formats = []
    for theirs in answered.codecs:
        ours = next((codec for codec in media.codecs if codec.payload_type == theirs.payload_type), None)
        if ours is None or not ours.is_named(theirs.name) or ours.clock_rate != theirs.clock_rate:
            continue
        rtx = theirs.payload_type + 1 if media.rtx and theirs.payload_type + 1 in taken else None
        formats.append(MediaFormat(theirs, rtx))
    return formats


def _mismatch(text: str) -> SdpError:
    return SdpError("answer_mismatch", f"The answer does not fit the offer: {text}.")

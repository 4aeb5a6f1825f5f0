"""The answerer (RFC 3264, RFC 8829 section 5.3): takes what a policy allows, refuses the rest, changes no codec."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

from transport.errors import SdpError
from transport.sdp_types import (
    HALLCAST_DATA,
    REPAIRED_RID,
    RID,
    AnswerPolicy,
    Codec,
    LocalTransport,
    MediaFormat,
    NegotiatedMedia,
    Offer,
    OfferedMedia,
    Setup,
    random_ssrc,
)
from transport.sdp_write import (
    codec_lines,
    extension_lines,
    join,
    known_extensions,
    known_feedback,
    red_lines,
    session_lines,
    source_lines,
    transport_lines,
)


def answer_setup(offered: Setup) -> Setup:
    """Our DTLS role for an offered one (RFC 8842 section 5.3): we begin the handshake unless the offerer insists."""
    return "passive" if offered == "active" else "active"


def make_answer(offer: Offer, policy: AnswerPolicy, local: LocalTransport) -> tuple[str, list[NegotiatedMedia]]:
    """Answer ``offer``: the answer's text, and what was agreed for each accepted media section, in order.

    Sections we do not take (data channels, surplus media, media outside the bundle) are refused with port 0.

    :raises SdpError: ``offer_without_audio``, ``no_common_codec``.
    """
    accepted = _accept(offer, policy)
    mids = [offer.media[index].mid for index in accepted]
    cname = secrets.token_hex(8)
    setup = answer_setup(offer.transport.setup)
    lines = [*session_lines(mids)]
    tagged = next(iter(accepted))
    for offered in offer.media:
        media = accepted.get(offered.index)
        if media is None:
            lines += _refusal(offered)
        else:
            lines += _section(offered, media, cname)
            lines += transport_lines(local, setup, tagged=offered.index == tagged)
    return join(lines), [accepted[index] for index in sorted(accepted)]


def _accept(offer: Offer, policy: AnswerPolicy) -> dict[int, NegotiatedMedia]:
    """Sections that we take, in the order of the answer's bundle."""
    room = {"audio": policy.max_audio, "video": policy.max_video, "application": int(policy.data)}
    accepted: dict[int, NegotiatedMedia] = {}
    audio_offered = False
    for index in offer.bundled:
        offered = offer.media[index]
        if not _suits(offered, policy):
            continue
        audio_offered = audio_offered or offered.kind == "audio"
        if room[offered.kind] > 0 and (media := _negotiate(offered, policy)) is not None:
            accepted[index] = media
            room[offered.kind] -= 1
    if policy.require_audio and not audio_offered:
        raise SdpError("offer_without_audio", "The offer has no audio to go with the lecture.")
    has_audio = any(media.kind == "audio" for media in accepted.values())
    if not accepted or (policy.require_audio and not has_audio):
        wanted = ", ".join((*policy.audio_codecs, *policy.video_codecs))
        raise SdpError("no_common_codec", f"The offer has none of the codecs that are taken here ({wanted}).")
    return accepted


def _suits(offered: OfferedMedia, policy: AnswerPolicy) -> bool:
    theirs = ("sendonly", "sendrecv") if policy.direction == "recvonly" else ("recvonly", "sendrecv")
    # Data channels are of kind application too, over SCTP: not for us.
    is_rtp = offered.kind in ("audio", "video", "application") and "RTP" in offered.protocol.upper()
    return is_rtp and offered.rtcp_mux and offered.direction in theirs


def _negotiate(offered: OfferedMedia, policy: AnswerPolicy) -> NegotiatedMedia | None:
    codecs = _choose_codecs(offered, policy)
    if not codecs:
        return None
    codec, *others = codecs
    feedback = offered.feedback[codec.payload_type] & known_feedback(offered.kind, transport_cc=policy.transport_cc)
    if offered.kind == "audio":
        codec = _with_opus_parameters(codec, policy)
        feedback |= {"nack"} if policy.audio_nack else set()
    known = known_extensions(offered.kind, transport_cc=policy.transport_cc)
    rids = (
        offered.rids_send if policy.simulcast and policy.direction == "recvonly" and RID in offered.extensions else ()
    )
    wanted = known if rids else known - {RID, REPAIRED_RID}
    rtx = _rtx_of(offered, codec)
    sends = policy.direction == "sendonly"
    return NegotiatedMedia(
        mid=offered.mid or str(offered.index),
        kind=offered.kind,
        direction=policy.direction,
        codec=codec,
        rtx_payload_type=rtx,
        extensions={uri: number for uri, number in offered.extensions.items() if uri in wanted},
        remote_ssrcs=() if sends else offered.ssrcs,
        remote_rtx_ssrcs={} if sends else dict(offered.fid_ssrcs),
        rids=rids,
        feedback=frozenset(feedback),
        ssrc=random_ssrc(),
        rtx_ssrc=random_ssrc() if sends and rtx is not None else None,
        also=tuple(MediaFormat(other, _rtx_of(offered, other)) for other in others),
        red_payload_type=_red_of(offered, codec) if policy.red else None,
    )


def _rtx_of(offered: OfferedMedia, codec: Codec) -> int | None:
    """Payload type of a codec's retransmissions (RFC 4588 section 8.1)."""
    for entry in offered.codecs:
        if entry.is_named("rtx") and entry.parameters.get("apt") == str(codec.payload_type):
            return entry.payload_type
    return None


def _red_of(offered: OfferedMedia, codec: Codec) -> int | None:
    """Payload type of redundancy of this codec with itself (RFC 2198 section 5)."""
    for entry in offered.codecs:
        same_clock = (entry.clock_rate, entry.channels) == (codec.clock_rate, codec.channels)
        if offered.kind == "audio" and entry.is_named("red") and same_clock:
            blocks = entry.fmtp.split("/")
            if len(blocks) > 1 and {block.strip() for block in blocks} == {str(codec.payload_type)}:
                return entry.payload_type
    return None


def _choose_codecs(offered: OfferedMedia, policy: AnswerPolicy) -> list[Codec]:
    """Our order of codecs decides, then the offerer's order of formats."""
    chosen: list[Codec] = []
    most = policy.max_video_codecs if offered.kind == "video" else 1
    names = {"audio": policy.audio_codecs, "video": policy.video_codecs, "application": (HALLCAST_DATA,)}
    for name in names[offered.kind]:
        formats = [codec for codec in offered.codecs if codec.is_named(name)]
        if not formats:
            continue
        if name.upper() == "H264":
            # Packets of one NAL unit each (mode 0) cannot carry pictures larger than a datagram's worth per slice.
            formats.sort(key=lambda codec: codec.parameters.get("packetization-mode") != "1")
            if policy.h264_profile is not None:
                wanted = policy.h264_profile[:4].lower()
                formats.sort(key=lambda codec: codec.parameters.get("profile-level-id", "")[:4].lower() != wanted)
        chosen.append(formats[0])
        if len(chosen) == most:
            break
    return chosen


def _with_opus_parameters(codec: Codec, policy: AnswerPolicy) -> Codec:
    if not policy.opus_parameters or not codec.is_named("opus"):
        return codec
    parameters = codec.parameters | dict(policy.opus_parameters)
    fmtp = ";".join(f"{name}={value}" if value else name for name, value in parameters.items())
    return Codec(codec.payload_type, codec.name, codec.clock_rate, codec.channels, fmtp)


def _section(offered: OfferedMedia, media: NegotiatedMedia, cname: str) -> Iterator[str]:
    types = ((entry.codec.payload_type, entry.rtx_payload_type) for entry in media.formats)
    formats = [number for pair in types for number in pair if number is not None]
    if media.red_payload_type is not None:
        formats.append(media.red_payload_type)
    yield f"m={offered.kind} 9 {offered.protocol} {' '.join(map(str, formats))}"
    yield "c=IN IP4 0.0.0.0"
    if offered.mid:
        yield f"a=mid:{offered.mid}"
    yield f"a={media.direction}"
    yield "a=rtcp-mux"
    if offered.rtcp_rsize:
        yield "a=rtcp-rsize"
    yield from extension_lines(media)
    for entry in media.formats:
        yield from codec_lines(entry.codec, media.feedback, entry.rtx_payload_type)
    if media.red_payload_type is not None:
        yield from red_lines(media.codec, media.red_payload_type)
    if media.rids:
        yield from (f"a=rid:{rid} recv" for rid in media.rids)
        yield f"a=simulcast:recv {';'.join(media.rids)}"
    if media.sends:
        yield from source_lines(media.kind, media.ssrc, media.rtx_ssrc, cname)


def _refusal(offered: OfferedMedia) -> Iterator[str]:
    yield f"m={offered.kind} 0 {offered.protocol} {' '.join(offered.formats)}"
    yield "c=IN IP4 0.0.0.0"
    if offered.mid:
        yield f"a=mid:{offered.mid}"
    yield "a=inactive"

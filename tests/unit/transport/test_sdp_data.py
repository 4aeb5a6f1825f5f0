"""The sections and formats beyond voice and camera: data, transport-wide feedback, redundant audio."""

from __future__ import annotations

import pytest

from tests.unit.transport.sdp_samples import LOCAL, offer_text
from tests.unit.transport.test_sdp import lines_of
from transport import rtcp
from transport.sdp import (
    HALLCAST_DATA,
    TRANSPORT_CC,
    AnswerPolicy,
    NegotiatedMedia,
    hall_media,
    make_answer,
    make_offer,
    parse_answer,
    parse_offer,
)
from transport.send import SendStream

TO_HALL = AnswerPolicy(
    direction="sendonly", audio_codecs=("hallcast-voice", "opus"), video_codecs=("VP8",), transport_cc=True, data=True
)


def agree(policy: AnswerPolicy, *, data: bool = True) -> tuple[str, list[NegotiatedMedia], list[NegotiatedMedia]]:
    spec = hall_media(data=data)
    answer, far = make_answer(parse_offer(make_offer(spec, LOCAL)), policy, LOCAL)
    _, near = parse_answer(spec, answer)
    return answer, far, near


def test_a_hall_and_the_relay_agree_on_data() -> None:
    answer, far, near = agree(TO_HALL)
    assert [entry.kind for entry in near] == [entry.kind for entry in far] == ["audio", "video", "application"]
    assert near[2].codec == far[2].codec
    assert near[2].codec.rtpmap == "hallcast-data/1000"
    assert near[2].codec.is_named(HALLCAST_DATA)
    assert near[2].receives
    assert far[2].sends
    assert near[2].remote_ssrcs == (far[2].ssrc,)
    assert far[2].rtx_ssrc is None
    assert far[2].feedback == near[2].feedback == {"transport-cc"}
    section = lines_of(answer, "2")
    assert section[0] == "application 9 UDP/TLS/RTP/SAVPF 120"
    assert "a=rtpmap:120 hallcast-data/1000" in section


def test_transport_wide_feedback_is_agreed_on_for_every_section_of_a_hall() -> None:
    _, far, near = agree(TO_HALL)
    for ours, theirs in zip(near, far, strict=True):
        assert ours.extensions[TRANSPORT_CC] == theirs.extensions[TRANSPORT_CC] == 3
        assert "transport-cc" in ours.feedback & theirs.feedback
        stream = SendStream.negotiated(theirs, transport_cc=True)
        assert stream.transport_sequence_offset == 17
        assert SendStream.negotiated(theirs).transport_sequence_offset is None


def test_sent_data_is_not_kept_for_retransmission() -> None:
    _, far, _ = agree(TO_HALL)
    for media, answered in ((far[0], 1), (far[2], 0)):
        stream = SendStream.negotiated(media, transport_cc=True)
        number = int.from_bytes(stream.send(b"payload", 0, False, 0)[2:4], "big")
        assert len(stream.handle_rtcp([rtcp.Nack(1, media.ssrc, (number,))], 5)) == answered


def test_a_relay_that_takes_no_data_refuses_the_section() -> None:
    answer, far, near = agree(AnswerPolicy(direction="sendonly", video_codecs=("VP8",)))
    assert [entry.kind for entry in near] == ["audio", "video"]
    assert lines_of(answer, "2")[0].startswith("application 0 ")
    assert TRANSPORT_CC not in far[0].extensions
    assert SendStream.negotiated(far[0], transport_cc=True).transport_sequence_offset is None


def test_a_hall_without_data_offers_neither() -> None:
    answer, _, near = agree(TO_HALL, data=False)
    assert "application" not in answer
    assert TRANSPORT_CC not in near[0].extensions


def test_data_channels_are_not_data_over_rtp() -> None:
    text = (
        offer_text("chromium_publish") + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:9\r\na=recvonly\r\n"
    )
    answer, media = make_answer(parse_offer(text), AnswerPolicy(data=True), LOCAL)
    assert [entry.kind for entry in media] == ["audio", "video"]
    assert "m=application 0 UDP/DTLS/SCTP webrtc-datachannel" in answer


def test_a_player_gets_redundant_audio_where_it_offers_it_for_the_codec_in_use() -> None:
    offer = parse_offer(offer_text("chromium_play"))
    policy = AnswerPolicy(direction="sendonly", red=True, transport_cc=True)
    answer, (audio, video) = make_answer(offer, policy, LOCAL)
    assert audio.red_payload_type == 63
    assert video.red_payload_type is None
    section = lines_of(answer, "0")
    assert section[0].endswith(" 111 63")
    assert {"a=rtpmap:63 red/48000/2", "a=fmtp:63 111/111"} <= set(section)
    assert audio.feedback >= {"nack", "transport-cc"}
    answer, (audio, _) = make_answer(offer, AnswerPolicy(direction="sendonly"), LOCAL)
    assert audio.red_payload_type is None
    assert " red/" not in answer


@pytest.mark.parametrize("fmtp", ["a=fmtp:63 0/111", "a=fmtp:63 111", "a=fmtp:63 110/110", "a=x:63"])
def test_redundancy_with_something_else_is_not_taken(fmtp: str) -> None:
    text = offer_text("chromium_play").replace("a=fmtp:63 111/111", fmtp)
    _, media = make_answer(parse_offer(text), AnswerPolicy(direction="sendonly", red=True), LOCAL)
    assert media[0].red_payload_type is None

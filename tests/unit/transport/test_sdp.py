"""Offers of real publishers and players, answered."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.transport.sdp_samples import LOCAL, offer_names, offer_text
from transport.errors import SdpError
from transport.sdp import (
    ABS_SEND_TIME,
    AUDIO_LEVEL,
    MID,
    REPAIRED_RID,
    RID,
    TRANSPORT_CC,
    AnswerPolicy,
    hall_media,
    make_answer,
    make_offer,
    parse_answer,
    parse_offer,
    publisher_media,
)

PUBLISHERS = [name for name in offer_names() if not name.endswith("_play")]
PLAYER = AnswerPolicy(direction="sendonly")


def lines_of(answer: str, mid: str) -> list[str]:
    """Lines of the media section with this mid."""
    sections = answer.split("m=")[1:]
    return next(section.splitlines() for section in sections if f"a=mid:{mid}\r\n" in section)


@pytest.mark.parametrize("name", PUBLISHERS)
def test_each_publisher_gets_its_voice_and_camera_taken(name: str) -> None:
    offer = parse_offer(offer_text(name))
    answer, media = make_answer(offer, AnswerPolicy(), LOCAL)
    assert sorted(entry.kind for entry in media) == ["audio", "video"]
    audio = next(entry for entry in media if entry.kind == "audio")
    assert audio.codec.is_named("opus")
    assert audio.direction == "recvonly"
    assert audio.receives
    assert not audio.sends
    assert audio.feedback == {"nack"}
    offered = next(entry for entry in offer.media if entry.mid == audio.mid)
    assert audio.codec in offered.codecs
    # The answer is itself a description that a peer can read, section by section that of the offer.
    answered = parse_offer(answer)
    assert [(entry.kind, entry.mid) for entry in answered.media] == [(entry.kind, entry.mid) for entry in offer.media]
    for entry in media:
        section = next(section for section in answered.media if section.mid == entry.mid)
        assert section.codecs[0] == entry.codec
        assert section.rtcp_mux
        assert dict(section.extensions) == entry.extensions
    assert answered.transport.candidates == LOCAL.candidates
    assert "a=end-of-candidates\r\n" in answer
    assert "a=ice-options:trickle\r\n" in answer


@pytest.mark.parametrize(
    ("name", "payload_type", "codec", "rtx"),
    [
        ("chromium_publish", 96, "VP8", 97),
        ("firefox_publish", 120, "VP8", 124),
        ("obs_publish", 96, "H264", None),
        ("gstreamer_publish", 96, "VP8", 97),
        ("ffmpeg_publish", 106, "H264", 105),
    ],
)
def test_the_camera_keeps_payload_type_and_retransmission(
    name: str, payload_type: int, codec: str, rtx: int | None
) -> None:
    _, media = make_answer(parse_offer(offer_text(name)), AnswerPolicy(), LOCAL)
    video = next(entry for entry in media if entry.kind == "video")
    assert (video.codec.payload_type, video.codec.name, video.rtx_payload_type) == (payload_type, codec, rtx)
    assert "nack" in video.feedback


@pytest.mark.parametrize(
    ("name", "setup"), [("chromium_publish", "active"), ("ffmpeg_publish", "active"), ("obs_publish", "active")]
)
def test_dtls_role(name: str, setup: str) -> None:
    answer, _ = make_answer(parse_offer(offer_text(name)), AnswerPolicy(), LOCAL)
    assert f"a=setup:{setup}\r\n" in answer
    insisting = (
        offer_text(name).replace("a=setup:actpass", "a=setup:active").replace("a=setup:passive", "a=setup:active")
    )
    answer, _ = make_answer(parse_offer(insisting), AnswerPolicy(), LOCAL)
    assert "a=setup:passive\r\n" in answer


def test_a_description_tells_the_transport_wherever_it_stands() -> None:
    obs = parse_offer(offer_text("obs_publish")).transport  # all at session level
    assert (obs.ufrag, obs.pwd, obs.setup) == ("tJ2q", "s8iBQf9NA8oJ3Pm5nFRGvk", "actpass")
    assert len(obs.candidates) == 2
    gstreamer = parse_offer(offer_text("gstreamer_publish")).transport  # all at media level
    assert gstreamer.ufrag == "pyxSn0Xg9+NbvTQ0bqCTW7ss1HDF9bBq"
    assert gstreamer.fingerprints[0].algorithm == "sha-256"


def test_candidates_of_other_transports_are_left_out() -> None:
    """Chromium has a port for each section until it knows that there will be a bundle."""
    candidates = parse_offer(offer_text("chromium_publish")).transport.candidates
    ports = {candidate.split()[5] for candidate in candidates if " udp " in candidate}
    assert "49702" in ports
    assert "54760" not in ports


def test_with_a_transport_for_each_section_that_of_the_audio_is_taken() -> None:
    text = offer_text("gstreamer_publish")
    video, audio = text.index("m=video"), text.index("m=audio")
    text = text[:video] + text[video:audio].replace("pyxSn0Xg9", "otherSn0X") + text[audio:]
    offer = parse_offer(text)
    assert offer.transport.ufrag.startswith("pyxSn0Xg9")
    answer, _ = make_answer(offer, AnswerPolicy(), LOCAL)
    assert "a=group:BUNDLE audio1 video0\r\n" in answer
    assert "a=candidate" in "".join(lines_of(answer, "audio1"))
    assert "a=candidate" not in "".join(lines_of(answer, "video0"))


def test_data_channels_are_refused() -> None:
    answer, media = make_answer(parse_offer(offer_text("chromium_publish")), AnswerPolicy(), LOCAL)
    assert "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n" in answer
    assert "a=group:BUNDLE 0 1\r\n" in answer
    assert [entry.mid for entry in media] == ["0", "1"]


@pytest.mark.parametrize("changes", [{"max_video": 0}, {"video_codecs": ()}, {"video_codecs": ("H263",)}])
def test_surplus_media_is_refused(changes: dict[str, object]) -> None:
    policy = replace(AnswerPolicy(), **changes)  # type: ignore[arg-type]
    answer, media = make_answer(parse_offer(offer_text("chromium_publish")), policy, LOCAL)
    assert [entry.kind for entry in media] == ["audio"]
    assert lines_of(answer, "1")[0].startswith("video 0 UDP/TLS/RTP/SAVPF 96 ")
    assert "a=group:BUNDLE 0\r\n" in answer


def test_media_outside_the_bundle_is_refused() -> None:
    text = offer_text("ffmpeg_publish").replace("a=group:BUNDLE 0 1", "a=group:BUNDLE 0")
    _, media = make_answer(parse_offer(text), AnswerPolicy(), LOCAL)
    assert [entry.mid for entry in media] == ["0"]
    _, media = make_answer(parse_offer(text.replace("a=group:BUNDLE 0\r\n", "")), AnswerPolicy(), LOCAL)
    assert [entry.mid for entry in media] == ["0"]


def test_simulcast_is_received() -> None:
    offer = parse_offer(offer_text("chromium_simulcast"))
    answer, media = make_answer(offer, AnswerPolicy(), LOCAL)
    video = media[1]
    assert video.rids == ("h", "m", "l")
    assert {RID, REPAIRED_RID, MID} <= set(video.extensions)
    section = lines_of(answer, "1")
    assert "a=simulcast:recv h;m;l" in section
    assert "a=rid:m recv" in section
    answer, media = make_answer(offer, AnswerPolicy(simulcast=False), LOCAL)
    assert media[1].rids == ()
    assert "simulcast" not in answer
    assert "a=rid" not in answer


def test_policy_decides_the_order_of_codecs() -> None:
    offer = parse_offer(offer_text("chromium_publish"))
    for name in ("H264", "VP9", "AV1", "VP8"):
        _, media = make_answer(offer, AnswerPolicy(video_codecs=(name, "VP8")), LOCAL)
        assert media[1].codec.name == name
    _, media = make_answer(offer, AnswerPolicy(video_codecs=("H264",), h264_profile="42e01f"), LOCAL)
    assert media[1].codec.parameters["profile-level-id"] == "42e01f"
    assert media[1].codec.parameters["packetization-mode"] == "1"


def test_opus_parameters_are_kept_and_can_be_set() -> None:
    offer = parse_offer(offer_text("obs_publish"))
    answer, media = make_answer(offer, AnswerPolicy(), LOCAL)
    fmtp = "minptime=10;maxaveragebitrate=96000;stereo=1;sprop-stereo=1;useinbandfec=1"
    assert media[0].codec.fmtp == fmtp
    assert f"a=fmtp:111 {fmtp}" in lines_of(answer, "0")
    answer, _ = make_answer(offer, AnswerPolicy(opus_parameters={"stereo": "0", "usedtx": "1"}), LOCAL)
    section = "\n".join(lines_of(answer, "0"))
    assert "stereo=0" in section
    assert "usedtx=1" in section
    assert "sprop-stereo=1" in section


def test_feedback_and_extensions() -> None:
    offer = parse_offer(offer_text("chromium_publish"))
    _, media = make_answer(offer, AnswerPolicy(), LOCAL)
    assert media[0].extensions == {AUDIO_LEVEL: 1, ABS_SEND_TIME: 2, MID: 4}
    assert media[1].feedback == {"nack", "nack pli", "ccm fir", "goog-remb"}
    assert TRANSPORT_CC not in media[1].extensions
    answer, media = make_answer(offer, AnswerPolicy(transport_cc=True, audio_nack=False), LOCAL)
    assert media[0].feedback == {"transport-cc"}
    assert media[0].extensions[TRANSPORT_CC] == media[1].extensions[TRANSPORT_CC] == 3
    assert "a=rtcp-fb:111 transport-cc" in lines_of(answer, "0")


def test_sources_are_known() -> None:
    _, media = make_answer(parse_offer(offer_text("ffmpeg_publish")), AnswerPolicy(), LOCAL)
    assert media[0].remote_ssrcs == (1469709442,)
    assert media[1].remote_ssrcs == (1469709443,)
    assert media[1].remote_rtx_ssrcs == {1469709443: 1469709444}


def test_a_player_is_told_our_sources() -> None:
    answer, media = make_answer(parse_offer(offer_text("chromium_play")), PLAYER, LOCAL)
    audio, video = media
    assert audio.sends
    assert video.sends
    assert video.rtx_ssrc is not None
    assert f"a=ssrc-group:FID {video.ssrc} {video.rtx_ssrc}" in lines_of(answer, "1")
    assert f"a=ssrc:{audio.ssrc}" in "\n".join(lines_of(answer, "0"))
    assert len({audio.ssrc, video.ssrc, video.rtx_ssrc}) == 3
    assert "a=sendonly" in lines_of(answer, "0")


@pytest.mark.parametrize(
    ("change", "error_id"),
    [
        (lambda text: "", "sdp_malformed"),
        (lambda text: "hello", "sdp_malformed"),
        (lambda text: text.replace("v=0", "v=1"), "sdp_malformed"),
        (lambda text: text + "no line of a description\r\n", "sdp_malformed"),
        (lambda text: text.replace("a=mid:1", "a=mid:0"), "sdp_malformed"),
        (lambda text: text.replace("a=mid:1", "a=mid:\x00"), "sdp_malformed"),
        (lambda text: text.replace("a=mid:1", "a=mid:\ud800"), "sdp_malformed"),
        (lambda text: text.replace("sha-256", "sha-1"), "sdp_malformed"),
        (lambda text: text.replace("a=ice-pwd", "a=x-pwd"), "sdp_malformed"),
        (lambda text: text.replace("a=setup:actpass", "a=setup:holdconn"), "sdp_malformed"),
        (lambda text: text.replace("m=audio 49702", "m=audio x"), "sdp_malformed"),
        (lambda text: text.replace("UDP/TLS/RTP/SAVPF 111 63", "\r\na=x:"), "sdp_malformed"),
        (lambda text: text + "m=audio 9 RTP/SAVPF 0\r\n" * 40, "sdp_malformed"),
        (lambda text: text + "a=x\r\n" * 20_000, "sdp_too_large"),
        (lambda text: text[: text.index("m=audio")] + text[text.index("m=video") :], "offer_without_audio"),
        (lambda text: text.replace("a=sendonly", "a=recvonly"), "offer_without_audio"),
        (lambda text: text.replace("a=sendonly", "a=inactive"), "offer_without_audio"),
        (lambda text: text.replace("m=audio", "m=image"), "offer_without_audio"),
        (lambda text: text.replace("a=rtcp-mux\r\n", ""), "offer_without_audio"),
        (lambda text: text.replace(" opus/", " speex/"), "no_common_codec"),
    ],
)
def test_bad_offers_are_refused_with_a_stable_id(change: object, error_id: str) -> None:
    assert callable(change)
    with pytest.raises(SdpError) as caught:
        make_answer(parse_offer(change(offer_text("chromium_publish"))), AnswerPolicy(), LOCAL)
    assert caught.value.error_id == error_id
    assert caught.value.text.endswith(".")


def test_video_alone_where_audio_is_not_required() -> None:
    text = offer_text("chromium_publish")
    text = text[: text.index("m=audio")] + text[text.index("m=video") :]
    _, media = make_answer(parse_offer(text), AnswerPolicy(require_audio=False), LOCAL)
    assert [entry.kind for entry in media] == ["video"]


def test_our_publisher_and_the_relay_agree() -> None:
    spec = publisher_media("H264", stereo=True)
    answer, far = make_answer(parse_offer(make_offer(spec, LOCAL)), AnswerPolicy(), LOCAL)
    remote, near = parse_answer(spec, answer)
    assert remote.setup == "active"
    assert remote.candidates == LOCAL.candidates
    for ours, theirs in zip(near, far, strict=True):
        assert ours.codec == theirs.codec
        assert ours.extensions == theirs.extensions
        assert ours.feedback == theirs.feedback
        assert ours.rtx_payload_type == theirs.rtx_payload_type
        assert theirs.remote_ssrcs == (ours.ssrc,)
        assert ours.sends
    assert far[1].remote_rtx_ssrcs == {near[1].ssrc: near[1].rtx_ssrc}
    assert "stereo=1" in near[0].codec.fmtp


@pytest.mark.parametrize("policy_codecs", [("hallcast-voice", "opus"), ("opus",)])
def test_our_hall_and_the_relay_agree(policy_codecs: tuple[str, ...]) -> None:
    spec = hall_media()
    policy = AnswerPolicy(direction="sendonly", audio_codecs=policy_codecs, video_codecs=("VP8",))
    answer, far = make_answer(parse_offer(make_offer(spec, LOCAL)), policy, LOCAL)
    _, near = parse_answer(spec, answer)
    assert near[0].codec.name == policy_codecs[0]
    assert near[1].codec.name == "VP8"
    assert near[0].remote_ssrcs == (far[0].ssrc,)
    assert near[1].remote_rtx_ssrcs == {far[1].ssrc: far[1].rtx_ssrc}
    assert near[0].receives
    assert "nack" in near[0].feedback


def test_a_hall_whose_camera_is_refused_still_has_the_voice() -> None:
    spec = hall_media()
    policy = AnswerPolicy(direction="sendonly", video_codecs=())
    answer, _ = make_answer(parse_offer(make_offer(spec, LOCAL)), policy, LOCAL)
    _, near = parse_answer(spec, answer)
    assert [entry.kind for entry in near] == ["audio"]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[: text.index("m=video")],
        lambda text: text.replace("m=video", "m=audio"),
        lambda text: text.replace("a=mid:1", "a=mid:7"),
        lambda text: text.replace("opus/48000", "opus/16000"),
        lambda text: text.replace("a=rtpmap:111", "a=rtpmap:110"),
        lambda text: text.replace("a=recvonly", "a=inactive"),
        lambda text: text.replace("a=group:BUNDLE 0 1", "a=group:BUNDLE 0"),
    ],
)
def test_answers_that_do_not_fit_are_refused(change: object) -> None:
    assert callable(change)
    spec = publisher_media()
    answer, _ = make_answer(parse_offer(make_offer(spec, LOCAL)), AnswerPolicy(), LOCAL)
    with pytest.raises(SdpError) as caught:
        parse_answer(spec, change(answer))
    assert caught.value.error_id == "answer_mismatch"

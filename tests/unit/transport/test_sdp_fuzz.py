"""Whatever comes in, an error of ours or a description that can be answered comes out, and soon."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.transport.sdp_samples import LOCAL, offer_names, offer_text
from transport.errors import SdpError
from transport.sdp import (
    MAX_SDP_BYTES,
    AnswerPolicy,
    hall_media,
    make_answer,
    make_offer,
    parse_answer,
    parse_fragment,
    parse_offer,
    publisher_media,
)

T = TypeVar("T")

SAMPLES = [*(offer_text(name) for name in offer_names()), make_offer(hall_media(data=True), LOCAL)]
POLICIES = [
    AnswerPolicy(),
    AnswerPolicy(require_audio=False, max_video=3, transport_cc=True),
    AnswerPolicy(
        direction="sendonly", require_audio=False, audio_codecs=("hallcast-voice", "opus"), red=True, data=True
    ),
]
SPECS = [publisher_media("VP8"), hall_media(data=True)]


@st.composite
def mutilated(draw: st.DrawFn) -> str:
    """A real description in which lines and characters were dropped, doubled, moved and replaced."""
    lines = draw(st.sampled_from(SAMPLES)).split("\r\n")
    for _ in range(draw(st.integers(1, 8))):
        at, other = draw(st.integers(0, len(lines) - 1)), draw(st.integers(0, len(lines) - 1))
        line = lines[at]
        match draw(st.sampled_from(["drop", "double", "swap", "cut", "text", "number", "value"])):
            case "drop" if len(lines) > 1:
                del lines[at]
            case "double":
                lines.insert(other, line)
            case "swap":
                lines[at], lines[other] = lines[other], line
            case "cut":
                lines[at] = line[: draw(st.integers(0, len(line)))]
            case "text":
                place = draw(st.integers(0, len(line)))
                lines[at] = line[:place] + draw(st.text(max_size=6)) + line[place:]
            case "number":
                lines[at] = re.sub(r"\d+", str(draw(st.integers(-1, 2**40))), line, count=1)
            case "value":
                lines[at] = line.partition(":")[0] + ":" + lines[other].partition(":")[2]
    return draw(st.sampled_from(["\r\n", "\n"])).join(lines)


def result(*ids: str, of: Callable[[], T]) -> T | None:
    """What comes out; ``None`` for an error of ours with one of these ids. Any other error is the test's failure."""
    try:
        return of()
    except SdpError as error:
        if error.error_id not in ids:
            raise
        return None


def try_all(text: str) -> None:
    malformed = ("sdp_malformed", "sdp_too_large")
    result(*malformed, of=lambda: parse_fragment(text))
    for spec in SPECS:
        result(*malformed, "answer_mismatch", of=lambda spec=spec: parse_answer(spec, text))
    offer = result(*malformed, of=lambda: parse_offer(text))
    if offer is None:
        return
    for policy in POLICIES:
        answered = result(
            "offer_without_audio", "no_common_codec", of=lambda policy=policy: make_answer(offer, policy, LOCAL)
        )
        if answered is None:
            continue
        answer, media = answered
        answer.encode()
        written = parse_offer(answer)
        assert [entry.kind for entry in written.media] == [entry.kind for entry in offer.media]
        assert sum(entry.port != 0 for entry in written.media) == len(media)
        assert all(entry.direction == policy.direction for entry in media)


@given(mutilated())
@settings(max_examples=400, deadline=None)
def test_mutilated_descriptions(text: str) -> None:
    try_all(text)


@given(st.text(alphabet=st.characters(), max_size=300))
@settings(max_examples=150, deadline=None)
def test_any_text(text: str) -> None:
    try_all(text)
    try_all("v=0\r\n" + text)


@given(st.sampled_from(SPECS), st.data())
@settings(max_examples=150, deadline=None)
def test_an_answer_mutilated(spec: object, data: st.DataObject) -> None:
    assert isinstance(spec, type(SPECS[0]))
    direction = "recvonly" if spec.media[0].direction == "sendonly" else "sendonly"
    policy = AnswerPolicy(direction=direction, data=True)
    answer, _ = make_answer(parse_offer(make_offer(spec, LOCAL)), policy, LOCAL)
    lines = answer.split("\r\n")
    for _ in range(data.draw(st.integers(1, 4))):
        del lines[data.draw(st.integers(0, len(lines) - 1))]
    result("sdp_malformed", "answer_mismatch", of=lambda: parse_answer(spec, "\r\n".join(lines)))


HEAD = (
    "v=0\r\na=ice-ufrag:abcd\r\na=ice-pwd:" + "x" * 22 + "\r\na=fingerprint:sha-256 " + ":".join(["AB"] * 32) + "\r\n"
)
SECTION = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n"


@pytest.mark.parametrize(
    "text",
    [
        HEAD + SECTION + "a=rtpmap:111 opus/48000\r\n" * 2500,
        HEAD + SECTION + "a=rtcp-fb:* nack\r\n" * 3000,
        HEAD + "m=audio 9 UDP/TLS/RTP/SAVPF" + " 111" * 15_000 + "\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000\r\n",
        HEAD + "a=group:BUNDLE" + " 0" * 30_000 + "\r\n" + SECTION + "a=mid:0\r\n",
        HEAD + "a=group:BUNDLE 0\r\n" * 3300 + SECTION,
        HEAD + SECTION + "a=ssrc-group:FID 1 2\r\na=ssrc:1 x\r\n" * 1600,
        HEAD + SECTION * 32 + "a=x\r\n" * 10_000,
        HEAD + "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n" * 1300 + SECTION * 10,
        HEAD + SECTION + "a=rid:a send\r\n" * 1000 + "a=simulcast:send " + "a;" * 20_000 + "\r\n",
        HEAD + SECTION + "a=fmtp:111 " + ";" * 60_000 + "\r\n",
        HEAD + SECTION + "a=fmtp:111 " + " " * 30_000 + "=" * 30_000 + "\r\n",
        HEAD
        + SECTION
        + "a=group:\r\na=rid:\r\na=simulcast:\r\na=fmtp:\r\na=rtpmap:\r\na=extmap:\r\na=ssrc-group:\r\na=ssrc:\r\n",
        "v=0\r\n" * 12_000,
        "a=" + "\t " * 30_000,
    ],
)
def test_large_and_hostile_descriptions_take_no_time(text: str) -> None:
    assert len(text) <= MAX_SDP_BYTES
    began = time.process_time()
    try_all(text)
    assert time.process_time() - began < 1.0

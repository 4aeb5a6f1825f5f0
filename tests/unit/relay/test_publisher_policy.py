"""Who is told when its packets arrive."""

from __future__ import annotations

import pytest

from relay.media.publisher import publisher_policy
from tests.unit.transport.sdp_samples import LOCAL, offer_text
from transport.sdp import TRANSPORT_CC, make_answer, make_offer, parse_answer, parse_offer, publisher_media


def test_our_streamer_is_told_when_each_packet_arrives() -> None:
    spec = publisher_media(transport_cc=True)
    offered = parse_offer(make_offer(spec, LOCAL))
    answer, far = make_answer(offered, publisher_policy(offered, camera=True), LOCAL)
    _, near = parse_answer(spec, answer)
    for ours, theirs in zip(near, far, strict=True):
        assert ours.extensions[TRANSPORT_CC] == theirs.extensions[TRANSPORT_CC]
        assert "transport-cc" in ours.feedback & theirs.feedback


@pytest.mark.parametrize("name", ["chromium_publish", "chromium_simulcast", "firefox_publish", "obs_publish"])
def test_browsers_and_obs_are_led_by_remb(name: str) -> None:
    offered = parse_offer(offer_text(name))
    _, media = make_answer(offered, publisher_policy(offered, camera=True), LOCAL)
    assert all(TRANSPORT_CC not in item.extensions for item in media)

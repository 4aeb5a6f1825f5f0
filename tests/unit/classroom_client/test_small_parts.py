"""Live edge, playout delay, choice of carrier, link meter, signs and texts."""

from __future__ import annotations

import pickle
import string
from dataclasses import replace

import pytest

from classroom_client.carrier import CarrierChoice
from classroom_client.joining import JoinError
from classroom_client.live_edge import LiveEdge
from classroom_client.meter import LinkMeter
from classroom_client.reporting import make_report
from classroom_client.screen_stills import SCREEN_DECK
from classroom_client.socket_link import LinkDown, SocketLink
from classroom_client.texts import Texts, languages
from classroom_client.view import Link, Sound, View, sign_of
from lecture.decks import PageImage
from lecture.errors import ProtocolError
from lecture.messages import Report

# Live edge


def test_live_edge_is_set_by_what_was_delayed_least() -> None:
    edge = LiveEdge()
    edge.observe(1000, 10.5)
    edge.observe(2000, 11.1)
    edge.observe(3000, 13.9)  # stuck behind a page
    assert edge.live_ms(14.1) == pytest.approx(5000)


def test_live_edge_forgets_a_minute_later() -> None:
    edge = LiveEdge()
    edge.observe(10_000, 10)
    for second in range(20, 140):
        edge.observe(second * 1000 - 300, second)
    assert edge.live_ms(140) == pytest.approx(139_700)


def test_live_edge_goes_on_without_news_and_is_unknown_at_first() -> None:
    edge = LiveEdge()
    assert edge.live_ms(5) is None
    edge.observe(1000, 10)
    assert edge.live_ms(310) == pytest.approx(301_000)
    edge.reset()
    assert edge.live_ms(310) is None


# Carrier


def speaking(choice: CarrierChoice, from_s: int, until_s: int, *, got_ms: int = 0) -> None:
    for second in range(from_s, until_s + 1):
        choice.relay_has(second * 1000, second, got_ms=got_ms)


def test_voice_over_rtp_keeps_the_socket_out_of_it() -> None:
    choice = CarrierChoice()
    choice.socket_up(0)
    speaking(choice, 0, 20)
    choice.rtp_voice(19)
    assert not choice.over_socket(20)


def test_voice_that_does_not_come_over_rtp_is_followed_over_the_socket_in_seconds() -> None:
    choice = CarrierChoice()
    choice.socket_up(0)
    speaking(choice, 0, 2)
    assert not choice.over_socket(2)
    speaking(choice, 3, 4)
    assert choice.over_socket(4)
    choice.relay_has(5000, 5, got_ms=5000)
    assert choice.over_socket(5), "what comes by being followed is no reason to follow no more"
    choice.rtp_voice(5)
    assert not choice.over_socket(5)


def test_voice_that_the_relay_sends_over_the_socket_by_itself_is_told_as_such() -> None:
    choice = CarrierChoice()
    choice.socket_up(0)
    choice.rtp_packet(1)
    assert choice.in_use(2) == "rtp"
    for second in range(2, 8):
        choice.chunk_voice(second)
        choice.relay_has(second * 1000, second, got_ms=second * 1000)
    assert not choice.over_socket(8)
    assert choice.in_use(8) == "socket"
    assert choice.in_use(20) == ""


def test_silent_lecturer_is_no_reason_for_the_socket() -> None:
    choice = CarrierChoice()
    choice.socket_up(0)
    choice.rtp_voice(5)
    speaking(choice, 0, 5, got_ms=5000)
    for second in range(6, 20):
        choice.relay_has(5000, second, got_ms=5000)
        assert not choice.over_socket(second)


def test_somebody_who_begins_to_speak_is_given_time_to_come_over_rtp() -> None:
    choice = CarrierChoice()
    choice.socket_up(0)
    for second in range(20, 25):
        choice.rtp_packet(second)
        choice.relay_has(second * 1000, second, got_ms=0)
        assert choice.over_socket(second) == (second >= 23)


def test_no_socket_no_following() -> None:
    choice = CarrierChoice()
    speaking(choice, 0, 10)
    assert not choice.over_socket(10)
    choice.socket_up(10)
    choice.socket_down()
    assert not choice.over_socket(12)


# Meter


def test_meter_counts_headers_of_udp_packets() -> None:
    meter = LinkMeter()
    meter.usage(0)
    for second in range(1, 11):
        meter.udp_totals(bytes_in=second * 1000, packets_in=second * 10, bytes_out=0, packets_out=0)
        usage = meter.usage(second)
    assert usage.in_kbps == pytest.approx((1000 + 10 * 28) * 8 / 1000)
    assert usage.out_kbps == 0
    assert meter.mean(10).in_kbps == pytest.approx(usage.in_kbps)


def test_meter_goes_on_with_a_new_peer() -> None:
    meter = LinkMeter()
    meter.udp_totals(bytes_in=1000, packets_in=10, bytes_out=500, packets_out=5)
    meter.udp_totals(bytes_in=100, packets_in=1, bytes_out=50, packets_out=1)
    assert meter.in_bytes == 1100 + 11 * 28
    assert meter.out_bytes == 550 + 6 * 28


def test_meter_estimates_tcp_segments_and_their_acknowledgements() -> None:
    meter = LinkMeter()
    meter.socket_received(4000, tls=False)
    assert 4000 + 3 * 52 <= meter.in_bytes <= 4000 + 3 * 52 + 8
    assert meter.out_bytes == 2 * 52
    meter.socket_sent(100, tls=True)
    assert meter.out_bytes == 2 * 52 + 100 + 4 + 22 + 52


# Signs

WELL = View(link=Link.UP, sound=Sound.PLAYING, lecture_state="live", publisher="live", behind_ms=2100, delay_ms=2000)


@pytest.mark.parametrize(
    ("view", "text_id"),
    [
        (WELL, None),
        (View(), "joining"),
        (View(join_error="relay_unreachable"), "unreachable"),
        (replace(WELL, link=Link.DOWN, sound=Sound.STALLED, retry_in_s=2.6), "link_down"),
        (replace(WELL, link=Link.DOWN, retry_in_s=2.6), "link_down_playing"),
        (replace(WELL, link=Link.DOWN, sound=Sound.WAITING, down_error="halls_full"), "halls_full"),
        (replace(WELL, link=Link.DOWN, sound=Sound.STALLED, down_error="too_slow"), "too_slow"),
        (replace(WELL, link=Link.DOWN, sound=Sound.STALLED, down_error="internal_error"), "internal_error"),
        (replace(WELL, link=Link.DOWN, sound=Sound.STALLED, down_error="hello_timeout"), "link_down"),
        (replace(WELL, lecture_state="planned", sound=Sound.WAITING), "not_begun"),
        (replace(WELL, sound=Sound.CATCHING_UP, behind_ms=40_100), "catching_up"),
        (replace(WELL, sound=Sound.CATCHING_UP, behind_ms=40_100, text_rung=True), "text_rung"),
        (replace(WELL, publisher="down"), "publisher_down"),
        (replace(WELL, sound=Sound.STALLED, behind_ms=9000), "stalled"),
        (replace(WELL, sound=Sound.STALLED, behind_ms=2500), None),
        (replace(WELL, page=4, page_waiting=True), "page_coming"),
        (replace(WELL, disk_error="disk_full"), "disk"),
        (replace(WELL, sound=Sound.FINISHED, link=Link.DOWN), "ended"),
    ],
)
def test_the_one_thing_people_should_know(view: View, text_id: str | None) -> None:
    sign = sign_of(view)
    assert (sign.text_id if sign else None) == text_id
    for language in languages():
        if sign is not None:
            assert Texts(language)(sign.text_id, **sign.values)


def test_signs_name_seconds() -> None:
    sign = sign_of(replace(WELL, sound=Sound.CATCHING_UP, behind_ms=39_600))
    assert sign is not None
    assert Texts("en")(sign.text_id, **sign.values) == "40 s behind, catching up."


def test_catalogue_says_the_same_in_every_language() -> None:
    def values(text: str) -> set[str | None]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    english = Texts("en")._texts
    for language in languages():
        texts = Texts(language)._texts
        assert texts.keys() == english.keys(), language
        assert {key: values(text) for key, text in texts.items()} == {
            key: values(text) for key, text in english.items()
        }


def test_unknown_language_is_refused() -> None:
    with pytest.raises(ValueError, match="xx"):
        Texts("xx")


# Socket


def test_nothing_is_said_on_a_socket_that_the_relay_closed() -> None:
    socket = SocketLink("ws://relay.example", LinkMeter(), open_timeout_s=1, ping_interval_s=1, ping_timeout_s=1)
    socket.session.refuse(ProtocolError("internal_error", "A bug of the relay."))
    with pytest.raises(LinkDown):
        socket.send(Report(), droppable=True)


def test_the_page_that_is_reported_is_the_one_on_the_projector() -> None:
    def reported(view: View) -> int:
        return make_report(view, None, "16", 0).page

    third = PageImage("d", 3, 1, "0" * 64, "image/avif", 960, 540, 1000)
    assert reported(replace(WELL, page=3, picture=third)) == 3
    assert reported(replace(WELL, page=4, page_waiting=True, picture=third)) == 3
    assert reported(replace(WELL, page=1, page_waiting=True)) == 0
    still = replace(third, deck=SCREEN_DECK, page=77)
    assert reported(replace(WELL, page=3, picture=still)) == 3, "the shared screen lies before it"
    assert reported(replace(WELL, page=4, page_waiting=True, picture=still)) == 0


def test_a_hall_that_cannot_join_leaves_the_others_of_its_site_room_to_try() -> None:
    voided = JoinError("join_code_wrong", "No.", retryable=False)
    assert voided.wait_s == 60
    assert JoinError("relay_unreachable", "No.", retryable=True).wait_s == 0
    busy = JoinError("too_many_attempts", "No.", retryable=True, retry_after_s=12)
    assert busy.wait_s == 12
    assert pickle.loads(pickle.dumps(busy)).wait_s == 12
    assert JoinError("overloaded", "No.", retryable=True, retry_after_s=86_400).wait_s == 60

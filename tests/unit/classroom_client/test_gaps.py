"""Gap book-keeping: what is missing is asked for until it is here or known not to exist."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from classroom_client.gaps import Backfill, BackfillSettings
from classroom_client.voice import VoiceBuffer
from lecture.log import Span

FRAME_MS = 60


def kept(*spans: tuple[int, int]) -> VoiceBuffer:
    voice = VoiceBuffer()
    for start_ms, end_ms in spans:
        voice.mark_kept(Span(start_ms, end_ms))
    return voice


def test_nothing_is_asked_for_when_all_is_here() -> None:
    backfill = Backfill(kept((0, 60_000)))
    assert backfill.plan(0.0, position_ms=50_000, ask_until_ms=60_000, history=True) == []


def test_what_is_played_next_is_asked_for_first() -> None:
    backfill = Backfill(kept((20_000, 30_000), (33_000, 60_000)))
    wants = backfill.plan(0.0, position_ms=25_000, ask_until_ms=60_000, history=True)
    assert wants == [Span(30_000, 33_000)]


def test_history_comes_in_small_pieces_one_at_a_time() -> None:
    backfill = Backfill(kept((20_000, 60_000)))
    assert backfill.plan(0.0, position_ms=59_000, ask_until_ms=60_000, history=True) == [Span(0, 6_000)]
    assert backfill.plan(0.0, position_ms=59_000, ask_until_ms=60_000, history=True) == []
    assert Backfill(kept((20_000, 60_000))).plan(0.0, position_ms=59_000, ask_until_ms=60_000, history=False) == []


def test_requests_in_flight_are_bounded_and_cut_short() -> None:
    backfill = Backfill(kept((0, 6_000)))
    wants = backfill.plan(0.0, position_ms=6_000, ask_until_ms=90_000, history=True)
    assert wants == [Span(6_000, 18_000), Span(18_000, 30_000)]
    assert backfill.plan(0.0, position_ms=6_000, ask_until_ms=90_000, history=True) == []
    backfill.filled(Span(6_000, 18_000))
    assert backfill.plan(0.0, position_ms=6_000, ask_until_ms=90_000, history=True) == [Span(30_000, 42_000)]


def test_close_holes_are_one_request() -> None:
    backfill = Backfill(kept((0, 1_020), (1_080, 1_260), (1_320, 5_040), (5_100, 9_000)))
    assert backfill.plan(0.0, position_ms=0, ask_until_ms=9_000, history=True) == [
        Span(1_020, 1_320),
        Span(5_040, 5_100),
    ]


def test_lost_socket_means_asking_again() -> None:
    backfill = Backfill(kept((0, 6_000)))
    first = backfill.plan(0.0, position_ms=6_000, ask_until_ms=12_000, history=True)
    backfill.disconnected()
    assert backfill.plan(0.0, position_ms=6_000, ask_until_ms=12_000, history=True) == first


def test_what_does_not_exist_is_not_asked_for_again() -> None:
    voice = kept((0, 6_000))
    backfill = Backfill(voice)
    backfill.plan(0.0, position_ms=6_000, ask_until_ms=12_000, history=True)
    voice.add(6_000, b"x")
    backfill.filled(Span(6_000, 12_000))
    assert backfill.in_flight == ()
    assert backfill.plan(0.0, position_ms=6_000, ask_until_ms=12_000, history=True) == []
    assert list(voice.absent) == [Span(6_060, 12_000)]


def test_voice_that_exists_after_all_replaces_absence() -> None:
    voice = kept((0, 6_000))
    voice.mark_absent(Span(6_000, 12_000))
    assert voice.add(9_000, b"x")
    assert not voice.absent.contains(9_000)


def test_what_was_repaired_at_the_relay_is_asked_for_again() -> None:
    voice = kept((0, 6_000))
    backfill = Backfill(voice)
    backfill.filled(Span(6_000, 12_000))
    voice.doubt_absent(Span(7_980, 9_000))
    assert backfill.missing(20_000, 0) == [Span(7_980, 9_000), Span(12_000, 20_000)]
    assert list(voice.absent) == [Span(6_000, 7_980), Span(9_000, 12_000)]
    voice.doubt_absent()
    assert backfill.missing(12_000, 0) == [Span(6_000, 12_000)]


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 1 << 32), lost=st.floats(0, 1), breaks=st.floats(0, 0.5))
def test_no_order_of_losses_and_outages_leaves_a_frame_missing(seed: int, lost: float, breaks: float) -> None:
    """A relay with the whole voice but some holes of its own, a socket that breaks, live frames that come or not."""
    chance = random.Random(seed)
    end_ms = 40_000 // FRAME_MS * FRAME_MS
    exists = [n for n in range(end_ms // FRAME_MS) if n % 50 > chance.randrange(20)]
    voice = VoiceBuffer()
    for n in chance.sample(exists, k=int(len(exists) * (1 - lost))):
        voice.add(n * FRAME_MS, b"live")
    backfill = Backfill(voice, BackfillSettings(max_span_ms=7_000))
    queue: list[Span] = []
    now = 0.0
    while backfill.missing(end_ms):
        now += 1
        assert now < 2000
        position_ms = chance.randrange(end_ms)
        queue += backfill.plan(now, position_ms=position_ms, ask_until_ms=end_ms, history=True)
        if chance.random() < breaks:
            queue.clear()
            backfill.disconnected()
            continue
        if not queue:
            continue
        span = queue.pop(0)
        for n in exists:
            if n * FRAME_MS < span.end_ms and (n + 1) * FRAME_MS > span.start_ms:
                voice.add(n * FRAME_MS, b"log")
        backfill.filled(span)
    assert all(voice.have.contains(n * FRAME_MS) for n in exists)
    assert voice.have.known_ms() == len(exists) * FRAME_MS


def test_voice_announced_in_hello_is_not_asked_for_while_it_comes() -> None:
    voice = kept((0, 6_000))
    backfill = Backfill(voice)
    backfill.announced(6_000, 0.0)
    assert backfill.plan(1.0, position_ms=6_000, ask_until_ms=60_000, history=True) == []
    for second in range(1, 30):
        voice.mark_kept(Span(6_000, 6_000 + second * 960))
        assert backfill.plan(float(second), position_ms=6_000, ask_until_ms=60_000, history=True) == []
    backfill.filled(Span(6_000, 40_020))
    assert backfill.plan(31.0, position_ms=6_000, ask_until_ms=60_000, history=True) == [
        Span(40_020, 52_020),
        Span(52_020, 60_000),
    ]


def test_relay_that_does_not_know_of_announcements_is_asked() -> None:
    backfill = Backfill(kept((0, 6_000)))
    backfill.announced(6_000, 0.0)
    assert backfill.plan(5.0, position_ms=6_000, ask_until_ms=12_000, history=True) == []
    assert backfill.plan(7.0, position_ms=6_000, ask_until_ms=12_000, history=True) == [Span(6_000, 12_000)]


def test_request_that_is_never_answered_is_made_again() -> None:
    backfill = Backfill(kept((0, 6_000)))
    first = backfill.plan(0.0, position_ms=6_000, ask_until_ms=12_000, history=True)
    assert backfill.plan(60.0, position_ms=6_000, ask_until_ms=12_000, history=True) == []
    assert backfill.plan(91.0, position_ms=6_000, ask_until_ms=12_000, history=True) == first


def test_request_ends_where_the_log_ends_so_that_its_answer_comes_at_once() -> None:
    backfill = Backfill(kept((0, 6_000)))
    wants = backfill.plan(0.0, position_ms=6_000, ask_until_ms=18_000, history=True, spoken_ms=9_000)
    assert wants == [Span(6_000, 9_000), Span(9_000, 18_000)]

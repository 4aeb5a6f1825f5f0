"""Which pictures a camera rung takes, and how large they are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from relay.media.camera_rungs import BACKLOG_S, RUNGS, RungPace, SourceRate, fitted

THIN = RUNGS[0]


@given(width=st.integers(16, 4000), height=st.integers(16, 4000), pixels=st.sampled_from([r.pixels for r in RUNGS]))
def test_pictures_keep_their_shape_and_are_not_enlarged(width: int, height: int, pixels: int) -> None:
    got_width, got_height = fitted(width, height, pixels)
    assert got_width % 8 == got_height % 8 == 0
    assert min(got_width, got_height) >= 64
    if min(width, height) >= 256 and max(width, height) <= 2 * min(width, height):
        assert 0.85 * pixels < got_width * got_height < 1.15 * pixels
        assert abs(got_width / got_height / (width / height) - 1) < 0.1
    assert got_width <= max(64, width + 4)
    assert got_height <= max(64, height + 4)


def test_a_wide_camera_stays_wide() -> None:
    assert fitted(1280, 720, 160 * 120) == (184, 104)
    assert fitted(640, 480, 160 * 120) == (160, 120)
    assert fitted(128, 96, 320 * 240) == (128, 96)


def test_a_rung_takes_its_share_of_a_camera_of_any_rate() -> None:
    for rung in RUNGS:
        for per_s in (8, 10, 15, 24, 30):
            pace = RungPace(rung)
            times = [round(n * 1000 / per_s) for n in range(30 * per_s)]
            taken = sum(pace.takes(t_ms) for t_ms in times)
            assert abs(taken / 30 - min(per_s, rung.pictures_per_s)) < 0.15, (rung.kbps, per_s)


def test_a_slow_camera_is_taken_whole() -> None:
    pace = RungPace(THIN)
    assert all(pace.takes(t_ms) for t_ms in range(0, 20_000, 500))


@given(st.lists(st.integers(20, 6000), min_size=60, max_size=60))
def test_whatever_pictures_cost_what_is_queued_stays_short(sizes: list[int]) -> None:
    pace = RungPace(THIN)
    bytes_per_ms = THIN.kbps / 8
    sent, backlog = 0, 0.0
    for n, size in enumerate(sizes):
        backlog = max(0.0, backlog - 66 * bytes_per_ms)
        if pace.takes(n * 66):
            assert backlog <= BACKLOG_S * 1000 * bytes_per_ms + 1
            pace.spent(size, n * 66)
            backlog += size
            sent += size
    assert sent <= (60 * 66 + BACKLOG_S * 1000) * bytes_per_ms + 6000


def test_the_sources_rate_stays_where_it_is_while_it_only_wavers() -> None:
    rate = SourceRate()
    told = set()
    for second in range(60):
        kbps = 150 if second % 10 == 3 else 90 + 20 * (second % 2)
        for _ in range(4):
            rate.measured(kbps)
            told.add(rate.kbps)
    assert len(told) <= 2
    assert 100 <= rate.kbps <= 140
    for _ in range(400):
        rate.measured(300)
    assert 300 <= rate.kbps <= 380
    for _ in range(800):
        rate.measured(50)
    assert 50 <= rate.kbps <= 200

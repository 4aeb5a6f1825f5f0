"""Lecture time across restarts."""

from __future__ import annotations

import pytest

from relay.media.lecture_clock import RESTART_MARGIN_MS, BootTime, LectureClock, read_boot_time


def test_it_stands_at_zero_until_it_starts() -> None:
    clock = LectureClock()
    assert not clock.started
    assert clock.now_ms(1000.0) == 0
    clock.start(1000.0)
    clock.start(1005.0)
    assert clock.now_ms(1002.5) == 2500
    assert clock.exact_ms(1000.0001) > 0


def test_it_may_turn_out_to_have_begun_earlier() -> None:
    clock = LectureClock()
    clock.begin_earlier(500)
    clock.start(1000.0)
    clock.begin_earlier(600)
    assert clock.now_ms(1001.0) == 1_600
    resumed = LectureClock.resume(clock.to_meta(1001.0, BootTime("boot", 50.0)), 0, 5.0, BootTime("boot", 51.0))
    assert resumed.now_ms(5.0) == 2_600


def test_in_the_same_boot_it_goes_on_as_if_nothing_had_happened() -> None:
    clock = LectureClock()
    clock.start(1000.0)
    meta = clock.to_meta(1010.0, BootTime("boot", 50.0))
    # The new process: another monotonic clock, the same boot clock 100 s later.
    resumed = LectureClock.resume(meta, 9_000, 3.0, BootTime("boot", 150.0))
    assert resumed.now_ms(3.0) == 110_000


def test_after_a_reboot_it_goes_on_behind_the_last_entry() -> None:
    clock = LectureClock()
    clock.start(1000.0)
    meta = clock.to_meta(1010.0, BootTime("boot", 50.0))
    resumed = LectureClock.resume(meta, 9_000, 3.0, BootTime("other boot", 1.0))
    assert resumed.now_ms(3.0) == 9_000 + RESTART_MARGIN_MS


def test_where_the_system_names_no_boot_every_restart_counts_as_a_reboot() -> None:
    clock = LectureClock()
    clock.start(1000.0)
    meta = clock.to_meta(1010.0, BootTime("", 50.0))
    assert LectureClock.resume(meta, 9_000, 3.0, BootTime("", 60.0)).now_ms(3.0) == 9_000 + RESTART_MARGIN_MS


def test_an_ended_lecture_stands_still_also_after_a_restart() -> None:
    clock = LectureClock()
    clock.start(0.0)
    assert clock.stop(60.0) == 60_000
    assert clock.now_ms(100.0) == 60_000
    meta = clock.to_meta(100.0, BootTime("boot", 1.0))
    assert LectureClock.resume(meta, 60_000, 0.0, BootTime("boot", 500.0)).now_ms(99.0) == 60_000


def test_a_lecture_that_never_began_is_still_to_begin() -> None:
    resumed = LectureClock.resume(LectureClock().to_meta(5.0, BootTime("b", 1.0)), 0, 3.0, BootTime("b", 2.0))
    assert not resumed.started


def test_the_boot_clock_runs() -> None:
    assert read_boot_time().seconds <= read_boot_time().seconds


def test_it_never_falls_behind_what_was_said_even_if_the_boot_clock_went_back() -> None:
    clock = LectureClock()
    clock.start(1000.0)
    meta = clock.to_meta(1010.0, BootTime("boot", 50.0))
    resumed = LectureClock.resume(meta, 9_000, 3.0, BootTime("boot", 45.0))
    assert resumed.now_ms(3.0) == 9_000 + RESTART_MARGIN_MS


@pytest.mark.parametrize("nonsense", ["", "soon", "nan", "inf", "9" * 400])
def test_nonsense_in_the_file_is_no_clock(nonsense: str) -> None:
    meta = {"clock_boot_id": "boot", "clock_zero_boot_s": nonsense, "clock_end_ms": nonsense}
    assert not LectureClock.resume(meta, 9_000, 3.0, BootTime("boot", 45.0)).started

"""Tests that failed on a busy machine are repeated alone, the others are not."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from tests.quiet import BEAT_S, LATE_S, Turnstile, Watch, late_s, starved_s


@pytest.mark.parametrize(("slept_s", "counts_s"), [(BEAT_S, 0), (BEAT_S + LATE_S / 2, 0), (BEAT_S + 0.3, 0.3)])
def test_a_sleep_counts_by_what_it_took_too_long(slept_s: float, counts_s: float) -> None:
    assert late_s(slept_s) == pytest.approx(counts_s)


def test_who_watches_no_more_is_late(tmp_path: Path) -> None:
    watch = Watch(tmp_path / "watch")
    watch.start()
    watch.stop()
    before_s = starved_s(tmp_path / "watch")
    began_s = time.monotonic()
    while starved_s(tmp_path / "watch") < before_s + 0.1:
        assert time.monotonic() < began_s + 20
    assert time.monotonic() > began_s + 0.05


def test_alone_begins_when_all_have_gone_and_lets_nobody_in_before(tmp_path: Path) -> None:
    happened: list[str] = []
    inside = [threading.Event(), threading.Event()]
    leave = threading.Event()

    def beside(number: int) -> None:
        with Turnstile(tmp_path).together():
            inside[number].set()
            leave.wait(20)
            happened.append("beside others")

    def alone() -> None:
        with Turnstile(tmp_path).alone():
            happened.append("alone")

    def late() -> None:
        with Turnstile(tmp_path).together():
            happened.append("late")

    threads = [threading.Thread(target=beside, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    assert all(event.wait(20) for event in inside), "two are in at once"
    threads += [threading.Thread(target=alone), threading.Thread(target=late)]
    threads[2].start()
    threads[3].start()
    assert happened == []
    leave.set()
    for thread in threads:
        thread.join(20)
    assert sorted(happened) == ["alone", "beside others", "beside others", "late"]
    assert happened.index("alone") >= 2

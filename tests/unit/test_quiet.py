"""Tests that failed on a busy machine are repeated alone, the others are not."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.conftest import MOST_PUT_OFF
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


TESTS = """
import os, signal
from pathlib import Path

import pytest

from tests import quiet

HERE = Path(__file__).parent


def starve():
    # Who hands the tests out, and watches, is kept from the processor.
    watch = Path(os.environ["HALLCAST_TEST_WATCH"])
    before_s = quiet.starved_s(watch)
    os.kill(os.getppid(), signal.SIGSTOP)
    try:
        while quiet.starved_s(watch) < before_s + 2 * quiet.STARVED_S:
            pass
    finally:
        os.kill(os.getppid(), signal.SIGCONT)


def is_first(name):
    mark = HERE / name
    if mark.exists():
        return False
    mark.touch()
    return True


def test_starved_once():
    if is_first("once"):
        starve()
        assert False


def test_starved_and_bad():
    if is_first("bad"):
        starve()
    assert False


def test_bad_at_once():
    assert not is_first("at once")


def test_good():
    starve()


@pytest.mark.parametrize("number", range(MOST_PUT_OFF + 1))
def test_more_than_a_machine_does(number):
    if is_first(f"more {number}"):
        starve()
        assert False
"""


@pytest.mark.skipif(sys.platform == "win32", reason="nothing is repeated there")
def test_what_failed_while_nobody_was_late_or_fails_again_or_with_many_others_has_failed(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    # Called as one of ours that crosses a network.
    path = tmp_path / "tests" / "network" / "test_link.py"
    path.parent.mkdir(parents=True)
    path.write_text(TESTS.replace("MOST_PUT_OFF", str(MOST_PUT_OFF)))
    (tmp_path / "conftest.py").write_text("from tests.conftest import *\n")
    words = ("-m", "pytest", "-n", "1", "--dist", "loadscope", "-p", "no:cacheprovider", "--rootdir", ".", "-q", "-rA")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "HALLCAST_"))}
    done = subprocess.run(
        [sys.executable, *words, "--import-mode=importlib", "tests"],
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout
    assert done.returncode == 1, said + done.stderr
    failed = {line.split("::")[1].split()[0] for line in said.splitlines() if line.startswith("FAILED ")}
    repeated = {line.split("::")[1].split(",")[0] for line in said.splitlines() if "repeated alone: " in line}
    more = [f"test_more_than_a_machine_does[{number}]" for number in range(MOST_PUT_OFF + 1)]
    assert repeated == {"test_starved_once", "test_starved_and_bad", *more[: MOST_PUT_OFF - 2]}
    assert failed == {"test_starved_and_bad", "test_bad_at_once", *more[MOST_PUT_OFF - 2 :]}

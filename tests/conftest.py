"""What all tests share."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests import quiet
from tests.scheduling import UNIT, Lanes, begin_session, priority, sort_of, turn

# No deadline: a slow moment of a shared machine is no bug. To search deeper: pytest --hypothesis-profile=deep
settings.register_profile("quick", max_examples=40, deadline=None)
settings.register_profile("deep", max_examples=2000, deadline=None)
settings.load_profile("quick")


WATCH, TURNSTILE = "HALLCAST_TEST_WATCH", "HALLCAST_TEST_TURNSTILE"
"""Tell a worker where to read how busy the machine is, and how to be alone."""

STARVED_AT_START = pytest.StashKey[float]()
REPEATED = pytest.StashKey[bool]()
PUT_OFF = pytest.StashKey[list[pytest.Item]]()
MOST_PUT_OFF = 5
"""Of one worker. When more fail it is not the machine's doing, and they have failed at once."""


def pytest_configure(config: pytest.Config) -> None:
    """What runs in the background (``nohup``, ``&``, CI) inherits ignored signals, and so would the parts that tests
    stop by signals."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if hasattr(config, "workerinput"):
        begin_session()
    elif config.getoption("numprocesses", None) and sys.platform != "win32":
        folder = Path(tempfile.mkdtemp(prefix="hallcast-tests-"))
        watch = quiet.Watch(folder / "watch")
        watch.start()
        os.environ[WATCH], os.environ[TURNSTILE] = str(folder / "watch"), str(folder)
        config.add_cleanup(lambda: shutil.rmtree(folder))
        config.add_cleanup(watch.stop)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests come in the order in which they are to begin."""
    items.sort(key=lambda item: turn(path_of(item)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Lanes | None:
    # Else the files with most tests would come first, whatever they need.
    config.option.loadscopereorder = False
    return Lanes(config, log) if config.getvalue("dist") == "loadscope" else None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    path, is_repeated = path_of(item), item.stash.get(REPEATED, False)
    turnstile = quiet.Turnstile(Path(os.environ[TURNSTILE])) if WATCH in os.environ and not is_repeated else None
    with contextlib.ExitStack() as stack:
        if turnstile is not None:
            stack.enter_context(turnstile.together())
            item.stash[STARVED_AT_START] = quiet.starved_s(Path(os.environ[WATCH]))
        stack.enter_context(priority(path, realtime=item.get_closest_marker("realtime") is not None))
        result = yield
    if turnstile is not None:
        put_off = item.config.stash.setdefault(PUT_OFF, [])
        if item.stash.get(REPEATED, False):
            put_off.append(item)
        if nextitem is None:
            repeat(put_off, item, turnstile)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    is_first = STARVED_AT_START in item.stash and not item.stash.get(REPEATED, False)
    may_be_repeated = is_first and len(item.config.stash.get(PUT_OFF, [])) < MOST_PUT_OFF
    if report.failed and report.when != "teardown" and may_be_repeated and sort_of(path_of(item)) != UNIT:
        starved_s = quiet.starved_s(Path(os.environ[WATCH])) - item.stash[STARVED_AT_START]
        if starved_s >= quiet.STARVED_S:
            item.stash[REPEATED] = True
            report.outcome = "repeated"  # type: ignore[assignment]
            report.user_properties.append(("starved_s", round(starved_s, 2)))
    return report


def repeat(items: list[pytest.Item], last: pytest.Item, turnstile: quiet.Turnstile) -> None:
    """Run tests once more, after the last one of this worker and when no other worker runs one."""
    worker = next(one for one in last.config.pluginmanager.get_plugins() if type(one).__name__ == "WorkerInteractor")
    for item in items:
        with turnstile.alone():
            # xdist 3.8 tells the reports of the test alone that it takes for the present one.
            worker.item_index = item.session.items.index(item)
            item._initrequest()  # type: ignore[attr-defined]  # its own fixtures anew
            item.ihook.pytest_runtest_protocol(item=item, nextitem=None)
    worker.item_index = last.session.items.index(last)


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    return ("repeated", "R", "REPEATED") if report.outcome == "repeated" else None  # type: ignore[comparison-overlap]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for report in terminalreporter.stats.get("repeated", []):
        starved_s = dict(report.user_properties)["starved_s"]
        terminalreporter.section(f"repeated alone: {report.nodeid}, starved for {starved_s} s", "_")
        terminalreporter.line(report.longreprtext)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A test that was put off and did not come to be repeated has not passed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    stats = {} if reporter is None else reporter.stats
    ended = {report.nodeid for how in ("passed", "failed", "skipped", "error") for report in stats.get(how, [])}
    if {report.nodeid for report in stats.get("repeated", [])} - ended:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def path_of(item: pytest.Item) -> str:
    """Of its file, from the root of the repository."""
    return item.nodeid.split("::")[0]

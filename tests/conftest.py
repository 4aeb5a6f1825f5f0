"""What all tests share."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

from tests.scheduling import Lanes, begin_session, priority, turn

# No deadline: a slow moment of a shared machine is no bug. To search deeper: pytest --hypothesis-profile=deep
settings.register_profile("quick", max_examples=40, deadline=None)
settings.register_profile("deep", max_examples=2000, deadline=None)
settings.load_profile("quick")


def pytest_configure(config: pytest.Config) -> None:
    """What runs in the background (``nohup``, ``&``, CI) inherits ignored signals, and so would the parts that tests
    stop by signals."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if hasattr(config, "workerinput"):
        begin_session()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests come in the order in which they are to begin."""
    items.sort(key=lambda item: turn(item.nodeid.split("::")[0]))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Lanes | None:
    # Else the files with most tests would come first, whatever they need.
    config.option.loadscopereorder = False
    return Lanes(config, log) if config.getvalue("dist") == "loadscope" else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    with priority(item.nodeid.split("::")[0], realtime=item.get_closest_marker("realtime") is not None):
        return (yield)

"""What all tests share."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

# No deadline: a slow moment of a shared machine is no bug. To search deeper: pytest --hypothesis-profile=deep
settings.register_profile("quick", max_examples=40, deadline=None)
settings.register_profile("deep", max_examples=2000, deadline=None)
settings.load_profile("quick")


def pytest_configure() -> None:
    """What runs in the background (``nohup``, ``&``, CI) inherits ignored signals, and so would the parts that tests
    stop by signals."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test with a browser listens or looks in real time."""
    for item in items:
        if "interop" in item.path.parts:
            item.add_marker(pytest.mark.realtime)


class ByBrowser(LoadScopeScheduling):
    """Hands tests out to workers: first the groups of browser tests, each on one worker, since browsers with live
    media starve each other; what needs no browser comes after them. (The groups that pytest-xdist 3.8 has, by
    ``loadgroup``, have no effect with pytest 9.2.)"""

    def _split_scope(self, nodeid: str) -> str:
        path = PurePosixPath(nodeid.split("::")[0])
        return _GROUPS.get(path.stem, "live") if "interop" in path.parts else nodeid


_GROUPS = {
    "test_exports_play": "replay",
    "test_library_page": "replay",
    "test_replay_page": "replay",
    "test_replay_thin_line": "replay",
    "test_camera_rungs": "players",
    "test_console": "players",
    "test_ffmpeg_publishes": "players",
    "test_peer_chromium": "players",
    "test_peer_player": "players",
    "test_whep": "players",
}
"""Test files that may run beside a browser with a microphone or a hall, which only one at a time may have ("live")."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    return ByBrowser(config, log) if config.getvalue("dist") == "loadscope" else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """What crosses a network goes in real time, so it has the cores before tests that only compute (as root; others
    may not take a priority back)."""
    in_real_time = not {"network", "interop"}.isdisjoint(item.path.parts)
    with _priority(-10 if in_real_time else 0):
        return (yield)


@contextlib.contextmanager
def _priority(nice: int) -> Iterator[None]:
    if not nice or not hasattr(os, "geteuid") or os.geteuid() != 0:
        yield
        return
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    with contextlib.suppress(OSError):  # a container may forbid it to root
        os.setpriority(os.PRIO_PROCESS, 0, nice)
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, usual)

"""What all tests share."""

from __future__ import annotations

import signal

import pytest
from hypothesis import settings

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
    """Every test with a browser listens or looks in real time. One browser at a time: two of them starve each other,
    but what listens without one goes along beside it."""
    for item in items:
        if "interop" in item.path.parts:
            item.add_marker(pytest.mark.realtime)
        if item.get_closest_marker("realtime"):
            group = "browser" if "interop" in item.path.parts else item.path.stem
            item.add_marker(pytest.mark.xdist_group(group))

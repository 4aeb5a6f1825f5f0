"""Which worker runs which test, and with what right to the processor.

Tests that listen or look in real time mostly wait, and fail when they are starved; all others need the processor, and
do not mind waiting for it. So both go on at once: the former on the first workers and with priority, the latter on the
others, and what only computes gets no more than what nobody else wants.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

LISTENING_WORKERS = 3
"""More of them starve each other on two cores."""

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
"""Browser tests that may run beside a browser with a microphone or a hall, which only one at a time may have ("live");
each group on one worker, since browsers with live media starve each other."""

_ROOT = Path(__file__).parents[1]
_LONG = ("test_screen_coder", "test_reception", "test_replay", "test_hostile_files", "test_estimator")
"""Files that compute for long: nothing waits for them at the end if they begin early."""


def _group(path: str) -> str | None:
    """A browser test's group."""
    file = PurePosixPath(path)
    return _GROUPS.get(file.stem, "live") if "interop" in file.parts else None


@functools.cache
def listens(path: str) -> bool:
    """Whether a test file listens or looks in real time: all with a browser do, and those that have such a test.

    :param path: as in the ids of tests.
    """
    return _group(path) is not None or "mark.realtime" in (_ROOT / path).read_text(encoding="utf-8")


def turn(path: str) -> tuple[int, str]:
    """Sorts test files by when they begin: what listens, the long chain of live browsers first; then what is long."""
    file = PurePosixPath(path)
    if group := _group(path):
        return 0, group
    if listens(path):
        return 1, ""
    return (2 if "network" in file.parts else 3 if file.stem in _LONG else 4), ""


class Lanes(LoadScopeScheduling):
    """The first workers take what listens, test by test, the others the rest, file by file. Who has no more of its own
    helps with the rest.

    (The groups that pytest-xdist 3.8 has, by ``loadgroup``, have no effect with pytest 9.2.)
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.split("::")[0]
        if group := _group(path):
            return f"{PurePosixPath(path).parent}/{group}"
        return nodeid if listens(path) else path

    def _assign_work_unit(self, node: WorkerController) -> None:
        scope = self._next_scope(node)
        if scope is None:
            node.shutdown()
            return
        self.workqueue.move_to_end(scope, last=False)
        super()._assign_work_unit(node)

    def _next_scope(self, node: WorkerController) -> str | None:
        by_lane: dict[bool, str] = {}
        for scope in self.workqueue:
            by_lane.setdefault(listens(scope.split("::")[0]), scope)
        if node in self.nodes[:LISTENING_WORKERS]:
            return by_lane.get(True) or by_lane.get(False)
        return by_lane.get(False)

    def _reschedule(self, node: WorkerController) -> None:
        # A worker begins a test when it knows the next one; more than that would wait behind a long one.
        if node.shutting_down or not self.workqueue or self._pending_of(self.assigned_work[node]) < 2:
            super()._reschedule(node)


@contextlib.contextmanager
def priority(path: str, *, realtime: bool) -> Iterator[None]:
    """Runs a test with its right to the processor, and all that it starts (as root; others may take none back).

    :param path: of the test file.
    """
    if not hasattr(os, "SCHED_IDLE") or os.geteuid() != 0:
        yield
        return
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    with contextlib.suppress(OSError):  # a container may forbid it to root
        if realtime:
            os.setpriority(os.PRIO_PROCESS, 0, -10)
        elif "unit" in PurePosixPath(path).parts:
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        os.setpriority(os.PRIO_PROCESS, 0, usual)

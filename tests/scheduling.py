"""Which worker runs which test, and with what right to the processor.

Tests that listen or look in real time mostly wait, and fail when they are starved; tests that compute do not mind
waiting for the processor. So both go on at once: browsers, which need most, one after the other on the first worker;
what else listens on the next three, which then help the first with its lighter tests; what only computes on the
others, with no more of the processor than what nobody else wants, and after it what crosses a network and does not
listen.
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
"""They mostly wait; more of them, beside the one with a browser, would starve each other on two cores."""

BROWSER, LISTENING, NETWORK, UNIT = "browser", "listening", "network", "unit"

_LIVE = (
    "test_studio", "test_hall_page", "test_hall_screen", "test_ink", "test_own_copy",
    "test_whep", "test_ffmpeg_publishes", "test_replay_thin_line",
)  # fmt: skip
"""Tests of browsers that a lecture comes from or goes to, or whose line is thin: the dearest, or the most easily kept
waiting, and so the first."""

_ALONE = "tests/network/test_thin_links.py"
"""Four lectures at once in one process: nothing else that listens, and no browser, runs beside it."""

_ROOT = Path(__file__).parents[1]
_LONG = (
    "test_console", "test_replay_page",
    "test_camera_rungs", "test_hall", "test_repair", "test_streamer", "test_text_rung", "test_thin_links",
    "test_whole_lecture",
    "test_fifty_kills", "test_peer_consent", "test_relay_command",
    "test_estimator", "test_mutated_files", "test_reception", "test_replay", "test_screen_coder",
)  # fmt: skip
"""Files that take long: nothing waits for them at the end if they begin early."""


@functools.cache
def sort_of(path: str) -> str:
    """What a test file needs: those with a browser look, those with a test marked ``realtime`` listen.

    :param path: as in the ids of tests.
    """
    parts = PurePosixPath(path).parts
    if "interop" in parts:
        return BROWSER
    if "mark.realtime" in (_ROOT / path).read_text(encoding="utf-8"):
        return LISTENING
    return NETWORK if "network" in parts else UNIT


def _is_live(path: str) -> bool:
    """Whether it is one of :data:`_LIVE`, and not one of another sort that is called so, too."""
    return sort_of(path) == BROWSER and PurePosixPath(path).stem in _LIVE


def turn(path: str) -> tuple[int, int]:
    """Sorts test files by when they begin: of each sort what is dear or long comes first."""
    if path == _ALONE:
        return -1, 0
    is_long = PurePosixPath(path).stem in _LONG
    return (BROWSER, LISTENING, NETWORK, UNIT).index(sort_of(path)), 0 if _is_live(path) else 1 if is_long else 2


class Lanes(LoadScopeScheduling):
    """Hands out what is dear or long test by test, the rest file by file. With fewer than four workers all take what
    comes.

    (The groups that pytest-xdist 3.8 has, by ``loadgroup``, have no effect with pytest 9.2.)
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.split("::")[0]
        return nodeid if sort_of(path) == LISTENING or _is_live(path) else path

    def _reschedule(self, node: WorkerController) -> None:
        # A worker begins a test when it knows the next one; more than that would wait behind a long one.
        if self.workqueue and self._pending_of(self.assigned_work[node]) > 1:
            return
        super()._reschedule(node)

    def _assign_work_unit(self, node: WorkerController) -> None:
        first: dict[str, str] = {}
        for scope in self.workqueue:
            first.setdefault(sort_of(scope.split("::")[0]), scope)
        scope = next((first[sort] for sort in self._sorts_for(node) if sort in first), None)
        if scope is None:
            node.shutdown()
            return
        self.workqueue.move_to_end(scope, last=False)
        super()._assign_work_unit(node)

    def _sorts_for(self, node: WorkerController) -> tuple[str, ...]:
        place = int(node.gateway.id.removeprefix("gw"))
        if place == 0 or self.numnodes < 2 + LISTENING_WORKERS:
            return LISTENING if self._alone_is_next() else BROWSER, BROWSER, LISTENING, NETWORK, UNIT
        if place <= LISTENING_WORKERS and not self._alone_is_to_end():
            return LISTENING, BROWSER, NETWORK, UNIT
        # When nothing else is left: one more browser, not two, beside the first.
        last = (BROWSER, LISTENING) if place == LISTENING_WORKERS + 1 else (LISTENING, BROWSER)
        return UNIT, NETWORK, *last

    def _alone_is_next(self) -> bool:
        return any(scope.startswith(_ALONE) for scope in self.workqueue)

    def _alone_is_to_end(self) -> bool:
        """Whether it is to be handed out, or runs."""
        given = (item for scopes in self.assigned_work.values() for item in scopes.items())
        runs = any(not all(tests.values()) for scope, tests in given if scope.startswith(_ALONE))
        return runs or self._alone_is_next()


@functools.cache
def _may_take_back() -> bool:
    """Whether a priority that was given away can be taken back: root may, but for some containers."""
    if not hasattr(os, "SCHED_IDLE"):
        return False
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    try:
        os.setpriority(os.PRIO_PROCESS, 0, usual + 1)
        os.setpriority(os.PRIO_PROCESS, 0, usual)
    except OSError:
        return False
    return True


def begin_session() -> None:
    """Has a worker's processor time be shared apart from that of others: with autogroups, as Debian's kernel has them,
    Linux shares it among sessions first, and niceness counts within one alone (sched(7))."""
    if hasattr(os, "setsid") and os.getpgid(0) != os.getpid():
        os.setsid()


def be_nice(niceness: int) -> None:
    """Set the niceness of this process, and of its session if it leads one; there none is below 0, which those have
    that programs under test begin."""
    os.setpriority(os.PRIO_PROCESS, 0, niceness)
    with contextlib.suppress(OSError):
        if os.getsid(0) == os.getpid():
            Path("/proc/self/autogroup").write_text(str(max(0, niceness)))


@contextlib.contextmanager
def priority(path: str, *, realtime: bool) -> Iterator[None]:
    """Runs a test with its right to the processor, and all that it starts, where that is allowed.

    :param path: of the test file.
    """
    if not _may_take_back():
        yield
        return
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    idle = not realtime and sort_of(path) == UNIT
    be_nice(-10 if realtime else 19 if idle else 10)
    if idle:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        be_nice(usual)

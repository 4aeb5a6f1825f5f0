"""What lecture time the times in a lecturer's own copy are. Pure.

A copy counts on with its machine's clock, whatever the line does. It is written in *runs*, one for each start of the
program; in each run it learns now and then by how much lecture time differs (its *points*). Between two points the
difference goes over evenly, since clocks drift; where it jumps, the later one rules from there on.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise

from lecture.entries import EncodedFrame, readable_frames
from lecture.log import LectureLog, Span
from lecture.tracks import Track

COPY_TIME_KEY = "lecture_time_runs"
"""The copy's fact: a JSON list of runs ``[start_ms, [[t_ms, offset_ms], …]]``, times being the file's, an offset
lecture time minus the file's."""

JUMP_MS = 500
"""A difference that has changed so much is no drift: lecture time itself began anew (the relay's machine was
restarted)."""
LEAST_CHANGE_MS = 20
MAX_POINTS = 1_000
"""Beyond it every second point of a run is dropped: drift needs few."""


@dataclass(slots=True)
class _Run:
    start_ms: int
    points: list[tuple[int, int]] = field(default_factory=list)

    def offset_ms(self, t_ms: int) -> int | None:
        if not self.points:
            return None
        at = bisect_right(self.points, t_ms, key=lambda point: point[0])
        if at == 0 or at == len(self.points):
            return self.points[min(at, len(self.points) - 1)][1]
        (from_ms, first), (to_ms, second) = self.points[at - 1], self.points[at]
        if abs(second - first) > JUMP_MS:
            return first
        return first + round((second - first) * (t_ms - from_ms) / (to_ms - from_ms))


class CopyTime:
    """Maps a copy's times to lecture time. Without any run the two are the same (the relay's own files, halls')."""

    def __init__(self) -> None:
        self._runs: list[_Run] = []

    @classmethod
    def of_meta(cls, get_meta: Callable[[str], str | None]) -> CopyTime:
        """What a file's facts say; a fact that cannot be read maps nothing."""
        times = cls()
        text = get_meta(COPY_TIME_KEY)
        if text is None:
            return times
        try:
            for start_ms, points in json.loads(text):
                times._runs.append(_Run(int(start_ms), [(int(t_ms), int(offset)) for t_ms, offset in points]))
        except (ValueError, OverflowError, TypeError, RecursionError):
            times._runs = [_Run(0)]
        return times

    def to_meta(self) -> str:
        """The fact, for :data:`COPY_TIME_KEY`."""
        return json.dumps([[run.start_ms, run.points] for run in self._runs], separators=(",", ":"))

    def begin(self, t_ms: int) -> None:
        """A run begins at this time of the file; its difference is not known yet."""
        if self._runs and self._runs[-1].start_ms >= t_ms:
            self._runs.pop()
        self._runs.append(_Run(t_ms))

    def learn(self, t_ms: int, offset_ms: int) -> bool:
        """Note the difference at a time of the running run; False if it tells nothing new."""
        points = self._runs[-1].points
        if points and (t_ms <= points[-1][0] or abs(offset_ms - points[-1][1]) < LEAST_CHANGE_MS):
            return False
        points.append((t_ms, offset_ms))
        if len(points) > MAX_POINTS:
            del points[1:-1:2]
        return True

    @property
    def is_settled(self) -> bool:
        """Whether the last run has learnt its difference: only then the copy can tell what it has not.

        An earlier run that never did has words that nobody can place.
        """
        return not self._runs or bool(self._runs[-1].points)

    def lecture_ms(self, t_ms: int) -> int | None:
        """Lecture time of a time of the file; None where it is not known, or lies before the lecture."""
        if not self._runs:
            return t_ms
        run = self._run_at(t_ms)
        offset_ms = run.offset_ms(t_ms)
        return None if offset_ms is None or t_ms + offset_ms < 0 else t_ms + offset_ms

    def own_spans(self, span: Span) -> list[Span]:
        """Stretches of the file whose lecture time may lie in a span of it, in order of lecture time, run by run."""
        if not self._runs:
            return [span]
        found: list[tuple[int, Span]] = []
        for index, run in enumerate(self._runs):
            if not run.points:
                continue
            end_ms = self._runs[index + 1].start_ms if index + 1 < len(self._runs) else 1 << 53
            pieces = [run.start_ms, *(to[0] for at, to in pairwise(run.points) if abs(to[1] - at[1]) > JUMP_MS), end_ms]
            for first_ms, last_ms in pairwise(pieces):
                offsets = [offset for t_ms, offset in run.points if first_ms <= t_ms < last_ms]
                offsets += [offset for offset in (run.offset_ms(first_ms),) if offset is not None]
                own = Span(max(first_ms, span.start_ms - max(offsets)), min(last_ms, span.end_ms - min(offsets)))
                if own.start_ms < own.end_ms:
                    found.append((own.start_ms + offsets[0], own))
        return [own for _, own in sorted(found, key=lambda item: item[0])]

    def _run_at(self, t_ms: int) -> _Run:
        at = bisect_right(self._runs, t_ms, key=lambda run: run.start_ms)
        return self._runs[max(0, at - 1)]


def copy_frames(copy: LectureLog, track: Track, times: CopyTime, span: Span) -> Iterator[EncodedFrame]:
    """A track's frames that begin in a span of lecture time, in order, with their lecture time.

    :param times: of the copy.
    """
    for own in times.own_spans(span):
        for entry in copy.read_span(track.track_id, own):
            for frame in readable_frames(entry):
                t_ms = times.lecture_ms(frame.t_ms)
                if t_ms is not None and own.start_ms <= frame.t_ms < own.end_ms and span.start_ms <= t_ms < span.end_ms:
                    yield replace(frame, t_ms=t_ms)

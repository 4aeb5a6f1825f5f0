"""All lectures that this relay has open."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from types import TracebackType
from typing import Self

from relay.media.live import LiveLecture
from relay.media.settings import LectureInfo, MediaSettings
from transport.peer import NetworkConfig


class LectureDirectory:
    """Opens lectures, finds their sessions, closes idle ones. One per relay; used within ``async with``.

    Files lie in ``data_dir/lectures/{lecture_id}.lecture``. Entering resumes every lecture that the files say was
    live when the relay stopped (killed or not): its clock goes on, its halls and publishers may come back. Leaving
    commits and closes all of them without ending them.
    """

    def __init__(self, data_dir: Path, network: NetworkConfig, settings: MediaSettings | None = None) -> None:
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        raise NotImplementedError

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        raise NotImplementedError

    async def open(self, lecture_id: str, info: LectureInfo) -> LiveLecture:
        """The lecture, opened (and its file created) if it is not yet. Cheap when it is open already.

        Call it for each request and don't keep the result across requests: an idle lecture is closed in memory.

        :raises LectureFileError: its file is damaged or cannot be written.
        """
        raise NotImplementedError

    def get(self, lecture_id: str) -> LiveLecture | None:
        """The lecture if it is open now."""
        raise NotImplementedError

    def lectures(self) -> Collection[LiveLecture]:
        """Those open now (for ``/metrics`` and staff)."""
        raise NotImplementedError

    def path_of(self, lecture_id: str) -> Path:
        """Where the lecture's file is or will be."""
        raise NotImplementedError

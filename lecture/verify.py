"""What checking a lecture file found."""

from __future__ import annotations

from dataclasses import dataclass, field

from lecture.log import Span


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What :meth:`lecture.file.LectureFile.verify` found.

    :param bytes: size of the file (with its WAL) in bytes.
    :param duration_ms: lecture time of the last entry's end.
    :param gaps: stretches without voice between the first and the last voice, by language.
    :param problems: in plain words; empty for a sound file.
    """

    entries: int
    blobs: int
    bytes: int
    duration_ms: int
    gaps: dict[str, list[Span]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong (gaps are not damage)."""
        return not self.problems

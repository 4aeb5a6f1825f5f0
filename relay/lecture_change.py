"""What staff change of a lecture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from recordings.catalogue import LectureRecord
from relay.lecture_ids import check_planned_at, check_tags, check_text


@dataclass(frozen=True, slots=True)
class LectureChange:
    """Facts to change; None leaves a fact as it is.

    :param planned_at: seconds since 1970; moves the hall code's expiry.
    :param keep: how long the recording is kept: ``by_rule``, ``for_ever``, or until a time (seconds since 1970).
    """

    title: str | None = None
    course: str | None = None
    series: str | None = None
    tags: tuple[str, ...] | None = None
    planned_at: float | None = None
    keep: Literal["by_rule", "for_ever"] | float | None = None

    def check(self) -> None:
        """:raises RefusedError: ``title_invalid``, ``course_invalid``, ``series_invalid``, ``tags_invalid``,
        ``planned_at_invalid`` (422).
        """
        if self.title is not None:
            check_text("title", self.title, required=True)
        for name, text in (("course", self.course), ("series", self.series)):
            if text is not None:
                check_text(name, text)
        check_tags(self.tags or ())
        check_planned_at(self.planned_at)

    def apply(self, record: LectureRecord, code_expiry: Callable[[LectureRecord], float]) -> LectureRecord:
        """The record, changed.

        :param code_expiry: when the hall code of a lecture that was just planned anew expires.
        """
        told = {name: getattr(self, name) for name in ("title", "course", "series", "tags", "planned_at")}
        record = replace(record, **{name: value for name, value in told.items() if value is not None})
        if self.planned_at is not None:
            record = replace(record, code_expires_at=code_expiry(record))
        if self.keep is not None:
            until = self.keep if isinstance(self.keep, float) else None
            record = replace(record, keep_forever=self.keep == "for_ever", keep_until=until)
        return record

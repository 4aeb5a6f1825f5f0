"""What a recording lacks of its voices, what copies have brought, and what they said they have not. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from lecture.chunks import HOLE_MS
from lecture.coverage import Coverage
from lecture.log import Span
from recordings.copy_spans import CopySpans, keep_last

REPAIR_KEY = "repair"
"""The lecture file's fact: JSON of ``repaired_ms`` by language, and ``none``: by language and copy the spans
``[start_ms, end_ms]`` of which that copy has nothing."""


@dataclass(slots=True)
class _Voice:
    known: Coverage = field(default_factory=Coverage)
    none: CopySpans = field(default_factory=CopySpans)
    shifts: dict[str, int] = field(default_factory=dict)
    repaired_ms: int = 0


class RepairBook:
    """The holes of a lecture's voices, as they were sent.

    :param languages: of the lecture.
    """

    def __init__(self, languages: Iterable[str]) -> None:
        self._voices = {language: _Voice() for language in languages}

    def know(self, language: str, spans: Iterable[Span]) -> None:
        """The log has the voice of these spans."""
        for span in spans:
            self._voices[language].known.add(span)

    def forget_known(self) -> None:
        """What the log has is to be told anew: it has lost something."""
        for voice in self._voices.values():
            voice.known = Coverage()

    def load(self, get_meta: Callable[[str], str | None]) -> None:
        """What was noted in the lecture file; what cannot be read is asked of the copies again."""
        try:
            facts = json.loads(get_meta(REPAIR_KEY) or "{}")
            for language, repaired_ms in facts.get("repaired_ms", {}).items():
                if language in self._voices:
                    self._voices[language].repaired_ms = int(repaired_ms)
            for language, copies in facts.get("none", {}).items():
                if language in self._voices:
                    self._voices[language].none = CopySpans.of_json(copies)
        except (ValueError, OverflowError, TypeError, AttributeError, RecursionError):
            return

    def to_meta(self) -> str:
        """For :data:`REPAIR_KEY`."""
        none = {language: voice.none.to_json() for language, voice in self._voices.items() if voice.none}
        repaired_ms = {language: voice.repaired_ms for language, voice in self._voices.items() if voice.repaired_ms}
        return json.dumps({"repaired_ms": repaired_ms, "none": none}, separators=(",", ":"))

    def is_spoken(self, language: str) -> bool:
        """Whether there is any voice in a language."""
        return bool(self._voices[language].known)

    def wanted(self, language: str, end_ms: int, copy: str = "", *, held_ms: int = 0) -> list[Span]:
        """Holes before ``end_ms``, oldest first, but for what this copy has not.

        :param held_ms: of a hole that goes on at ``end_ms`` so much is not told yet.
        """
        voice = self._voices[language]
        lacking = [
            hole if hole.end_ms < end_ms else Span(hole.start_ms, end_ms - held_ms)
            for hole in _holes(voice.known, end_ms)
            if hole.end_ms < end_ms or hole.start_ms + HOLE_MS <= end_ms - held_ms
        ]
        return [rest for hole in lacking for rest in voice.none.left(copy, hole) if _is_hole(rest)]

    def hopeful(self, language: str, end_ms: int) -> list[Span]:
        """Holes that some copy may yet fill: all, but for those of which every copy heard so far has nothing."""
        voice = self._voices[language]
        holes = _holes(voice.known, end_ms)
        return [rest for hole in holes for rest in voice.none.left_of_any(hole) if _is_hole(rest)]

    def missing_ms(self, language: str, end_ms: int) -> int:
        """How much of a voice is missing and may yet come; none of a language that nobody has spoken so far."""
        if not self.is_spoken(language):
            return 0
        return sum(hole.end_ms - hole.start_ms for hole in self.hopeful(language, end_ms))

    def repaired_ms(self, language: str) -> int:
        """What copies have brought."""
        return self._voices[language].repaired_ms

    def shift_ms(self, language: str, copy: str) -> int:
        """By how much a copy's times were found too early where it was last compared."""
        return self._voices[language].shifts.get(copy, 0)

    def found_shift(self, language: str, copy: str, shift_ms: int) -> None:
        """Note :meth:`shift_ms`."""
        keep_last(self._voices[language].shifts, copy, shift_ms)

    def has_voice_at(self, language: str, t_ms: int) -> bool:
        """Whether the log has voice at or just after a moment."""
        return bool(self._voices[language].known.known_ms(Span(t_ms, t_ms + HOLE_MS)))

    def is_hole(self, language: str, span: Span) -> bool:
        """Whether the log has nothing of a span."""
        return not self._voices[language].known.known_ms(span)

    def answered(self, language: str, copy: str, span: Span, added_ms: int, *, was_hole: bool = True) -> None:
        """A copy has brought all that it has of a span; what it brought is known already.

        A hole of which it brought nothing it has not. Where it brought something, now or before (``was_hole`` is
        false), what is left is asked for once more, by itself: the copy's clock may have been off, so that words lay
        beside the span, and the sound on both sides of what is left will tell where they belong.
        """
        voice = self._voices[language]
        voice.repaired_ms += added_ms
        has_none = was_hole and not added_ms
        voice.none.add(copy, span if has_none else Span(0, 0))


def _holes(known: Coverage, end_ms: int) -> list[Span]:
    return [hole for hole in known.missing(Span(0, end_ms)) if _is_hole(hole)] if end_ms > 0 else []


def _is_hole(span: Span) -> bool:
    return span.end_ms - span.start_ms >= HOLE_MS

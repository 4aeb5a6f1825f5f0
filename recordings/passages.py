"""The words of a lecture as they are searched: passages with their moments, folding, terms and snippets. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from recordings.errors import SearchError

PassageKind = Literal["title", "course", "series", "tag", "page", "mark", "question", "caption"]

LABEL_KINDS: frozenset[PassageKind] = frozenset({"title", "course", "series", "tag"})
"""What staff say of a lecture; the other kinds are what was said and shown in it."""

WEIGHTS: dict[PassageKind, int] = {
    "title": 12,
    "tag": 8,
    "course": 6,
    "series": 6,
    "question": 4,
    "mark": 4,
    "page": 3,
    "caption": 2,
}
"""How much a place counts in which a term stands: who searches a word of a title wants that lecture first."""

MOMENTS = 20
"""Of a page that was shown more often the first so many turns are kept."""
PASSAGE_CHARS = 20_000
"""As much as a page's text may have; what is longer is cut."""
QUERY_CHARS = 200
TERMS = 8
SNIPPET_CHARS = 160
_BEFORE_CHARS = 50

_TERM = re.compile(r'"([^"]+)"|([^\s"]+)')


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of text that can be found.

    :param page: which page of the deck shown, None for what is on none.
    :param moments: lecture times in ms at which it is said or shown, the first first; none for what never was.
    """

    kind: PassageKind
    text: str
    page: int | None = None
    moments: tuple[int, ...] = ()


def clean(text: str) -> str:
    """Text on one line, composed alike (NFKC), without what no database takes (NUL, halves of surrogate pairs)."""
    composed = unicodedata.normalize("NFKC", text)
    kept = (" " if unicodedata.category(letter) in ("Cc", "Cs") else letter for letter in composed)
    return " ".join("".join(kept).split())[:PASSAGE_CHARS]


def fold(text: str) -> str:
    """Cleaned text as it is compared: letters that differ by case only are one."""
    return text.casefold()


def terms_of(query: str) -> list[str]:
    """What must be found, folded: words, and "several words" in quotes as they stand. No character has another meaning.

    :raises SearchError: ``query_invalid`` if there is too much of it.
    """
    if len(query) > QUERY_CHARS:
        raise SearchError("query_invalid", f"Search for {QUERY_CHARS} characters at most.")
    words = (fold(quoted or word).strip() for quoted, word in _TERM.findall(clean(query)))
    terms = list(dict.fromkeys(word for word in words if word))
    if len(terms) > TERMS:
        raise SearchError("query_invalid", f"Search for {TERMS} words at most.")
    return terms


def snippet(text: str, terms: Sequence[str]) -> list[str]:
    """The part of a cleaned text around the first term that stands in it, cut up: every second piece is a match.

    The first piece may be empty; joined, the pieces are the part (with … where it was cut).
    """
    folded, origin = _folded_with_origin(text)
    hits = _merged((origin[at], origin[at + len(term) - 1] + 1) for term in terms for at in _places(folded, term))
    start = max(0, (hits[0][0] if hits else 0) - _BEFORE_CHARS)
    end = min(len(text), start + SNIPPET_CHARS)
    pieces, at = [], start
    for first, last in hits:
        if last > end:
            break
        pieces += [text[at:first], text[first:last]]
        at = last
    pieces.append(text[at:end])
    if start > 0:
        pieces[0] = "…" + pieces[0]
    if end < len(text):
        pieces[-1] += "…"
    return pieces


def _folded_with_origin(text: str) -> tuple[str, list[int]]:
    """The folded text, and for each of its characters which one of ``text`` it came from (ß folds to two)."""
    folded, origin = [], []
    for place, letter in enumerate(text):
        for part in letter.casefold():
            folded.append(part)
            origin.append(place)
    return "".join(folded), origin


def _places(folded: str, term: str) -> Iterable[int]:
    at = folded.find(term)
    while at >= 0:
        yield at
        at = folded.find(term, at + len(term))


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged

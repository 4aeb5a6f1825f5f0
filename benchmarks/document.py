"""Results in a document's part of their own; the rest of the document is written by hand."""

from __future__ import annotations

from pathlib import Path


def write_between(path: Path, begin: str, end: str, text: str) -> None:
    """Replace what is between two lines of a document.

    :param text: ends with a line break.
    :raises ValueError: the document has no such lines.
    """
    whole = path.read_text(encoding="utf-8")
    head, found, rest = whole.partition(begin)
    _, closed, tail = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"{path} has no place for the results: {begin} … {end}")
    path.write_text(f"{head}{begin}\n{text}{end}{tail}", encoding="utf-8")

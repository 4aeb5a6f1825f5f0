"""What can be wrong with a recording."""

from __future__ import annotations

from lecture.errors import HallcastError


class RecordingError(HallcastError):
    """A recording that cannot be read or exported; ``error_id`` says why, ``text`` what to do."""


class CatalogueError(HallcastError):
    """The catalogue cannot be used or the change is impossible.

    Ids: ``catalogue_unusable`` (damaged, not a catalogue, of another version, disk, server away), ``lecture_exists``,
    ``lecture_unknown``, ``hall_code_taken``.
    """


class CatalogueDamagedError(CatalogueError):
    """The catalogue's file itself is damaged (``catalogue_unusable``); it can be made again from the lecture files."""


class SearchError(HallcastError):
    """What was asked for cannot be searched (``query_invalid``)."""

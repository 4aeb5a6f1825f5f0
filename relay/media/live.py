"""A lecture that is going on (or is about to, or has just ended): the owner of everything that belongs to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from lecture.log import LectureLog
from lecture.messages import HallHello, LecturerHello
from lecture.session import HallSession, LecturerSession
from relay.media.channel import Channel
from relay.media.endpoint import Endpoint
from relay.media.settings import LectureInfo, MediaSettings
from transport.peer import NetworkConfig

Role = Literal["lecturer", "interpreter"]
LectureState = Literal["planned", "live", "ended"]


class LiveLecture:
    """One lecture. Get it from :meth:`relay.media.directory.LectureDirectory.open`.

    :ivar lecture_id: as in the addresses and the file name.
    :ivar info: title, course, languages.
    :ivar log: the lecture's log, also readable by others (library, replay) while it is live.
    :ivar on_state: called in the loop whenever :attr:`state` changes (the catalogue follows it); set it after opening.
    """

    lecture_id: str
    info: LectureInfo
    log: LectureLog
    on_state: Callable[[LectureState], None] | None

    @property
    def state(self) -> LectureState:
        """``planned`` until the first publisher, then ``live``, ``ended`` after :meth:`end`."""
        raise NotImplementedError

    def now_ms(self) -> int:
        """Lecture time now; 0 while planned, the end's time once ended."""
        raise NotImplementedError

    async def publish(self, offer_sdp: str, *, role: Role, language: str | None = None) -> Endpoint:
        """Answer a publisher's offer (WHIP POST). Media is taken as soon as its connection stands.

        The first publisher makes the lecture live. ``lecturer`` sends voice and camera, ``interpreter`` voice only.

        :param language: of the voice; default the lecture's first for a lecturer, its second for an interpreter.
        :raises HallcastError: with ``error_id`` ``sdp_malformed``, ``offer_without_audio``, ``no_common_codec``,
            ``language_unknown`` (not one of the lecture's, or the lecturer's for an interpreter); as
            :class:`lecture.errors.RefusedError` ``publisher_exists`` (409), ``lecture_ended`` (410).
        """
        raise NotImplementedError

    async def play(self, offer_sdp: str, *, language: str | None = None) -> Endpoint:
        """Answer a standard player's offer (WHEP POST): one voice and, if it offers video, the camera.

        :raises HallcastError: as :meth:`publish`; also ``players_full`` (503).
        """
        raise NotImplementedError

    def endpoint(self, session_id: str) -> Endpoint | None:
        """The WHIP or WHEP session of this id (PATCH, DELETE), None once it has ended."""
        raise NotImplementedError

    async def serve_hall(self, channel: Channel, session: HallSession, hello: HallHello) -> None:
        """Serve one hall until it goes; closes the channel. Never raises for what the hall does.

        The caller has read and checked ``hello`` (:func:`relay.media.greeting.read_hello`), so that a wrong token
        is answered alike whether or not there is such a lecture.
        """
        raise NotImplementedError

    async def serve_lecturer(
        self, channel: Channel, session: LecturerSession, hello: LecturerHello, *, role: Role
    ) -> None:
        """Serve the lecturer's (or interpreter's) own socket until it goes; closes the channel.

        ``turn``, ``pointer``, ``mark`` and ``end`` of an interpreter are refused (``role_forbidden``).
        """
        raise NotImplementedError

    def turn(self, deck: str, page: int, *, at_ms: int | None = None) -> None:
        """Turn to a page of a deck (counted from 1).

        :param at_ms: lecture time of the turn, default now; never in the future and at most a minute ago.
        :raises HallcastError: ``deck_unknown``, ``page_unknown``, ``lecture_ended``.
        """
        raise NotImplementedError

    async def set_deck(self, pdf: bytes | Path, *, title: str = "") -> str:
        """Take a deck (PDF); returns its deck id as soon as it is accepted. Pages are rendered in the background.

        The same PDF again is the same deck and costs nothing. A :class:`Path` is read, never kept or removed.

        :raises RefusedError: ``deck_not_pdf`` (415), ``deck_too_large`` (413), ``deck_busy`` (409: another one is
            being rendered), ``lecture_ended`` (410). What rendering itself finds (too many pages, time, memory)
            arrives as ``deck_progress`` on the lecturer's socket and in :meth:`snapshot`.
        """
        raise NotImplementedError

    async def end(self) -> None:
        """End the lecture: rungs flushed, halls told, file finished, publishers closed. Idempotent.

        Halls stay and may come later to fetch what they lack.
        """
        raise NotImplementedError

    def snapshot(self) -> dict[str, Any]:
        """All that staff and ``/metrics`` need, JSON-ready; cheap. Keys and units: see :mod:`relay.media.snapshot`."""
        raise NotImplementedError

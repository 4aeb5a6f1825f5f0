"""Who is connected to a lecture by a socket: halls, and lecturer and interpreters."""

from __future__ import annotations

import asyncio
import logging
from functools import partial

from lecture.entries import MEDIA_KINDS, Entry
from lecture.errors import RefusedError
from lecture.messages import HallHello, Message, Repaired
from lecture.session import HallSession
from relay.media.channel import Channel
from relay.media.connection import Connection
from relay.media.greeting import refuse
from relay.media.hall import HallConnection
from relay.media.lecturer import LecturerConnection
from relay.media.stage import Stage
from relay.media.tasks import fenced

logger = logging.getLogger("hallcast.sessions")

LEAVE_TIMEOUT_S = 5.0

_JOINERS = "\u200c\u200d"
"""Not printable by themselves, but part of words in some scripts."""


class People:
    """Connections of one lecture."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._halls: set[HallConnection] = set()
        self._lecturers: set[LecturerConnection] = set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._closed = False

    def __len__(self) -> int:
        return len(self._halls) + len(self._lecturers)

    async def serve_hall(self, channel: Channel, session: HallSession, hello: HallHello) -> None:
        """Serve one hall until it goes."""
        stage = self._stage
        if len(self._halls) >= stage.settings.max_halls:
            await refuse(channel, session, RefusedError("halls_full", "The lecture has no room for more halls.", 503))
            return
        hall = HallConnection(stage, channel, session, hello)
        hall.name = stage.roster.join(hall, _one_line(hello.hall or hello.client.name), stage.now)
        logger.info("hall %s joins %s", hall.name, stage.lecture_id)
        self._halls.add(hall)
        try:
            await self._serve(hall)
        finally:
            self._halls.discard(hall)
            stage.roster.part(hall)
            logger.info("hall %s leaves %s", hall.name, stage.lecture_id)

    async def serve_lecturer(self, lecturer: LecturerConnection) -> None:
        """Serve one lecturer's socket until it goes."""
        self._lecturers.add(lecturer)
        try:
            await self._serve(lecturer)
        finally:
            self._lecturers.discard(lecturer)

    def appended(self, entry: Entry) -> None:
        """An entry is in the log: wake those who may want to send it.

        Whoever appends it, a publisher mostly, is not to suffer from a fault in what is done for one of them.
        """
        if entry.kind in MEDIA_KINDS:
            for hall in self._halls:
                with fenced(hall.name, partial(hall.leave, "failed")):
                    hall.recorded(entry)
            return
        for connection in (*self._halls, *self._lecturers):
            with fenced(connection.name, partial(connection.leave, "failed")):
                connection.wake()

    def screen_changed(self) -> None:
        """Halls may have something of the lecturer's screen to get."""
        for hall in self._halls:
            hall.wake()

    def tell_state(self) -> None:
        """Tell everybody how lecture and publisher are."""
        for connection in (*self._halls, *self._lecturers):
            connection.tell_state()

    def tell_halls(self, repaired: Repaired) -> None:
        """Tell the halls that hear a language that voice of it has come late."""
        for hall in self._halls:
            hall.repaired(repaired)

    def tell_lecturers(self, message: Message) -> None:
        """Send a message to the lecturer's and interpreters' sockets."""
        for lecturer in self._lecturers:
            lecturer.control(message)

    async def send_away(self, reason: str) -> None:
        """End all connections, and those to come, and wait until they have ended."""
        self._closed = True
        for connection in (*self._halls, *self._lecturers):
            connection.leave(reason)
        try:
            async with asyncio.timeout(LEAVE_TIMEOUT_S):
                await self._empty.wait()
        except TimeoutError:
            logger.warning("%d connections of %s do not end", len(self), self._stage.lecture_id)

    async def _serve(self, connection: Connection) -> None:
        if self._closed:
            connection.leave("relay_stopping")
        self._empty.clear()
        try:
            await connection.serve()
        finally:
            if len(self) <= 1:
                self._empty.set()


def _one_line(name: str) -> str:
    """A name as logs and terminals may print it: no line break, no escape sequence, nothing that turns text around."""
    return " ".join("".join(c if c.isprintable() or c in _JOINERS else " " for c in name).split())

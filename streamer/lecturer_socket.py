"""Keeps the lecturer's socket standing: page turns out, the halls' state in, reconnecting for ever."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from lecture.errors import HallcastError, ProtocolError
from lecture.lecturer_messages import LecturerHello, LecturerWelcome, Ping, Pong
from lecture.message_parts import Client
from lecture.messages import PROTOCOL_VERSION, Bye, EntryMessage, ErrorMessage, Message, State
from lecture.session import LecturerSession, SessionState, Side
from streamer.address import RelayAddress
from streamer.errors import StreamError
from streamer.lecture_time import LectureTime
from streamer.outbox import Outbox
from streamer.publisher import LineListener
from transport.backoff import Backoff
from transport.trust import untrusted
from transport.version import version

log = logging.getLogger("hallcast.streamer")

OPEN_S = 15.0
FIRST_ANSWERS = 5
FIRST_PINGS_EVERY_S = 0.5
PING_EVERY_S = 3.0
"""The first few answers that tell lecture time are asked for quickly: the first page turn wants it."""
SILENT_S = 12.0
"""The relay answers every ping; without any word for so long the connection is taken for dead."""

PIECES_EVERY_S = 1.0

MAX_FRAME_BYTES = 300_000
"""What may wait of the screen to be sent; beyond it all is dropped, and the screen begins anew."""

_FINAL = frozenset({"unauthorised", "forbidden", "role_forbidden", "version_unsupported", "lecture_unknown"})


class LecturerSocket:
    """The control connection.

    :param on_frames_lost: what was given to :meth:`send_frame` has not all arrived, or never will.
    :param on_message: gets every message of the relay, in the event loop.
    :ivar time: lecture time as learnt from pings.
    :ivar welcomed: set once the relay has welcomed us for the first time.
    """

    def __init__(
        self,
        address: RelayAddress,
        token: str,
        *,
        line: LineListener,
        on_message: Callable[[Message], None],
        on_frames_lost: Callable[[], None] = lambda: None,
    ) -> None:
        self.time = LectureTime()
        self.welcomed = asyncio.Event()
        self._address = address
        self._token = token
        self._line = line
        self._on_message = on_message
        self._on_frames_lost = on_frames_lost
        self._outbox = Outbox()
        self._frames: deque[bytes] = deque()  # bounded by MAX_FRAME_BYTES
        self._is_open = False
        self._woken = asyncio.Event()
        self._pings = 0
        self._heard_s = 0.0
        self._is_live = False
        self._after_seq = 0

    def send(self, message: Message) -> None:
        """Send it, now or when there is a connection again."""
        self._outbox.put(message)
        self._woken.set()

    def send_frame(self, frame: bytes) -> None:
        """Send a binary frame if there is a connection; frames go in order, and after the messages that wait."""
        if not self._is_open:
            return  # on_frames_lost is called when there is a connection again
        self._frames.append(frame)
        if sum(map(len, self._frames)) > MAX_FRAME_BYTES:
            self._frames.clear()
            self._on_frames_lost()
        self._woken.set()

    async def run(self) -> None:
        """Connect and reconnect until cancelled.

        :raises StreamError: the relay refuses for good, and has never welcomed us.
        """
        backoff = Backoff()
        while True:
            session = LecturerSession(Side.CLIENT)
            try:
                async with connect(
                    self._address.socket,
                    max_size=session.max_receive_bytes,
                    open_timeout=OPEN_S,
                    close_timeout=2.0,
                    ping_interval=None,
                    proxy=None if self._address.is_loopback else True,
                ) as socket:
                    await self._serve(socket, session, backoff)
                why = "the relay closed the connection."
            except (OSError, TimeoutError, InvalidHandshake, InvalidURI, ConnectionClosed) as error:
                why = untrusted(error) or _reason(error)
            except HallcastError as error:
                if error.error_id in _FINAL and not self.welcomed.is_set():
                    raise StreamError(error.error_id, error.text) from error
                why = error.text
            self._line.down(why)
            await asyncio.sleep(backoff.next_s(random.random()))

    async def _serve(self, socket: ClientConnection, session: LecturerSession, backoff: Backoff) -> None:
        client = Client("hallcast-streamer", version())
        hello = LecturerHello(PROTOCOL_VERSION, token=self._token, client=client, after_seq=self._after_seq)
        await socket.send(session.send(hello))
        self.time.reconnected()
        self._outbox.reconnected()
        self._heard_s = _now()
        speaking: asyncio.Task[None] | None = None
        try:
            async for data in socket:
                self._heard_s = _now()
                if isinstance(data, bytes):
                    continue
                for message in session.receive_text(data):
                    self._take(message)
                if speaking is None and session.state is SessionState.OPEN:
                    backoff.reset()
                    self.welcomed.set()
                    self._is_open = True
                    self._on_frames_lost()
                    self._line.up()
                    speaking = asyncio.create_task(self._speak(socket, session))
        except ProtocolError as error:
            _, code = session.refuse(error)
            await socket.close(code, error.error_id)
            raise
        except asyncio.CancelledError:
            if session.state is SessionState.OPEN:
                with suppress(ConnectionClosed, TimeoutError):
                    async with asyncio.timeout(1.0):
                        await socket.send(session.send(Bye()))
            raise
        finally:
            self._is_open = False
            self._frames.clear()
            if speaking is not None:
                speaking.cancel()
                await asyncio.gather(speaking, return_exceptions=True)

    async def _speak(self, socket: ClientConnection, session: LecturerSession) -> None:
        """Send what is to be sent, and ping; closes a connection that has gone silent."""
        pinged_s = float("-inf")
        try:
            while True:
                is_first = self._is_live and self.time.answers < FIRST_ANSWERS
                every_s = FIRST_PINGS_EVERY_S if is_first else PING_EVERY_S
                self._woken.clear()
                messages = self._outbox.take(self._pings + 1)
                for message in messages:
                    await socket.send(session.send(message))
                while self._frames:
                    await socket.send(self._frames.popleft())
                if messages:
                    self._pings += 1
                    await socket.send(session.send(Ping(self._pings)))
                if _now() - pinged_s >= every_s:
                    pinged_s = _now()
                    self._pings += 1
                    await socket.send(session.send(Ping(self._pings, round(pinged_s * 1_000_000))))
                if _now() - self._heard_s > SILENT_S:
                    socket.transport.abort()
                    return
                if self._outbox.more:
                    await asyncio.sleep(PIECES_EVERY_S)
                    continue
                with suppress(TimeoutError):
                    async with asyncio.timeout(every_s):
                        await self._woken.wait()
        except ConnectionClosed:
            return

    def _take(self, message: Message) -> None:
        if isinstance(message, Pong):
            if message.sent_ms:
                self.time.pong(message.sent_ms / 1_000_000, _now(), message.t_ms)
            else:
                self._outbox.pong(message.id)
        if isinstance(message, State):
            self._is_live = message.lecture == "live"
            self._woken.set()
        if isinstance(message, ErrorMessage) and message.fatal:
            raise HallcastError(message.id, message.text)
        if isinstance(message, EntryMessage):
            self._after_seq = max(self._after_seq, message.seq)
        if isinstance(message, LecturerWelcome):
            log.info("welcome to lecture %s, protocol %s", message.lecture.id, message.v)
        self._on_message(message)


def _reason(error: Exception) -> str:
    if isinstance(error, InvalidStatus):
        return f"the relay answers {error.response.status_code}."
    if isinstance(error, TimeoutError):
        return "the relay does not answer."
    if isinstance(error, ConnectionClosed):
        return "the connection broke off."
    return f"{getattr(error, 'strerror', None) or error}."


def _now() -> float:
    return asyncio.get_running_loop().time()

"""One connection of the hall socket, from hello to its end."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from classroom_client.dialling import first_to_stand
from classroom_client.meter import LinkMeter
from classroom_client.reaching import reach
from lecture.errors import CloseCode, HallcastError, ProtocolError
from lecture.messages import ErrorMessage, HallHello, Message
from lecture.session import HallSession, SessionState, Side
from lecture.wire import Frame
from transport.tasks import until_first

log = logging.getLogger("hallcast.hall")

_CLOSE_TIMEOUT_S = 2.0
_QUEUE_MESSAGES = 200
_ACK_CHECK_S = 0.5
_DIAL_EVERY_S = 1.0
_DIAL_FOR_S = 120.0
_HANDSHAKE_S = 4.0  # so long an attempt that reached TCP is alone; a fresh one may find a better moment of the line
_WATCH_EVERY_S = 0.5
_DEAF_S = 25.0
"""A socket from which nothing comes for so long is given up although RTP lives: the relay must hear us."""


class LinkDown(Exception):
    """The socket could not be opened, or has ended.

    :param token_refused: the relay does not take our token (any more).
    """

    def __init__(self, reason: str, *, token_refused: bool = False) -> None:
        super().__init__(reason)
        self.token_refused = token_refused


class SocketRefused(HallcastError):
    """The relay refused us for a reason that trying again does not change."""


class SocketLink:
    """Use within ``async with``; :meth:`run` delivers what comes until the link is down.

    :param meter: gets every byte that comes and goes.
    :param open_timeout_s: for TLS and the WebSocket's handshake, once TCP stands.
    :param ping_interval_s: after so long a silence of the socket it is asked for a sign of life.
    :param ping_timeout_s: so much later it is given up, unless RTP lives.
    :param rtp_heard_s: when the last packet came over RTP.
    """

    def __init__(
        self,
        url: str,
        meter: LinkMeter,
        *,
        open_timeout_s: float,
        ping_interval_s: float,
        ping_timeout_s: float,
        rtp_heard_s: Callable[[], float] = lambda: -math.inf,
    ) -> None:
        self.session = HallSession(Side.CLIENT)
        self._url = url
        self._meter = meter
        self._tls = url.startswith("wss")
        self._open_timeout_s = open_timeout_s
        self._ping_interval_s = ping_interval_s
        self._ping_timeout_s = ping_timeout_s
        self._rtp_heard_s = rtp_heard_s
        self._heard_s = -math.inf
        self._reached_s = -math.inf
        self._connection: ClientConnection | None = None
        # Control messages to the relay. Full means that the link takes nothing: then reports are dropped, and
        # anything else gives the link up (it would be asked for again on the next one).
        self._outgoing: asyncio.Queue[str] = asyncio.Queue(_QUEUE_MESSAGES)

    async def open(self) -> None:
        """Connect, unless that was done before.

        :raises LinkDown: nobody was reached for long, or what answers is no hall socket; SocketRefused.
        """
        if self._connection is not None:
            return
        try:
            self._connection = await first_to_stand(
                self._open,
                _abort,
                every_s=_DIAL_EVERY_S,
                give_up_s=_DIAL_FOR_S,
                hold=lambda: _now() - self._reached_s < _HANDSHAKE_S,
            )
        except (OSError, InvalidHandshake) as error:  # a TimeoutError is an OSError
            raise LinkDown(type(error).__name__) from error
        except InvalidURI as error:
            raise SocketRefused("relay_strange", "The relay gave an address that cannot be used.") from error
        self._heard_s = _now()

    async def close(self) -> None:
        """Close the connection: politely after a goodbye, else at once, as another one may be waiting."""
        if self._connection is None:
            return
        if self.session.state is SessionState.CLOSED:
            await self._connection.close()
        else:
            await _abort(self._connection)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    @property
    def silent_s(self) -> float:
        """For how long nothing has come, over the socket or over RTP."""
        return _now() - max(self._heard_s, self._rtp_heard_s())

    async def _open(self) -> ClientConnection:
        """One attempt.

        :raises OSError: nobody was reached; InvalidHandshake, InvalidURI: what answers is no hall socket.
        """
        link, meter, tls = self, self._meter, self._tls

        class CountingConnection(ClientConnection):
            """Counts bytes below the compression."""

            def data_received(self, data: bytes) -> None:
                link._heard_s = _now()
                meter.socket_received(len(data), tls=tls)
                super().data_received(data)

        sock = await reach(self._url)
        if sock is not None:
            self._reached_s = _now()
        return await connect(
            self._url,
            sock=sock,
            create_connection=CountingConnection,
            open_timeout=self._open_timeout_s,
            close_timeout=_CLOSE_TIMEOUT_S,
            ping_interval=None,
            max_size=self.session.max_receive_bytes,
            proxy=True if sock is None else None,
        )

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def send(self, message: Message, *, droppable: bool = False) -> None:
        """Send a message; never waits.

        :param droppable: it may be lost where the link takes nothing (a newer one will follow).
        :raises LinkDown: the link takes nothing any more.
        """
        if self.session.state is SessionState.CLOSED:
            raise LinkDown("closed")  # the relay has refused us, which the reader is about to tell
        if self._outgoing.full():
            if droppable:
                return
            raise LinkDown("takes nothing")
        self._outgoing.put_nowait(self.session.send(message))

    async def flush(self, timeout_s: float = 5.0) -> None:
        """Wait until all that was sent has left us, at most ``timeout_s``."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._outgoing.join()
        except TimeoutError:
            log.info("the last messages did not leave in time")

    async def run(self, hello: HallHello, handle: Callable[[Message | Frame], Awaitable[None]]) -> None:
        """Say hello, then give everything that comes to ``handle``, in order.

        :raises LinkDown: at the end of the link; SocketRefused: the relay wants us no more.
        """
        self.send(hello)
        await until_first(self._read(handle), self._write(), self._acknowledge(), self._watch())

    async def _read(self, handle: Callable[[Message | Frame], Awaitable[None]]) -> None:
        connection = self._open_connection()
        refusal: ErrorMessage | None = None
        try:
            while True:
                data = await connection.recv()
                for item in self._received(data):
                    if isinstance(item, ErrorMessage) and item.fatal:
                        refusal = item
                    else:
                        await handle(item)
        except ProtocolError as error:
            _, code = self.session.refuse(error)
            log.warning("the relay broke the protocol: %s", error)
            await connection.close(int(code), error.error_id)
            raise LinkDown(error.error_id) from error
        except ConnectionClosed as closed:
            raise _ending(closed.rcvd.code if closed.rcvd else None, refusal) from closed

    def _received(self, data: str | bytes) -> list[Message] | list[Frame]:
        if isinstance(data, str):
            return self.session.receive_text(data)
        frames = self.session.receive_binary(data)
        self._send_ack()
        return frames

    async def _write(self) -> None:
        connection = self._open_connection()
        try:
            while True:
                text = await self._outgoing.get()
                await connection.send(text)
                self._meter.socket_sent(len(text), tls=self._tls)
                self._outgoing.task_done()
        except ConnectionClosed:
            # The reader learns the same and knows more about it.
            await asyncio.Event().wait()

    async def _acknowledge(self) -> None:
        while True:
            await asyncio.sleep(_ACK_CHECK_S)
            self._send_ack()

    async def _watch(self) -> None:
        """Ask a silent socket for a sign of life; give it up when none comes and RTP is silent as well.

        :raises LinkDown: ``silent``.
        """
        connection = self._open_connection()
        pinged_s = -math.inf
        try:
            while True:
                await asyncio.sleep(_WATCH_EVERY_S)
                now = _now()
                if self.silent_s > self._ping_interval_s + self._ping_timeout_s or now - self._heard_s > _DEAF_S:
                    raise LinkDown("silent")
                doubtful = self.silent_s > self._ping_interval_s or now - self._heard_s > _DEAF_S / 3
                if doubtful and now - pinged_s > self._ping_interval_s:
                    pinged_s = now
                    await connection.ping()
        except ConnectionClosed:
            # The reader learns the same and knows more about it.
            await asyncio.Event().wait()

    def _send_ack(self) -> None:
        ack = self.session.ack_due(_now())
        if ack is not None:
            if self._outgoing.full():
                raise LinkDown("takes nothing")
            self._outgoing.put_nowait(ack)

    def _open_connection(self) -> ClientConnection:
        if self._connection is None:
            raise LinkDown("not open")
        return self._connection


def _ending(code: int | None, refusal: ErrorMessage | None) -> Exception:
    """What the end of the socket means for us."""
    error_id = refusal.id if refusal else ""
    if code in (CloseCode.UNAUTHORISED, CloseCode.FORBIDDEN):
        return LinkDown(error_id or "unauthorised", token_refused=True)
    if code == CloseCode.VERSION:
        text = refusal.text if refusal else "This hall and the relay speak different versions of the protocol."
        return SocketRefused(error_id or "version_unsupported", text)
    return LinkDown(error_id or f"closed ({code})")


async def _abort(connection: ClientConnection) -> None:
    connection.transport.abort()
    await connection.wait_closed()


def _now() -> float:
    return asyncio.get_running_loop().time()

"""One hall's or lecturer's socket: reading, writing, and ending it, whatever the other side does."""

from __future__ import annotations

import asyncio
import logging
import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable

from lecture.errors import CloseCode, HallcastError, ProtocolError, RefusedError
from lecture.messages import Bye, Message
from lecture.session import HallSession, LecturerSession, SessionState
from lecture.wire import Frame
from relay.media.channel import Channel, ChannelClosed
from relay.media.greeting import refuse
from transport.tasks import until_first

logger = logging.getLogger("hallcast.sessions")

MAX_CONTROLS = 256
MAX_MESSAGES_PER_S = 100
CLOCK_EVERY_S = 1.0


class GoingAway(Exception):
    """We end the connection though the client did nothing wrong."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Connection(ABC):
    """Serves one socket in two tasks: one reads and handles messages, one sends what is next.

    What is next is *pulled*: nothing is queued for a slow client but answers to its own messages (bounded: a client
    with more than :data:`MAX_CONTROLS` unread ones is dropped) and the newest clock.

    :ivar on_written: gets the size of each message as it is handed over, and ``now``.
    :param send_timeout_s: a client that takes nothing for so long is dropped (``too_slow``).
    :param silence_timeout_s: a client that says nothing for so long is dropped (``silent``), None for never.
    """

    def __init__(
        self,
        name: str,
        channel: Channel,
        session: HallSession | LecturerSession,
        *,
        send_timeout_s: float,
        silence_timeout_s: float | None,
    ) -> None:
        self.name = name
        self.channel = channel
        self.session = session
        self.connected_at = asyncio.get_running_loop().time()
        self.last_heard_s = self.connected_at
        self.on_written: Callable[[int, float], None] | None = None
        self._send_timeout_s = send_timeout_s
        self._silence_timeout_s = silence_timeout_s
        self._controls: deque[Message] = deque()
        self._wake = asyncio.Event()
        self._leave = asyncio.Event()
        self._leave_reason = ""
        self._clock_at = 0.0
        self._message_mark = (0.0, 0)

    @abstractmethod
    async def handle(self, message: Message, now: float) -> None:
        """Act on one message of the client; may raise HallcastError, which ends the connection."""

    def handle_frame(self, frame: Frame, now: float) -> None:
        """Act on a binary frame that the session lets through."""
        raise ProtocolError("frame_unexpected", "Nothing here takes binary frames.")

    @abstractmethod
    def next_item(self, now: float) -> Message | str | bytes | None:
        """What to send next after the controls (a text is a message already), None to wait for :meth:`wake`."""

    def ready_at(self, now: float) -> float:
        """When :meth:`next_item` may have something though nobody calls :meth:`wake`; infinity for never."""
        return math.inf

    @abstractmethod
    def every_second(self, now: float) -> Message | None:
        """Called about once a second by the writing task: the clock message to send, None for none."""

    @abstractmethod
    def tell_state(self) -> None:
        """Tell the client how lecture and publisher are."""

    def wake(self) -> None:
        """Something new may be there to send."""
        self._wake.set()

    def control(self, message: Message) -> None:
        """Send ``message`` before everything else, after the controls before it."""
        if len(self._controls) >= MAX_CONTROLS:
            self.leave("too_slow")
            return
        self._controls.append(message)
        self.wake()

    def leave(self, reason: str) -> None:
        """End the connection from our side (the relay stops, another connection takes its place, it has failed)."""
        if not self._leave.is_set():
            self._leave_reason = reason
            self._leave.set()

    async def serve(self) -> None:
        """Run until the client or we leave; then the channel is closed. Never raises for what the client does."""
        try:
            await until_first(self._read(), self._write(), self._until_leave())
            await self.channel.close(int(CloseCode.NORMAL), "bye")
        except ChannelClosed:
            await self.channel.close(int(CloseCode.NORMAL), "")
        except GoingAway as away:
            await self.channel.close(int(CloseCode.GOING_AWAY), away.reason)
        except HallcastError as error:
            logger.warning("%s is dropped: %s", self.name, error.error_id)
            await refuse(self.channel, self.session, error)

    async def _until_leave(self) -> None:
        await self._leave.wait()
        if self._leave_reason == "too_slow":
            raise RefusedError("too_slow", "Too much waits for this client.", 503)
        if self._leave_reason == "failed":
            raise HallcastError("internal_error", "Something went wrong in the relay.")
        raise GoingAway(self._leave_reason)

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                async with asyncio.timeout(self._silence_timeout_s):
                    data = await self.channel.receive()
            except TimeoutError:
                raise RefusedError("silent", "Nothing was heard of this client for too long.", 408) from None
            now = loop.time()
            self.last_heard_s = now
            self._count_message(now)
            if isinstance(data, bytes):
                for frame in self.session.receive_binary(data):
                    self.handle_frame(frame, now)
                continue
            for message in self.session.receive_text(data):
                if isinstance(message, Bye):
                    return
                await self.handle(message, now)
            self.wake()

    def _count_message(self, now: float) -> None:
        since, count = self._message_mark
        if now - since >= 1.0:
            since, count = now, 0
        if count >= MAX_MESSAGES_PER_S:
            raise ProtocolError("message_flood", f"More than {MAX_MESSAGES_PER_S} messages came in one second.")
        self._message_mark = (since, count + 1)

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while self.session.state is not SessionState.CLOSED:  # who has said goodbye is told nothing more
            now = loop.time()
            item = self._next(now)
            if item is None:
                await self._rest(now)
                continue
            try:
                async with asyncio.timeout(self._send_timeout_s):
                    data = item if isinstance(item, bytes | str) else self.session.send(item)
                    if self.on_written is not None:
                        self.on_written(len(data), now)
                    if isinstance(data, bytes):
                        await self.channel.send_binary(data)
                    else:
                        await self.channel.send_text(data)
            except TimeoutError:
                raise RefusedError("too_slow", "This client takes nothing any more.", 503) from None

    def _next(self, now: float) -> Message | str | bytes | None:
        if self._controls:
            return self._controls.popleft()
        if now - self._clock_at >= CLOCK_EVERY_S:
            self._clock_at = now
            clock = self.every_second(now)
            if clock is not None:
                return clock
        return self.next_item(now)

    async def _rest(self, now: float) -> None:
        try:
            until = min(self._clock_at + CLOCK_EVERY_S, self.ready_at(now))
            async with asyncio.timeout(max(0.01, until - now)):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

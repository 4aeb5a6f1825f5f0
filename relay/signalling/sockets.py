"""The control sockets ``/ws/hall/{lecture}`` and ``/ws/lecturer/{lecture}`` up to the point where media takes over."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection

from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from lecture.errors import HallcastError, RefusedError
from lecture.lecturer_messages import LecturerHello
from lecture.messages import HallHello
from lecture.session import HallSession, LecturerSession, Side
from relay.access import EVERYONE, PUBLISHERS, publisher_role
from relay.app import Relay
from relay.media.channel import ChannelClosed
from relay.media.greeting import read_hello, refuse
from relay.signalling.http import moment_of
from relay.signalling.socket_channel import SocketChannel
from relay.tokens import Role

log = logging.getLogger("hallcast.relay")


class Sockets:
    """All control sockets of a relay.

    :ivar active: how many are open.
    """

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self.active = 0

    def routes(self) -> list[WebSocketRoute]:
        """The routes of both sockets."""
        return [
            WebSocketRoute("/ws/hall/{lecture}", self.hall),
            WebSocketRoute("/ws/lecturer/{lecture}", self.lecturer),
        ]

    async def hall(self, websocket: WebSocket) -> None:
        """Serve a hall: its hello says code or token."""
        session = HallSession(Side.RELAY)

        async def serve(channel: SocketChannel, lecture_id: str) -> None:
            hello: HallHello = await read_hello(channel, session, timeout_s=self._hello_timeout_s)
            await self._require(websocket, lecture_id, hello.token or hello.code, EVERYONE)
            lecture = await self._relay.open_lecture(lecture_id)
            await lecture.serve_hall(channel, session, hello)

        await self._serve(websocket, session, serve)

    async def lecturer(self, websocket: WebSocket) -> None:
        """Serve a lecturer or interpreter; the token says which of them it is, whatever the hello claims."""
        session = LecturerSession(Side.RELAY)

        async def serve(channel: SocketChannel, lecture_id: str) -> None:
            hello: LecturerHello = await read_hello(channel, session, timeout_s=self._hello_timeout_s)
            role = await self._require(websocket, lecture_id, hello.token, PUBLISHERS)
            lecture = await self._relay.open_lecture(lecture_id)
            await lecture.serve_lecturer(channel, session, hello, role=publisher_role(role))

        await self._serve(websocket, session, serve)

    @property
    def _hello_timeout_s(self) -> float:
        return self._relay.config.limits.hello_timeout_s

    async def _serve(
        self,
        websocket: WebSocket,
        session: HallSession | LecturerSession,
        serve: Callable[[SocketChannel, str], Awaitable[None]],
    ) -> None:
        limits = self._relay.config.limits
        channel = SocketChannel(websocket, limits.send_timeout_s)
        await websocket.accept()
        self.active += 1
        try:
            if self.active > limits.sockets:
                raise RefusedError("overloaded", "The relay has too much to do; come back in a moment.", 503)
            await serve(channel, websocket.path_params["lecture"])
        except HallcastError as error:
            await refuse(channel, session, error)
        except ChannelClosed:
            pass
        except Exception:
            log.exception("unexpected error on a socket")
            await refuse(channel, session, HallcastError("internal_error", "Something went wrong in the relay."))
        finally:
            self.active -= 1

    async def _require(self, websocket: WebSocket, lecture_id: str, token: str, allowed: Collection[Role]) -> Role:
        return await self._relay.access.require(lecture_id, token, allowed, moment_of(websocket))

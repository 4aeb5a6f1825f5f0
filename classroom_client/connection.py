"""The hall's connection to its relay: join, hall socket, media; made again for ever."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from collections.abc import Awaitable, Callable

from classroom_client.camera_queue import CameraQueue
from classroom_client.joining import Grant, JoinError, join
from classroom_client.media_link import MediaEvents, MediaLink
from classroom_client.reception import Reception
from classroom_client.reporting import LinkFacts
from classroom_client.settings import HallSettings
from classroom_client.socket_link import LinkDown, SocketLink
from classroom_client.view import Link
from lecture.entries import EncodedFrame
from lecture.errors import HallcastError
from lecture.message_parts import Client
from lecture.messages import (
    PROTOCOL_VERSION,
    Answer,
    Asked,
    Bye,
    Candidate,
    Clock,
    Ended,
    EntryMessage,
    ErrorMessage,
    Filled,
    HallHello,
    HallWelcome,
    Message,
    Receipt,
    Repaired,
    State,
)
from lecture.wire import BlobFrame, BlobPartFrame, ChunkFrame, EntryFrame, Frame, ScreenPartFrame, VoiceFrame
from transport.backoff import Backoff
from transport.tasks import until_first
from transport.version import version

log = logging.getLogger("hallcast.hall")

_OPEN_TIMEOUT_S = 15.0
_LOOK_EVERY_S = 0.25
_DOUBT_S = 4.0
_SHORT_LIFE_S = 15.0
_MOST_PATIENCE = 4.0
_FRAMES = (3, 4, 6, 7)
"""Kinds of frames beside chunks and blobs that we take (docs/protocol.md, section 7)."""

_LATE_S = 1.0  # what comes too late to be heard still completes the hall's file, for less than a request would


class Connection:
    """Keeps the hall connected.

    :param joined: gets the relay's grant each time the code was exchanged; returns the reception it belongs to.
    :param camera: gets the coded pictures.
    """

    def __init__(
        self,
        settings: HallSettings,
        link: LinkFacts,
        joined: Callable[[Grant], Awaitable[Reception]],
        camera: CameraQueue,
    ) -> None:
        self._settings = settings
        self._link = link
        self._joined = joined
        self._camera = camera
        self._instance = secrets.token_hex(8)
        self._grant: Grant | None = None
        self._reception: Reception | None = None
        self._socket: SocketLink | None = None
        self._spare: SocketLink | None = None  # one that stands while the present one is silent
        self._media: MediaLink | None = None
        self._backoff = Backoff(first_s=0.3, longest_s=2.0)  # an outage that is over should not last longer for us
        self._wait_s = 0.0  # before the next try, at least
        self._up_since = 0.0
        self._welcomed_s = 0.0
        self._patience = 1.0  # a link too thin for what comes at first is silent as one that is down
        self._welcomed = asyncio.Event()
        self._left = False

    @property
    def up(self) -> bool:
        """Whether the relay has welcomed us on a socket that stands."""
        return self._welcomed.is_set()

    async def run(self) -> None:
        """Connect, again and again, until :meth:`leave` or an error that trying again does not change.

        :raises HallcastError: the code is refused, the relay speaks another version.
        """
        try:
            while not self._left:
                reason = await self._try()
                self._note_down(reason)
                if self._spare is not None:
                    continue
                wait_s = self._backoff.next_s(random.random(), self._wait_s)
                self._link.retry_at = _now() + wait_s
                await asyncio.sleep(wait_s)
        finally:
            if self._spare is not None:
                await self._spare.close()

    def send(self, message: Message, *, droppable: bool = False) -> bool:
        """Send a message to the relay; False if there is no connection to send it on."""
        if self._socket is None or not self.up or self._left:
            return False
        try:
            self._socket.send(message, droppable=droppable)
        except LinkDown:
            return False
        return True

    async def leave(self, receipt: Receipt) -> None:
        """Hand over the receipt and say goodbye, if there is a connection to do so; nothing is sent after that."""
        socket = self._socket
        if socket is not None and self.send(receipt) and self.send(Bye()):
            self._left = True
            await socket.flush()

    def tick(self, now: float) -> None:
        """Bring the link's figures up to date."""
        media = self._media
        if media is not None:
            media.count()
            if self._reception is not None:
                media.deadline_s = self._reception.timeline.delay_ms / 1000 + _LATE_S
            self._link.fraction_lost = media.fraction_lost
            self._link.rtt_s = media.rtt_s or self._link.rtt_s
        if self.up:
            self._link.connected_s += now - self._up_since
            self._up_since = now

    async def _try(self) -> str:
        """One try: join if need be, then a socket until it ends; returns why it ended."""
        self._wait_s = 0.0
        try:
            if self._grant is None:
                self._grant = await join(self._settings.relay_url, self._settings.code)
                self._reception = await self._joined(self._grant)
            await self._session(self._grant)
        except JoinError as error:
            # Once in a lecture, no refusal is final: the relay may be half way through a restart.
            if self._reception is None and not error.retryable:
                raise
            self._wait_s = error.wait_s
            return error.error_id
        except LinkDown as down:
            if down.token_refused:
                self._grant = None
            return str(down)
        return "closed"

    async def _session(self, grant: Grant) -> None:
        settings, link, reception = self._settings, self._link, self._reception
        if reception is None:
            return
        socket, self._spare = self._spare or self._link_to(grant, reception), None
        try:
            async with socket:
                self._socket = socket
                hello = HallHello(
                    PROTOCOL_VERSION,
                    token=grant.token,
                    hall=settings.name,
                    client=Client("hallcast", version()),
                    instance=self._instance,
                    voice=("hallcast-voice", "opus"),
                    camera=settings.camera,
                    frames=_FRAMES,
                    have=reception.have(_now()),
                )
                await until_first(
                    socket.run(hello, self._handle),
                    self._run_media(socket, reception),
                    self._replace(socket, grant, reception),
                )
        finally:
            self._socket = None
            self._media = None
            if self.up:
                self._welcomed.clear()
                link.connected_s += _now() - self._up_since
            reception.disconnected()

    def _link_to(self, grant: Grant, reception: Reception) -> SocketLink:
        return SocketLink(
            grant.socket_url,
            self._link.meter,
            open_timeout_s=_OPEN_TIMEOUT_S,
            ping_interval_s=self._settings.ping_interval_s,
            ping_timeout_s=self._settings.ping_timeout_s * self._patience,
            rtp_heard_s=lambda: reception.carrier.rtp_heard_s,
        )

    async def _replace(self, socket: SocketLink, grant: Grant, reception: Reception) -> None:
        """While nothing is heard, try for another socket: after an outage TCP may wait for as long as that lasted
        before it tries again. Whichever is heard first is taken.

        :raises LinkDown: another one stands.
        """
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            if socket.silent_s < _DOUBT_S * self._patience:
                continue
            spare = self._link_to(grant, reception)
            opening = asyncio.ensure_future(spare.open())
            try:
                while not opening.done() and socket.silent_s >= _DOUBT_S * self._patience:
                    await asyncio.wait((opening,), timeout=_LOOK_EVERY_S)
                if opening.done() and opening.exception() is None:
                    self._spare = spare
                    raise LinkDown("silent; another one stands")
            finally:
                if self._spare is not spare:
                    opening.cancel()
                    await asyncio.gather(opening, return_exceptions=True)
                    await spare.close()
            await asyncio.sleep(_DOUBT_S / 2)

    async def _run_media(self, socket: SocketLink, reception: Reception) -> None:
        await self._welcomed.wait()
        if not self._settings.udp:
            await asyncio.Event().wait()
        events = MediaEvents(
            began=reception.media_began,
            voice=reception.live_voice,
            camera=lambda codec, frame: self._picture(reception, codec, frame),
            data=self._received,
            packet=reception.carrier.rtp_packet,
            keyframe_wanted=lambda: self._camera.wants_keyframe,
            near_ms=lambda: reception.near_ms(_now()),
            voice_expected=lambda: reception.carrier.voice_expected(_now()),
        )
        self._media = MediaLink(
            self._settings.network,
            socket.send,
            events,
            self._link.meter,
            language=reception.language,
            camera=self._settings.camera,
            deadline_s=reception.timeline.delay_ms / 1000 + _LATE_S,
        )
        await self._media.run()

    def _picture(self, reception: Reception, codec: str, frame: EncodedFrame) -> None:
        self._camera.put(codec, frame)
        reception.camera(codec, frame)

    async def _handle(self, item: Message | Frame) -> None:
        if isinstance(item, Candidate):
            if self._media is not None:
                await self._media.candidate(item)
        else:
            self._received(item)

    def _received(self, item: Message | Frame) -> None:
        """Something came, over the socket or over RTP."""
        reception, media, now = self._reception, self._media, _now()
        if reception is None:
            return
        match item:
            case HallWelcome():
                reception.welcome(item, now)
                self._note_up(now)
            case Clock():
                reception.clock(item, now)
            case State():
                reception.state(item)
            case Ended():
                reception.ended(item)
            case EntryMessage():
                reception.entry(item)
            case EntryFrame():
                reception.entry_frame(item)
            case Filled():
                reception.filled(item)
            case Repaired():
                reception.repaired(item)
            case Asked():
                reception.questions.answered(item, now)
            case VoiceFrame():
                reception.voice_frame(item, now)
            case ChunkFrame():
                reception.chunk(item, now)
            case ScreenPartFrame():
                reception.screen_part(item)
            case BlobPartFrame():
                reception.blob_part(item)
            case BlobFrame():
                reception.blob(item)
            case Answer() if media is not None:
                media.answered(item)
            case ErrorMessage():
                log.warning("the relay says: %s (%s)", item.text, item.id)
                if media is not None:
                    media.refused(HallcastError(item.id, item.text))

    def _note_up(self, now: float) -> None:
        link = self._link
        if link.state is Link.DOWN:
            link.reconnects += 1
        link.state = Link.UP
        link.down_since = None
        link.down_error = ""
        self._up_since = self._welcomed_s = now
        self._backoff.reset()
        self._welcomed.set()

    def _note_down(self, reason: str) -> None:
        link = self._link
        link.down_error = reason
        if link.state is not Link.DOWN and self._reception is not None:
            link.state = Link.DOWN
            link.down_since = _now()
            lived_s = _now() - self._welcomed_s
            self._patience = min(_MOST_PATIENCE, 2 * self._patience) if lived_s < _SHORT_LIFE_S else 1.0
        elif self._reception is None:
            link.join_error = reason
        log.info("the link is down: %s", reason)


def _now() -> float:
    return asyncio.get_running_loop().time()

"""Keeps a WHIP session standing: connects, watches, reconnects for ever."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Protocol

import httpx

from lecture.errors import HallcastError
from streamer.address import RelayAddress
from streamer.camera_pump import CodedPicture
from streamer.errors import StreamError
from streamer.publication import Publication, Sent, publish
from streamer.uplink import Uplink
from streamer.voice_pump import VoicePacket
from transport.backoff import Backoff
from transport.errors import SdpError, TransportError, WhipError
from transport.network import NetworkConfig
from transport.whip import WhipClient

QUIET_S = 5.0
"""After this silence of the relay people are told; the connection may yet recover by itself."""
SILENT_S = 12.0
"""The relay reports every second or so. Hearing nothing for so long means that the path is gone, long before consent
(30 s) says so."""
DOUBTED_SILENT_S = 4.0
"""The same, once the other connection to the relay has broken off: the relay was restarted, or the line is down."""
TICK_S = 0.01

_REASONS = {
    "closed_by_peer": "the relay closed the connection.",
    "consent_expired": "nothing is heard from the relay.",
    "network_lost": "this machine's network is gone.",
}


class LineListener(Protocol):
    """Is told how the connection is (:class:`streamer.line.Line` with a part filled in)."""

    def up(self) -> None: ...

    def down(self, why: str) -> None: ...


class Publisher:
    """Sends voice and camera whenever there is a connection.

    :param on_ended: the lecture is over at the relay.
    :param stream_ms: stream time at a ``now``.
    :param on_camera_share: told how much of the camera's rate the uplink bears, 0 to 1, when that changes.
    :ivar connected: set while there is a connection.
    :ivar sent: totals over all connections.
    """

    def __init__(
        self,
        address: RelayAddress,
        token: str,
        *,
        http: httpx.AsyncClient,
        network: NetworkConfig,
        language: str,
        camera: bool,
        camera_bps: int,
        line: LineListener,
        stream_ms: Callable[[float], float],
        on_keyframe: Callable[[], None],
        on_camera_share: Callable[[float], None],
        on_ended: Callable[[], None],
    ) -> None:
        self.connected = asyncio.Event()
        self.sent = Sent()
        self._client = WhipClient(address.whip(language), token, http=http)
        self._network = network
        self._camera = camera
        self._camera_bps = camera_bps
        self._line = line
        self._stream_ms = stream_ms
        self._on_keyframe = on_keyframe
        self._on_camera_share = on_camera_share
        self._uplink = Uplink()
        self._on_ended = on_ended
        self._current: Publication | None = None
        self._silent_limit_s = SILENT_S

    @property
    def rtt_s(self) -> float | None:
        """Round-trip time to the relay, None without a connection."""
        return self._current.rtt_s if self._current else None

    @property
    def fraction_lost(self) -> float:
        """0 to 1: how much of the voice the relay misses at first."""
        return self._current.fraction_lost if self._current else 0.0

    @property
    def camera_share(self) -> float:
        """How much of the camera's rate goes to the relay, 0 to 1."""
        return self._current.camera_share if self._current else 0.0

    def send_voice(self, packet: VoicePacket) -> None:
        """Send 20 ms of voice, if there is a connection."""
        if self._current is not None:
            self._current.send_voice(packet, _now())

    def send_camera(self, picture: CodedPicture) -> None:
        """Send a picture, if there is a connection."""
        if self._current is not None:
            self._current.send_camera(picture, _now())

    def doubt(self) -> None:
        """The other connection to the relay broke off: this one may be dead too."""
        self._silent_limit_s = DOUBTED_SILENT_S

    async def run(self) -> None:
        """Connect and reconnect until cancelled or the lecture is over.

        :raises StreamError: the relay refuses for good, and has never taken us.
        """
        backoff = Backoff()
        while True:
            at_least_s: float | None = None
            try:
                publication = await publish(
                    self._client,
                    self._network,
                    camera=self._camera,
                    camera_bps=self._camera_bps,
                    sent=self.sent,
                    on_keyframe=self._on_keyframe,
                    uplink=self._uplink,
                    on_camera_share=self._on_camera_share,
                )
            except (WhipError, TransportError, SdpError) as error:
                if error.error_id == "lecture_ended":
                    self._on_ended()
                    return
                if not self.sent.sessions:
                    raise_if_final(error)
                at_least_s = error.retry_after_s if isinstance(error, WhipError) else None
                self._line.down(error.text)
            else:
                backoff.reset()
                self._line.down(await self._serve(publication))
            await asyncio.sleep(backoff.next_s(random.random(), at_least_s))

    async def _serve(self, publication: Publication) -> str:
        """Be connected; returns why that ended."""
        self._current = publication
        self._silent_limit_s = SILENT_S
        self.connected.set()
        self._line.up()
        self._on_keyframe()
        why, is_quiet = "", False
        try:
            while not publication.closed.done():
                now = _now()
                publication.tick(now, self._stream_ms(now))
                silent_s = now - publication.heard_s
                if is_quiet != (silent_s > QUIET_S):
                    is_quiet = not is_quiet
                    if is_quiet:
                        self._line.down(_REASONS["consent_expired"])
                    else:
                        self._line.up()
                if silent_s > self._silent_limit_s:
                    why = "consent_expired"
                    break
                await asyncio.wait([publication.closed], timeout=TICK_S)
            else:
                why = publication.closed.result()
        except asyncio.CancelledError:
            self._leave()
            await publication.close(goodbye=True)
            raise
        self._leave()
        await publication.close(goodbye=False)
        return _REASONS.get(why, why)

    def _leave(self) -> None:
        self._current = None
        self.connected.clear()


def raise_if_final(error: HallcastError) -> None:
    """Raise what trying again cannot mend.

    :raises StreamError: with the relay's own id and text.
    """
    retryable = error.retryable if isinstance(error, WhipError) else isinstance(error, TransportError)
    if not retryable:
        raise StreamError(error.error_id, error.text) from error


def _now() -> float:
    return asyncio.get_running_loop().time()

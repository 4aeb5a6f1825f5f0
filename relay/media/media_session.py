"""One answered offer: its peer, its connecting, its trickled candidates, its end."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import replace

from lecture.errors import RefusedError
from transport.errors import SdpError, TransportError
from transport.network import NetworkConfig
from transport.peer import Peer
from transport.sdp import AnswerPolicy, NegotiatedMedia, Offer, make_answer, parse_fragment


class MediaSession:
    """An endpoint (:class:`relay.media.endpoint.Endpoint`): make it with :meth:`answer`, let :meth:`run` be a task.

    :ivar media: what was agreed, in order.
    :ivar on_rtp: gets each packet and ``now``; set before :meth:`run`.
    :ivar on_rtcp: likewise.
    :ivar end_reason: why it ended (a :class:`transport.errors.TransportError` id, a reason of
        :attr:`transport.peer.Peer.on_closed`, or ``closed`` by us), empty before.
    """

    def __init__(self, peer: Peer, offer: Offer, answer_sdp: str, media: list[NegotiatedMedia]) -> None:
        self.peer = peer
        self.media = media
        self.end_reason = ""
        self.on_rtp: Callable[[bytes, float], None] | None = None
        self.on_rtcp: Callable[[bytes, float], None] | None = None
        self._offer = offer
        self._answer_sdp = answer_sdp
        self._session_id = secrets.token_urlsafe(18)
        self._etag = f'"{secrets.token_hex(8)}"'
        self._ending = asyncio.Event()

    @classmethod
    async def answer(cls, offer: Offer, policy: AnswerPolicy, network: NetworkConfig) -> MediaSession:
        """Gather, and answer an offer.

        :raises SdpError: ``offer_without_audio``, ``no_common_codec``, ``sdp_malformed``.
        :raises TransportError: ``udp_ports_exhausted``, ``no_address``.
        """
        # STUN and TURN are for the others: the relay is reachable by itself, and must not wait for either to answer.
        peer = await Peer.create(replace(network, ice_servers=()), controlling=False)
        try:
            answer_sdp, media = make_answer(offer, policy, peer.local)
        except BaseException:
            await peer.close()
            raise
        return cls(peer, offer, answer_sdp, media)

    @property
    def session_id(self) -> str:
        return self._session_id

    @property
    def answer_sdp(self) -> str:
        return self._answer_sdp

    @property
    def etag(self) -> str:
        return self._etag

    @property
    def closed(self) -> bool:
        return self._ending.is_set()

    async def run(self) -> str:
        """Connect and stay until the peer goes or :meth:`close`; returns the reason. Packets flow meanwhile."""
        self.peer.on_rtp = self.on_rtp
        self.peer.on_rtcp = self.on_rtcp
        self.peer.on_closed = self.end
        connecting = asyncio.ensure_future(self.peer.connect(self._offer.transport))
        ending = asyncio.ensure_future(self._ending.wait())
        try:
            await asyncio.wait((connecting, ending), return_when=asyncio.FIRST_COMPLETED)
            if connecting.done() and not self.closed:
                connecting.result()
                await ending
        except TransportError as error:
            self.end(error.error_id)
        finally:
            self.end("closed")
            for task in (connecting, ending):
                task.cancel()
            await asyncio.gather(connecting, ending, return_exceptions=True)
            await self.peer.close()
        return self.end_reason

    def end(self, reason: str = "closed") -> None:
        """Let :meth:`run` come to its end; the first reason counts."""
        if not self._ending.is_set():
            self.end_reason = reason
            self._ending.set()

    def ignore_packets(self) -> None:
        """Take nothing more of what comes."""
        self.on_rtp = self.on_rtcp = None
        self.peer.on_rtp = self.peer.on_rtcp = None

    async def close(self) -> None:
        """End and free everything (also when :meth:`run` was never started)."""
        self.end()
        await self.peer.close()

    async def patch(self, fragment_text: str, if_match: str | None) -> None:
        """Take trickled candidates; see :meth:`relay.media.endpoint.Endpoint.patch`."""
        if if_match is None:
            raise RefusedError("etag_missing", "A PATCH needs an If-Match header.", 428)
        if if_match.strip() == "*":
            raise RefusedError("ice_restart_unsupported", "ICE restarts are not supported: make a new session.", 422)
        if if_match.strip() != self._etag:
            raise RefusedError("etag_mismatch", "The ICE session has another entity tag.", 412)
        try:
            fragment = parse_fragment(fragment_text)
        except SdpError as error:
            raise RefusedError("fragment_malformed", error.text, 400) from error
        if fragment.ufrag is not None and fragment.ufrag != self._offer.transport.ufrag:
            raise RefusedError("ice_restart_unsupported", "ICE restarts are not supported: make a new session.", 422)
        for candidate in fragment.candidates:
            await self.add_candidate(candidate)
        if fragment.end:
            await self.add_candidate(None)

    async def add_candidate(self, candidate: str | None) -> None:
        """Take one candidate, ``None`` for their end. Useless ones are ignored."""
        if not self.closed:
            await self.peer.add_candidate(candidate)

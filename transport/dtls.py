"""DTLS-SRTP by aiortc, with SRTP handed over as bytes.

All of aiortc's DTLS internals that we touch are in this file. Checked against aiortc 1.16.0.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import lru_cache

from aiortc import RTCCertificate, RTCDtlsTransport
from aiortc.rtcdtlstransport import SRTP_PROFILES, SRTPProtectionProfile, State
from OpenSSL import SSL

from transport.ice import IceTransport
from transport.sdp_types import Fingerprint
from transport.srtp import SrtpContext

_WEEK_S = 7 * 86400


def process_certificate() -> RTCCertificate:
    """The certificate of this process: made once and shared by its peers, renewed weekly (it is valid for 30 days)."""
    return _certificate(int(time.time()) // _WEEK_S)


@lru_cache(maxsize=1)
def _certificate(_week: int) -> RTCCertificate:
    return RTCCertificate.generateCertificate()


def fingerprints(certificate: RTCCertificate) -> tuple[Fingerprint, ...]:
    """What we tell of the certificate: SHA-256 alone, which every peer knows; aiortc would send three digests."""
    return tuple(
        Fingerprint(entry.algorithm, entry.value)
        for entry in certificate.getFingerprints()
        if entry.algorithm == "sha-256"
    )


class _WatchedCertificate(RTCCertificate):
    """A certificate whose TLS context reports alerts: aiortc makes the context here, and swallows what went wrong."""

    def __init__(self, certificate: RTCCertificate, on_alert: Callable[[str, int], None]) -> None:
        super().__init__(certificate._key, certificate._cert)
        self._on_alert = on_alert

    def _create_ssl_context(self, srtp_profiles: list[SRTPProtectionProfile]) -> SSL.Context:
        context = super()._create_ssl_context(srtp_profiles)
        context.set_info_callback(self._info)
        return context

    def _info(self, _connection: SSL.Connection, where: int, value: int) -> None:
        if where & SSL.SSL_CB_ALERT:
            self._on_alert("received" if where & SSL.SSL_CB_READ else "sent", value & 0xFF)


class DtlsTransport(RTCDtlsTransport):
    """aiortc's DTLS transport, whose SRTP sessions are used directly.

    Media never enters aiortc's own receive loop: :class:`transport.ice.MediaProtocol` hands it over before, so that
    loop sees DTLS only, and ``_handle_rtp_data`` and ``_handle_rtcp_data`` are never called.

    :ivar outbound: protects what we send, once connected.
    :ivar inbound: opens what we receive.
    :ivar on_closed: called when the other side has said goodbye.
    :ivar failure: why a handshake failed, as far as known: the last TLS alert (RFC 8446 section 6).
    """

    def __init__(self, transport: IceTransport, certificate: RTCCertificate) -> None:
        super().__init__(transport, [_WatchedCertificate(certificate, self._alert)])
        # aiortc prefers AES-GCM, whose tag is 6 bytes longer: 1.5 % of a hall's voice at 12 kbit/s.
        self._srtp_profiles = sorted(SRTP_PROFILES, key=lambda profile: b"SHA1_80" not in profile.openssl_profile)
        self.outbound: SrtpContext | None = None
        self.inbound: SrtpContext | None = None
        self.on_closed: Callable[[], None] | None = None
        self.failure = ""

    def _alert(self, way: str, number: int) -> None:
        self.failure = f" (alert {number} {way})"

    def choose_role(self, *, server: bool) -> None:
        """Set our role as the descriptions say; aiortc would derive it from the ICE role."""
        self._set_role("server" if server else "client")

    def _setup_srtp(self) -> None:
        super()._setup_srtp()
        if self._state is not State.FAILED:
            self.outbound = SrtpContext(self._tx_srtp)
            self.inbound = SrtpContext(self._rx_srtp)

    async def _do_handshake(self) -> None:
        await super()._do_handshake()
        if self._state is State.FAILED:
            # aiortc leaves OpenSSL's alert unsent, so that the other side would wait for its own deadline.
            try:
                await self._write_ssl()
            except ConnectionError:
                return

    def _set_state(self, state: State) -> None:
        super()._set_state(state)
        if state is State.CLOSED and self.on_closed is not None:
            self.on_closed()

    async def stop(self) -> None:
        """Say goodbye, and wait for aiortc's receive task, which its own ``stop`` cancels but does not await."""
        self.on_closed = None
        task = self._task
        await super().stop()
        if task is not None:
            await asyncio.wait([task])
        self.outbound = self.inbound = None

"""Errors of the transport."""

from __future__ import annotations

from lecture.errors import HallcastError, ProtocolError


class TransportError(HallcastError):
    """A peer connection could not be made or kept.

    Ids: ``connect_timeout`` (no path, or the remote never answered), ``ice_failed``, ``dtls_failed``,
    ``udp_ports_exhausted``, ``no_address`` (nothing to listen on), ``closed``.
    """


class SdpError(ProtocolError):
    """A session description that cannot be used.

    Ids: ``sdp_malformed`` (it does not parse, or lacks what WebRTC requires), ``sdp_too_large``,
    ``offer_without_audio``, ``no_common_codec``, ``answer_mismatch`` (an answer that does not fit our offer).
    """


class WhipError(HallcastError):
    """A WHIP or WHEP server refused, or could not be reached.

    Ids: the server's own id where its answer carries one, else ``whip_unreachable``, ``whip_bad_answer`` or
    ``whip_http_<status>``.

    :param http_status: status of the answer, 0 where none came.
    :param retryable: whether the same request may succeed later (network trouble, 408, 409, 425, 429, 5xx).
    :param retry_after_s: what the server asked for by ``Retry-After``, in seconds, else ``None``.
    """

    def __init__(
        self,
        error_id: str,
        text: str,
        *,
        http_status: int = 0,
        retryable: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(error_id, text)
        self.http_status = http_status
        self.retryable = retryable
        self.retry_after_s = retry_after_s

    def __reduce__(self) -> tuple[object, ...]:
        state = {"http_status": self.http_status, "retryable": self.retryable, "retry_after_s": self.retry_after_s}
        return type(self), (self.error_id, self.text), state

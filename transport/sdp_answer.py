"""The answerer (RFC 3264, RFC 8829 section 5.3)."""

from __future__ import annotations

from transport.sdp_types import AnswerPolicy, LocalTransport, NegotiatedMedia, Offer


def make_answer(offer: Offer, policy: AnswerPolicy, local: LocalTransport) -> tuple[str, list[NegotiatedMedia]]:
    """Answer ``offer``: the answer's text, and what was agreed for each accepted media section, in order.

    Sections we do not take (data channels, surplus media, media outside the bundle) are refused with port 0.

    :raises SdpError: ``offer_without_audio``, ``no_common_codec``, ``sdp_malformed``.
    """
    raise NotImplementedError

"""One WHIP or WHEP session as signalling sees it (RFC 9725, section 4)."""

from __future__ import annotations

from typing import Protocol


class Endpoint(Protocol):
    """A session that an offer created: a publisher (WHIP) or a player (WHEP).

    :ivar session_id: unguessable; the last path segment of the session's URL.
    :ivar answer_sdp: our answer, complete (all our candidates are in it).
    :ivar etag: entity tag of the ICE session, quotes included, as RFC 9725 section 4.3.1 wants it.
    :ivar closed: whether the session has ended for whatever reason (a PATCH or DELETE then gets 404).
    """

    @property
    def session_id(self) -> str: ...

    @property
    def answer_sdp(self) -> str: ...

    @property
    def etag(self) -> str: ...

    @property
    def closed(self) -> bool: ...

    async def patch(self, fragment_text: str, if_match: str | None) -> None:
        """Take trickled candidates (``application/trickle-ice-sdpfrag``, RFC 8840). Success is 204, no body.

        :raises RefusedError: ``etag_missing`` (428), ``etag_mismatch`` (412), ``ice_restart_unsupported`` (422),
            ``fragment_malformed`` (400).
        """

    async def close(self) -> None:
        """End the session (DELETE). Idempotent."""

"""Decks: the lecturer's PDF comes in by ``PUT /lectures/{lecture}/deck``."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from lecture.decks import PDF_HEAD_BYTES, looks_like_pdf
from lecture.errors import RefusedError
from relay.access import LECTURER_OR_STAFF
from relay.app import Relay
from relay.signalling.http import PathRoute, Resource, bearer_token, moment_of, require_content_type

PIECE_BYTES = 1_000_000
"""Bytes gathered before they are written, in a thread: a slow disk must not hold up the voice."""

MAX_TITLE_CHARS = 200


def routes(relay: Relay) -> list[PathRoute]:
    """The route of decks."""
    uploads = _Uploads(relay)
    return [PathRoute("/lectures/{lecture}/deck", Resource({"PUT": uploads.put}, relay.config.server.cors_origins))]


class _Uploads:
    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._active = 0

    async def put(self, request: Request) -> Response:
        """Take a deck; its pages are rendered after the answer, and told on the lecturer's socket."""
        lecture_id = request.path_params["lecture"]
        await self._relay.access.require(lecture_id, bearer_token(request), LECTURER_OR_STAFF, moment_of(request))
        lecture = await self._relay.open_lecture(lecture_id)
        require_content_type(request, "application/pdf", "application/octet-stream")
        if self._active >= self._relay.config.limits.deck_uploads:
            raise RefusedError("overloaded", "Too many decks are being uploaded; come back in a moment.", 503)
        self._active += 1
        title = request.query_params.get("title", "")[:MAX_TITLE_CHARS]
        try:
            with tempfile.TemporaryDirectory(dir=self._relay.cache_dir, prefix="upload-") as folder:
                path = Path(folder, "deck.pdf")
                await self._save(request, path)
                deck = await lecture.set_deck(path, title=title)
        except OSError as error:
            raise RefusedError("disk_full", "The relay's disk cannot take the deck.", 507) from error
        finally:
            self._active -= 1
        return JSONResponse({"lecture": lecture_id, "deck": deck}, 202)

    async def _save(self, request: Request, path: Path) -> None:
        piece = bytearray()
        try:
            with path.open("wb") as file:
                async for chunk in request.stream():
                    piece += chunk
                    if file.tell() == 0 and len(piece) >= PDF_HEAD_BYTES:
                        _require_pdf(piece)
                    if len(piece) >= PIECE_BYTES:
                        await asyncio.to_thread(file.write, bytes(piece))
                        piece.clear()
                if file.tell() == 0:
                    _require_pdf(piece)
                await asyncio.to_thread(file.write, bytes(piece))
        except HTTPException as error:
            if error.status_code == 413:
                limit_mb = self._relay.config.media.deck_max_bytes / 1e6
                raise RefusedError("deck_too_large", f"A deck may have at most {limit_mb:.0f} MB.", 413) from error
            raise


def _require_pdf(head: bytes | bytearray) -> None:
    if not looks_like_pdf(head):
        raise RefusedError("deck_not_pdf", "The deck is not a PDF file.", 415)

"""A recording for replay: the page, and piece by piece what it asks for (``relay/pages/lib/replay-source.js``)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from lecture.errors import HallcastError, RefusedError
from lecture.log import Blob
from recordings.library import NotMadeError
from recordings.replay import IMAGE_NAME_CHARS
from relay import pages
from relay.access import EVERYONE, unauthorised
from relay.app import Relay
from relay.signalling.compressed import compressed_response
from relay.signalling.http import PathRoute, bearer_token, file_response, moment_of
from relay.signalling.pages import FOR_EVER, REPLAY
from relay.signalling.replay_page import REST_URL, WORKER_URL, replay_files, version_of

T = TypeVar("T")

IMAGE_TYPES = frozenset({"image/avif", "image/png", "image/webp", "image/jpeg"})
"""What a blob may be sent as: nothing that a browser would run."""

PAGES_HEADER = "Hallcast-Pages"
"""Of a piece of a voice: from which lecture time (ms) on which image shows the page, ``0 name, 3400 name``; no
name where the page has no image."""

DERIVING_AT_ONCE = 16
"""Recordings whose pages and drawings are gathered at the same time, a moment's work for each."""

FILE_HEADERS = {
    "Cache-Control": "private, no-cache",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}

_NAME = re.compile(rf"[0-9a-f]{{{IMAGE_NAME_CHARS},64}}")
_NUMBER = re.compile(r"[0-9]{1,9}")


def routes(relay: Relay) -> list[PathRoute]:
    """The routes below ``/library/{lecture}``."""
    handlers = _Handlers(relay)
    return [
        PathRoute(REST_URL, _rest),
        PathRoute(WORKER_URL, _worker),
        PathRoute(REPLAY, _page),
        PathRoute(f"{REPLAY}/replay.json", handlers.manifest),
        PathRoute(f"{REPLAY}/voice/{{file}}", handlers.voice),
        PathRoute(f"{REPLAY}/voice/{{language}}/{{rung}}/{{number}}.webm", handlers.voice_segment),
        PathRoute(f"{REPLAY}/waveform/{{language}}", handlers.waveform),
        PathRoute(f"{REPLAY}/drawing/{{number}}.json", handlers.drawing),
        PathRoute(f"{REPLAY}/screen/{{number}}", handlers.screen),
        PathRoute(f"{REPLAY}/screen/{{number}}/whole", handlers.screen_whole),
        PathRoute(f"{REPLAY}/camera.webm", handlers.camera),
        PathRoute(f"{REPLAY}/captions/{{language}}.json", handlers.captions),
        PathRoute(f"{REPLAY}/blob/{{digest}}", handlers.blob),
    ]


async def _page(request: Request) -> Response:
    made = await asyncio.to_thread(replay_files)
    headers = {**pages.HEADERS, "Content-Security-Policy": made.policy}
    html = pages.SERVED_SUFFIXES[".html"]
    return await compressed_response(request, made.page.data, html, headers, zipped=made.page.zipped)


async def _rest(request: Request) -> Response:
    made = (await asyncio.to_thread(replay_files)).rest
    headers = pages.HEADERS
    if request.query_params.get("v") == version_of(made.data):
        headers = {**headers, "Cache-Control": FOR_EVER}
    return await compressed_response(request, made.data, pages.SERVED_SUFFIXES[".js"], headers, zipped=made.zipped)


async def _worker(request: Request) -> Response:
    made = (await asyncio.to_thread(replay_files)).worker
    return await compressed_response(
        request, made.data, pages.SERVED_SUFFIXES[".js"], pages.HEADERS, zipped=made.zipped
    )


class _Handlers:
    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._library = relay.library
        # What is derived from a recording is derived once.
        self._deriving = [asyncio.Lock() for _ in range(DERIVING_AT_ONCE)]
        self._making = asyncio.Lock()

    async def manifest(self, request: Request) -> Response:
        """What the replay page needs to know."""
        lecture_id = await self._admit(request)
        # Read before another request may find a newer revision, and remove this one.
        data = await self._derive(lecture_id, lambda: self._library.manifest(lecture_id).read_bytes())
        return await compressed_response(request, data, "application/json", FILE_HEADERS)

    async def voice(self, request: Request) -> Response:
        """A voice as Ogg Opus."""
        lecture_id = await self._admit(request)
        language, dot, suffix = request.path_params["file"].rpartition(".")
        if (dot, suffix) != (".", "ogg"):
            raise RefusedError("voice_missing", "There is no such voice.", 404)
        path = await self._make(partial(self._library.voice_file, lecture_id, language))
        return file_response(request, path, "audio/ogg", FILE_HEADERS)

    async def voice_segment(self, request: Request) -> Response:
        """A piece of a voice as WebM."""
        lecture_id = await self._admit(request)
        wanted, rung = request.path_params["language"], request.path_params["rung"]
        number = _number(request, "segment_missing")
        known = request.query_params.get("v")
        from_ms = _digits(request.query_params.get("from", "0"), "segment_missing")
        found = await asyncio.to_thread(
            self._library.voice_segment, lecture_id, wanted, rung, number, from_ms=from_ms, revision=known
        )
        # Whoever did not know language and revision learns them, to keep the piece under its lasting address.
        headers = {**FILE_HEADERS, "ETag": f'"{found.revision}"', "Content-Language": found.language}
        headers["Cache-Control"] = _caching(request, found.revision)
        if found.pages:
            # Who asks for a voice first of all learns here what to show: the list of contents comes later.
            headers[PAGES_HEADER] = ", ".join(f"{t_ms} {name}".rstrip() for t_ms, name in found.pages)
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return Response(found.data, media_type="audio/webm", headers=headers)

    async def waveform(self, request: Request) -> Response:
        """How loud a voice is along the lecture."""
        lecture_id = await self._admit(request)
        language = request.path_params["language"]
        path = await self._make(partial(self._library.waveform, lecture_id, language))
        headers = {**FILE_HEADERS, "Cache-Control": _caching(request, path.name.removesuffix(f"-waveform-{language}"))}
        return file_response(request, path, "application/octet-stream", headers)

    async def drawing(self, request: Request) -> Response:
        """Ink and pointer of a page."""
        lecture_id = await self._admit(request)
        number = _number(request, "page_missing")
        found = await self._derive(lecture_id, lambda: self._library.drawing(lecture_id, number))
        return await self._versioned(request, lecture_id, found, "application/json")

    async def screen(self, request: Request) -> Response:
        """Updates of the shared screen that follow those of the segment before."""
        lecture_id, number = await self._admit(request), _number(request, "segment_missing")
        data = await asyncio.to_thread(self._library.screen_segment, lecture_id, number, whole=False)
        return await self._versioned(request, lecture_id, data, "application/octet-stream")

    async def screen_whole(self, request: Request) -> Response:
        """The same, with the picture before them."""
        lecture_id, number = await self._admit(request), _number(request, "segment_missing")
        data = await self._make(partial(self._library.screen_segment, lecture_id, number, whole=True))
        return await self._versioned(request, lecture_id, data, "application/octet-stream")

    async def camera(self, request: Request) -> Response:
        """The camera as a film."""
        lecture_id = await self._admit(request)
        path, media_type = await self._make(partial(self._library.camera_file, lecture_id))
        return file_response(request, path, media_type, FILE_HEADERS)

    async def captions(self, request: Request) -> Response:
        """The captions of a language."""
        lecture_id, language = await self._admit(request), request.path_params["language"]
        found = await self._derive(lecture_id, lambda: self._library.captions(lecture_id, language))
        return await self._versioned(request, lecture_id, found, "application/json")

    async def blob(self, request: Request) -> Response:
        """A page's image, by its digest or the beginning of it; for the lecturer's studio also during the lecture."""
        lecture_id = await self._admit(request)
        digest = request.path_params["digest"]
        blob = await asyncio.to_thread(self._read_blob, lecture_id, digest) if _NAME.fullmatch(digest) else None
        if blob is None or blob.media_type not in IMAGE_TYPES:
            raise RefusedError("page_missing", "There is no such page.", 404)
        headers = {**FILE_HEADERS, "Cache-Control": FOR_EVER, "ETag": f'"{blob.digest}"'}
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return Response(blob.data, media_type=blob.media_type, headers=headers)

    async def _versioned(self, request: Request, lecture_id: str, data: bytes, media_type: str) -> Response:
        revision = await asyncio.to_thread(self._library.revision, lecture_id)
        headers = {**FILE_HEADERS, "Cache-Control": _caching(request, revision)}
        return await compressed_response(request, data, media_type, headers)

    async def _derive(self, lecture_id: str, make: Callable[[], T]) -> T:
        async with self._deriving[hash(lecture_id) % len(self._deriving)]:
            return await asyncio.to_thread(make)

    async def _make(self, file: Callable[..., T]) -> T:
        """A file that takes seconds of a processor to be made: one at a time, since live voice needs it too.

        :param file: gives it; called with ``make=False`` first, so that nobody waits for one that is there.
        """
        try:
            return await asyncio.to_thread(file, make=False)
        except NotMadeError:
            async with self._making:
                return await asyncio.to_thread(file, make=True)

    def _read_blob(self, lecture_id: str, digest: str) -> Blob | None:
        opened = self._relay.directory.get(lecture_id)
        if opened is not None and len(digest) == 64:
            return opened.log.get_blob(digest)
        with self._library.open(lecture_id) as recording:
            return recording.blob_by_name(digest)

    async def _admit(self, request: Request) -> str:
        """Recordings of lectures that have ended are open to all if so configured; everything else needs a token.

        Without a token a lecture to come and one that never was get the same answer. A token that is shown must be
        good, so that a mistyped one is told and not silently ignored.
        """
        lecture_id = str(request.path_params["lecture"])
        token = bearer_token(request)
        if token or not self._relay.config.access.library_open:
            await self._relay.access.require(lecture_id, token, EVERYONE, moment_of(request))
        elif not await asyncio.to_thread(self._has_ended, lecture_id):
            raise unauthorised()
        return lecture_id

    def _has_ended(self, lecture_id: str) -> bool:
        record = self._relay.catalogue.get(lecture_id)
        if record is not None:
            return record.state == "ended"
        try:
            # A recording that was brought here from elsewhere is not in the catalogue.
            with self._library.open(lecture_id) as recording:
                return recording.state == "ended"
        except HallcastError:
            return False


def _number(request: Request, error_id: str) -> int:
    return _digits(request.path_params["number"], error_id)


def _digits(words: str, error_id: str) -> int:
    if not _NUMBER.fullmatch(words):
        raise RefusedError(error_id, "There is no such part of the recording.", 404)
    return int(words)


def _caching(request: Request, revision: str) -> str:
    """What is asked for by the recording's revision never changes; anything else is asked for again."""
    return FOR_EVER if request.query_params.get("v") == revision else FILE_HEADERS["Cache-Control"]

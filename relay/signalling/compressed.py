"""Answers made smaller by gzip (RFC 9110 section 8.4.1.3) where the client takes it: texts shrink to a third."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import re
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

LEAST_BYTES = 400
_GZIP = re.compile(r"(?:^|,)\s*gzip\s*(?:;\s*q=(?!0(?:\.0*)?\s*(?:,|$))[0-9.]+\s*)?(?:,|$)")


def takes_gzip(request: Request) -> bool:
    """Whether the client says that it takes gzip."""
    return bool(_GZIP.search(request.headers.get("accept-encoding", "").lower()))


def squeezed(data: bytes) -> bytes:
    """As gzip, always the same for the same bytes."""
    return gzip.compress(data, 9, mtime=0)


def etag_of(data: bytes) -> str:
    """A weak validator: it stands for the bytes with and without gzip."""
    return f'W/"{hashlib.sha256(data).hexdigest()[:16]}"'


async def compressed_response(
    request: Request,
    data: bytes,
    media_type: str,
    headers: Mapping[str, str],
    *,
    zipped: bytes | None = None,
) -> Response:
    """An answer with ``data``, smaller where that is possible, or 304 if the client has it.

    It is made smaller in a thread: a long recording's facts would hold up live voice for tens of milliseconds.

    :param zipped: ``data`` as gzip if that was made before.
    """
    headers = {"ETag": etag_of(data), **headers, "Vary": "Accept-Encoding"}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    if len(data) >= LEAST_BYTES and takes_gzip(request):
        zipped = zipped or await asyncio.to_thread(squeezed, data)
        return Response(zipped, media_type=media_type, headers={**headers, "Content-Encoding": "gzip"})
    return Response(data, media_type=media_type, headers=headers)

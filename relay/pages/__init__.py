"""The web pages: studio, hall, console, library, replay. Static files without a build step, usable offline.

The relay serves each page at its route and everything in this folder below :data:`STATIC_URL`,
all with :data:`HEADERS`. The pages fetch nothing from anywhere else.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).resolve().parent
"""Folder whose files (but no Python) are served below :data:`STATIC_URL`."""

STATIC_URL = "/pages"
"""URL prefix that the pages use for their scripts, styles and texts."""

ROUTES = {
    "/studio/{lecture}": "studio.html",
    "/hall": "hall.html",
    "/console": "console.html",
    "/library": "library.html",
    "/library/{lecture}": "replay.html",
}
"""Route of each page -> its file in :data:`FOLDER`. ``/library`` is the page unless JSON is asked for."""

SERVED_SUFFIXES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
"""Suffixes that are served, with their media types; anything else in the folder is not found.
Named here because a module script is refused by browsers under any other type, and the type that the
operating system's table gives to ``.js`` differs between machines."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "media-src 'self' blob:; connect-src 'self' ws: wss:; font-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Permissions-Policy": "camera=(self), microphone=(self), fullscreen=(self)",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    # Revalidated by ETag at each load: a relay that was updated must not meet the old pages' scripts.
    "Cache-Control": "no-cache",
}
"""Response headers of every page and static file. Scripts and styles come from files only, never inline;
``ws: wss:`` because Safari before 15.4 does not count same-origin WebSockets as ``'self'``."""


def static_file(path: str) -> tuple[Path, str] | None:
    """Find the file and media type of ``STATIC_URL/path``, or None when nothing is served there."""
    found = (FOLDER / path).resolve()
    media_type = SERVED_SUFFIXES.get(found.suffix)
    if media_type is None or not found.is_relative_to(FOLDER) or not found.is_file():
        return None
    return found, media_type

"""The replay page as it is sent: in few pieces, since each request costs a thin line a round trip.

The page's file stands for itself (it works as it is). What is sent has the script that starts the voice inside it,
allowed by its hash, and no more of the page than is of use with that: the next request waits for its last byte, since
the connection is not free before. One more script brings all the rest: texts, sheet, logo, and what the page's file
marks as ``later``. That one is named by what it holds, so that a browser asks for it once.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from recordings import script_bundle
from relay import pages
from relay.signalling.compressed import squeezed

START, REST, WORKER = "ui/replay-start.js", "ui/replay-relay.js", "ui/replay-worker.js"
REST_URL = f"{pages.STATIC_URL}/replay.js"
WORKER_URL = "/library/worker.js"
"""Below the pages it serves: a service worker rules no address above its own."""

_LATER = re.compile(r"<!-- later -->\n(.*?)\n<!-- /later -->", re.DOTALL)
_SCRIPT_TAG = f'<script type="module" async src="{pages.STATIC_URL}/{START}"></script>'
_REFUSALS = re.compile(r"error_(exports?|recording|pages|file)_|error_(disk_full|overloaded|internal_error|forbidden)$")
"""Texts of what a relay may answer who wants an export: scripts name them by the error's id."""
_PLAIN = " '/:=,;()<>"
"""What may stand in a ``data:`` address as it is."""
_STYLE = "css/replay-start.css"
_STYLE_TAG = f'<link rel="stylesheet" href="{pages.STATIC_URL}/{_STYLE}">'

_SHEET, _LOGO, _TEXTS = "css/hallcast.css", "css/logo.svg", "i18n/texts.json"
# Names files that come with the rest here.
_BROUGHT = f' data-styles="{pages.STATIC_URL}/{_SHEET}" data-logo="{pages.STATIC_URL}/{_LOGO}"'
_OTHERS = ("replay.html", _STYLE, _SHEET, _LOGO, _TEXTS)


@dataclass(frozen=True, slots=True)
class Served:
    """Something made of several files: as it is, and as gzip."""

    data: bytes
    zipped: bytes

    @classmethod
    def of(cls, text: str) -> Served:
        """Encoded and squeezed."""
        data = text.encode()
        return cls(data, squeezed(data))


@dataclass(frozen=True, slots=True)
class ReplayFiles:
    """The page, its scripts, and the page's content security policy."""

    page: Served
    rest: Served
    worker: Served
    policy: str


def version_of(data: bytes) -> str:
    """What an address says of the bytes behind it."""
    return hashlib.sha256(data).hexdigest()[:12]


def replay_files() -> ReplayFiles:
    """What is to be sent now; made anew when one of the files has changed. Blocking."""
    entries = (START, REST, WORKER)
    paths = {path for entry in entries for path in script_bundle.files(pages.FOLDER / entry)}
    others = {pages.FOLDER / name for name in _OTHERS}
    return _made(tuple(sorted((path, path.stat().st_mtime_ns) for path in paths | others)))


@functools.lru_cache(maxsize=1)
def _made(_versions: tuple[tuple[Path, int], ...]) -> ReplayFiles:
    html = (pages.FOLDER / "replay.html").read_text()
    start = script_bundle.bundle(pages.FOLDER / START)
    rest = script_bundle.bundle(pages.FOLDER / REST)
    texts = json.loads((pages.FOLDER / _TEXTS).read_text())
    # Of all pages' texts those that this one may say.
    words = set(re.findall(r"\w+", html + rest))
    used = {key: value for key, value in texts.items() if key in words or _REFUSALS.match(key)}
    logo = f"data:image/svg+xml,{quote((pages.FOLDER / _LOGO).read_text().strip(), safe=_PLAIN)}"
    html = "\n".join(line.strip() for line in html.splitlines())
    brought = {"Texts": used, "Sheet": _bare(_SHEET), "Logo": logo, "Later": _LATER.findall(html)}
    rest = "".join(f"globalThis.hallcast{name} = {_json(value)};\n" for name, value in brought.items()) + rest
    style = _bare(_STYLE)
    if not all(part in html for part in (_SCRIPT_TAG, _STYLE_TAG, _BROUGHT)) or re.search(r"</|/pages/", start + style):
        raise ValueError("replay.html has no place for its script and style")
    html = _LATER.sub("<template></template>", html)
    html = html.replace(f"{pages.STATIC_URL}/{REST}", f"{REST_URL}?v={version_of(rest.encode())}")
    html = html.replace(_BROUGHT, "")
    for tag, inlined in (
        (_STYLE_TAG, f"<style>{style}</style>"),
        (_SCRIPT_TAG, f'<script type="module" async>{start}</script>'),
    ):
        html = html.replace(tag, inlined)
    policy = pages.HEADERS["Content-Security-Policy"]
    policy = policy.replace("script-src 'self'", f"script-src 'self' {_allowed(start)}")
    policy = policy.replace("style-src 'self'", f"style-src 'self' {_allowed(style)}")
    worker = script_bundle.bundle(pages.FOLDER / WORKER)
    return ReplayFiles(Served.of(html), Served.of(rest), Served.of(worker), policy)


def _bare(sheet: str) -> str:
    """A style sheet without comments and indentation."""
    text = re.sub(r"/\*.*?\*/\n?", "", (pages.FOLDER / sheet).read_text(), flags=re.DOTALL)
    return "\n".join(line for line in (line.strip() for line in text.splitlines()) if line)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _allowed(text: str) -> str:
    """How a policy names an inline script or style that it allows."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

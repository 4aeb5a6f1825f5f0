"""What a page asks of a thin line, counted: in which order, and how many bytes with all heads."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import playwright.async_api as playwright

from tests.network.link import LinkSpec

ROUND_TRIP_S = 0.6
SEGMENT_BYTES, SEGMENT_HEAD_BYTES = 1400, 52
QUEUE_BYTES = 16_000
"""What a thin line keeps for later: enough for the ten packets that a TCP connection begins with."""

WATCH = """
window.seen = {sounds_ms: 0, painted_ms: 0, least_ahead_s: Infinity, waited: 0, images: [], last_s: 0};
const from_s = Number(location.hash.slice('#t='.length));
setInterval(() => {
  const audio = document.querySelector('#voice');
  const image = document.querySelector('#page');
  if (audio?.paused && !audio.ended) document.querySelector('#play')?.click();
  if (!seen.sounds_ms && audio?.buffered.length && audio.currentTime > from_s + 0.05) {
    seen.sounds_ms = performance.now();
    audio.addEventListener('waiting', () => (seen.waited += 1));
  }
  const ahead_s = audio?.buffered.length ? audio.buffered.end(0) - audio.currentTime : 0;
  if (ahead_s > 3 || seen.least_ahead_s < Infinity) seen.least_ahead_s = Math.min(seen.least_ahead_s, ahead_s);
  if (image && !image.hidden && image.naturalWidth && image.src !== seen.images.at(-1)) {
    seen.painted_ms ||= performance.now();
    seen.images.push(image.src);
    seen.last_s = audio.currentTime;
  }
}, 20);
"""
"""Before a page's own scripts: presses play at once, and notes when it sounds, when the first page is seen, how much
voice lay ahead when it was least (since that was more than 3 s for the first time), how often it had to wait since it
sounds, which images were shown, and at which second of the lecture the last one was."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request and its answer.

    :ivar path: without the question's part.
    :ivar up_bytes: head of the request; ``down_bytes`` head and body of the answer; both with the heads of TCP and IP.
    :ivar head_bytes: head of the answer.
    :ivar is_new_connection: whether it had to wait for one.
    :ivar start_ms: when it was asked for; ``end_ms`` when the answer was whole.
    """

    path: str
    up_bytes: int
    down_bytes: int
    head_bytes: int
    start_ms: float
    end_ms: float
    is_new_connection: bool


@dataclass(slots=True)
class Asking:
    """Everything that a page asks for.

    :ivar requests: in order; bounded by what one page asks for.
    """

    requests: list[playwright.Request] = field(default_factory=list)

    def of(self, page: playwright.Page) -> Asking:
        """Look at this page from now on."""
        page.on("request", lambda one: self.requests.append(one) if one.url.startswith("http") else None)
        return self

    @property
    def paths(self) -> list[str]:
        """What was asked for, in order."""
        return [urlsplit(request.url).path for request in self.requests]

    async def answered(self, path: str) -> Asked:
        """The first request for ``path``, whose answer is here."""
        request = self.requests[self.paths.index(path)]
        await (await request.response()).finished()  # type: ignore[union-attr]
        sizes, timing = await request.sizes(), request.timing
        return Asked(
            path,
            on_wire(sizes["requestHeadersSize"]),
            on_wire(sizes["responseHeadersSize"] + sizes["responseBodySize"]),
            sizes["responseHeadersSize"],
            timing["startTime"],
            timing["startTime"] + timing["responseEnd"],
            timing["connectStart"] >= 0,
        )


def thin_line(rate_kbps: float) -> LinkSpec:
    """One direction of a line with a round trip of 600 ms."""
    return LinkSpec(rate_kbps=rate_kbps, delay_ms=1000 * ROUND_TRIP_S / 2, queue_ms=QUEUE_BYTES * 8 / rate_kbps)


def on_wire(size_bytes: int) -> int:
    """So many bytes with the heads of TCP and IP."""
    return size_bytes + SEGMENT_HEAD_BYTES * math.ceil(size_bytes / SEGMENT_BYTES)

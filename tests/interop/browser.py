"""A real Chromium: opening pages, waiting, looking into their WebRTC connections, listening."""

from __future__ import annotations

import asyncio
import base64
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import playwright.async_api as playwright
import pytest
from scipy.signal import resample_poly

from tests.sound import RATE, Samples

T = TypeVar("T")

ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--allow-loopback-in-peer-connection",
)

NETWORK_COMPLAINTS = ("Failed to load resource", "WebSocket connection", "net::ERR")
"""How Chromium's console says that a request was refused or a line lost: no faults of the page."""

PLAYER_OFFER = """async () => {
  const peer = new RTCPeerConnection();
  peer.addTransceiver('audio', {direction: 'recvonly'});
  peer.addTransceiver('video', {direction: 'recvonly'});
  const player = document.body.appendChild(document.createElement('video'));
  player.muted = true;
  player.srcObject = new MediaStream();
  peer.ontrack = ({track}) => player.srcObject.addTrack(track);
  window.player = player;
  await peer.setLocalDescription();
  return peer.localDescription.sdp;
}"""
"""Script of a plain receive-only peer that plays what comes; gives its offer."""

PLAYER_ANSWER = """async (sdp) => {
  await hallcastPeers.at(-1).setRemoteDescription({type: 'answer', sdp});
  window.player.play();
}"""
"""Its taking of the answer. The peer is the last of ``hallcastPeers``."""

KEEP_PEERS = """
window.hallcastPeers = [];
window.RTCPeerConnection = class extends window.RTCPeerConnection {
  constructor(...args) { super(...args); window.hallcastPeers.push(this); }
};
"""
"""Before a page's own scripts: its RTCPeerConnections are kept where a test finds them."""

STATS = """async () => {
  const found = {connections: window.hallcastPeers.length};
  const peer = window.hallcastPeers.at(-1);
  for (const one of peer ? (await peer.getStats()).values() : []) {
    if (one.type === 'inbound-rtp' || one.type === 'outbound-rtp') found[one.type.slice(0, -4) + ' ' + one.kind] = one;
  }
  return found;
}"""

LISTEN = """async (seconds) => {
  const receiver = window.hallcastPeers.at(-1).getReceivers().find(({track}) => track.kind === 'audio');
  const reader = new MediaStreamTrackProcessor({track: receiver.track}).readable.getReader();
  const pieces = [];
  let rate = 48000;
  for (let heard = 0; heard < seconds * rate; heard += pieces.at(-1).length) {
    const {value} = await reader.read();
    rate = value.sampleRate;
    pieces.push(new Float32Array(value.numberOfFrames));
    value.copyTo(pieces.at(-1), {planeIndex: 0, format: 'f32-planar'});
    value.close();
  }
  await reader.cancel();
  const blob = new Blob(pieces);
  const url = await new Promise((resolve) => {
    const file = new FileReader();
    file.onload = () => resolve(file.result);
    file.readAsDataURL(blob);
  });
  return [rate, url.slice(url.indexOf(',') + 1)];
}"""


class Page:
    """One page in a window (a profile) of its own.

    :ivar page: the page as Playwright knows it.
    :ivar problems: errors that the page's scripts or its security policy reported.
    """

    def __init__(self, page: playwright.Page) -> None:
        self.page = page
        self.problems: list[str] = []
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", self._console)

    def _console(self, message: playwright.ConsoleMessage) -> None:
        if message.type == "error" and not any(words in message.text for words in NETWORK_COMPLAINTS):
            self.problems.append(message.text)

    async def text(self, selector: str) -> str:
        """The text of an element, hidden or not."""
        return (await self.page.text_content(selector) or "").strip()

    async def shown_page(self) -> str | None:
        """Digest of the page image on the projector or in the studio."""
        image = self.page.locator("#page")
        return await image.get_attribute("data-digest") if await image.is_visible() else None

    async def stats(self) -> dict[str, Any]:
        """The newest connection's RTP statistics (``inbound audio``…), and how many ``connections`` there were."""
        return dict(await self.page.evaluate(STATS))

    async def stat(self, stream: str, name: str) -> float:
        """One number of :meth:`stats`, 0 while there is none."""
        return float((await self.stats()).get(stream, {}).get(name) or 0)

    async def listen(self, seconds: float) -> Samples:
        """The voice that the page plays, as mono samples at :data:`tests.sound.RATE`."""
        rate, encoded = await self.page.evaluate(LISTEN, seconds)
        heard = np.frombuffer(base64.b64decode(encoded), np.float32)
        return np.asarray(resample_poly(heard, RATE, rate), np.float32)


class Browser:
    """A running Chromium."""

    def __init__(self, browser: playwright.Browser) -> None:
        self._browser = browser

    async def open(self, url: str, *, locale: str = "en-GB") -> Page:
        """Open a page at the size of a small laptop's screen."""
        context = await self._browser.new_context(viewport={"width": 1366, "height": 768}, locale=locale)
        await context.add_init_script(KEEP_PEERS)
        opened = Page(await context.new_page())
        await opened.page.goto(url)
        return opened


def chromium_binary() -> str | None:
    """Where Chromium is; None where there is none."""
    return os.environ.get("HALLCAST_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")


@asynccontextmanager
async def chromium(microphone: Path) -> AsyncIterator[Browser]:
    """Run Chromium; the test is skipped where there is none (``HALLCAST_CHROMIUM`` names it elsewhere)."""
    binary = chromium_binary()
    if binary is None:
        pytest.skip("needs Chromium: apt install chromium, or set HALLCAST_CHROMIUM")
    arguments = [*ARGUMENTS, f"--use-file-for-fake-audio-capture={microphone}"]
    async with playwright.async_playwright() as tool:
        browser = await tool.chromium.launch(executable_path=binary, args=arguments)
        try:
            yield Browser(browser)
        finally:
            await browser.close()


async def until(condition: Callable[[], Awaitable[T]], what: str, timeout_s: float = 30) -> T:
    """Wait until a condition gives something true; returns it."""
    try:
        async with asyncio.timeout(timeout_s):
            while not (found := await condition()):
                await asyncio.sleep(0.1)
            return found
    except TimeoutError:
        raise AssertionError(f"waited {timeout_s} s in vain: {what}") from None

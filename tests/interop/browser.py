"""A real Chromium: opening pages, waiting, looking into their WebRTC connections, listening."""

from __future__ import annotations

import asyncio
import base64
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
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

SCRIPTED = (
    "--disable-breakpad",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--hide-scrollbars",
    "--mute-audio",
    "--password-store=basic",
    "--remote-debugging-port=0",
    "--window-size=1366,768",
)
"""What Playwright sees to by itself where it starts the browser."""

AWAKE = (
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-ipc-flooding-protection",
    "--disable-renderer-backgrounding",
)
"""Of windows of several tests in one browser none sleeps for being behind another. In a browser of a test's own they
may, as in a lecturer's."""

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

WATCH_MICROPHONE = """() => {
  const {track} = window.hallcastPeers.at(-1).getSenders().find(({track}) => track?.kind === 'audio');
  const reader = new MediaStreamTrackProcessor({track, maxBufferSize: 6000}).readable.getReader();
  const watched = window.hallcastMicrophone = {from_ms: 0, to_ms: 0, left_out_ms: 0};
  let next_us = null;
  (async () => {
    for (;;) {
      const {value, done} = await reader.read();
      if (done) return;
      if (next_us === null) watched.from_ms = watched.to_ms = performance.timeOrigin + performance.now();
      // Late and early times of what is not missing cancel each other out.
      else watched.left_out_ms += (value.timestamp - next_us) / 1000;
      watched.to_ms += (value.timestamp + value.duration - (next_us ?? value.timestamp)) / 1000;
      next_us = value.timestamp + value.duration;
      value.close();
    }
  })();
}"""
"""Script that notes from now on, in ``hallcastMicrophone``, how much sound the microphone itself leaves out, and from
when to when that was seen (ms since 1970)."""

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
    """A running Chromium, each of whose pages has a window (a profile) of its own."""

    def __init__(self, connection: playwright.Browser) -> None:
        self.connection = connection

    async def _context(self, locale: str) -> playwright.BrowserContext:
        return await self.connection.new_context(viewport={"width": 1366, "height": 768}, locale=locale)

    async def open(self, url: str, *, locale: str = "en-GB") -> Page:
        """Open a page at the size of a small laptop's screen."""
        context = await self._context(locale)
        await context.add_init_script(KEEP_PEERS)
        opened = Page(await context.new_page())
        await opened.page.goto(url)
        return opened


def chromium_binary() -> str | None:
    """Where Chromium is; None where there is none."""
    return os.environ.get("HALLCAST_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")


class Chromium:
    """A Chromium that runs until it is stopped. Whoever needs it connects to it.

    :param microphone: what its microphone says.
    :param profile: an empty folder, or one of an earlier run.
    :param more: arguments beside those that a test needs.
    """

    def __init__(self, microphone: Path, profile: Path, *more: str) -> None:
        self._told = profile / "DevToolsActivePort"
        self._told.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            [
                _binary(),
                *ARGUMENTS,
                *SCRIPTED,
                *more,
                f"--use-file-for-fake-audio-capture={microphone}",
                f"--user-data-dir={profile}",
                "about:blank",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """SIGKILL, to the browser and then to what it has started."""
        if self.running:
            for pid in [self._process.pid, *_descendants(self._process.pid)]:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self._process.wait()

    @asynccontextmanager
    async def connected(self, tool: playwright.Playwright) -> AsyncIterator[playwright.Browser]:
        """A connection to it; what was opened by it is closed with it."""

        async def address() -> list[str]:
            words = self._told.read_text().split() if self._told.exists() else []
            return words if len(words) == 2 else []

        port, path = await until(address, "Chromium says where it listens")
        browser = await tool.chromium.connect_over_cdp(f"ws://127.0.0.1:{port}{path}")
        try:
            yield browser
        finally:
            await browser.close()


class ProfileBrowser(Browser):
    """A Chromium of its own, whose pages keep what they store in its profile, for the next one."""

    def __init__(self, browser: playwright.Browser, process: Chromium) -> None:
        super().__init__(browser)
        self.kill = process.kill

    async def _context(self, locale: str) -> playwright.BrowserContext:
        return self.connection.contexts[0]


def _descendants(pid: int) -> list[int]:
    found = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, children.read_text().split()):
                found += [child, *_descendants(child)]
    return found


def _binary() -> str:
    """What to run; the test is skipped where there is no Chromium (``HALLCAST_CHROMIUM`` names it elsewhere)."""
    binary = chromium_binary()
    if binary is None:
        pytest.skip("needs Chromium: apt install chromium, or set HALLCAST_CHROMIUM")
    return binary


@asynccontextmanager
async def chromium(microphone: Path) -> AsyncIterator[Browser]:
    """Run Chromium."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        async with chromium_with_profile(microphone, Path(profile), *AWAKE) as browser:
            yield Browser(browser.connection)


@asynccontextmanager
async def chromium_with_profile(microphone: Path, profile: Path, *more: str) -> AsyncIterator[ProfileBrowser]:
    """Run Chromium with the profile of this folder; leaving kills it."""
    process = Chromium(microphone, profile, *more)
    try:
        async with playwright.async_playwright() as tool, process.connected(tool) as browser:
            yield ProfileBrowser(browser, process)
    finally:
        process.kill()


async def until(condition: Callable[[], Awaitable[T]], what: str, timeout_s: float = 30) -> T:
    """Wait until a condition gives something true; returns it."""
    try:
        async with asyncio.timeout(timeout_s):
            while not (found := await condition()):
                await asyncio.sleep(0.1)
            return found
    except TimeoutError:
        raise AssertionError(f"waited {timeout_s} s in vain: {what}") from None

"""A real Chromium: opening pages, waiting, looking into their WebRTC connections, listening."""

from __future__ import annotations

import asyncio
import base64
import os
import shutil
import signal
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

SCRIPTED = ("--disable-breakpad", "--password-store=basic", "--window-size=1366,768", "about:blank")
"""What Playwright sees to by itself where it starts the browser."""

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
    """A running Chromium."""

    def __init__(self, browser: playwright.Browser) -> None:
        self._browser = browser

    async def _context(self, locale: str) -> playwright.BrowserContext:
        return await self._browser.new_context(viewport={"width": 1366, "height": 768}, locale=locale)

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


class ProfileBrowser(Browser):
    """A Chromium of ours whose pages keep what they store in a folder, for the next one."""

    def __init__(self, browser: playwright.Browser, process: asyncio.subprocess.Process) -> None:
        super().__init__(browser)
        self._process = process

    async def _context(self, locale: str) -> playwright.BrowserContext:
        return self._browser.contexts[0]

    async def kill(self) -> None:
        """SIGKILL, to the browser and then to what it has started."""
        await _kill(self._process)


async def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        for pid in [process.pid, *_descendants(process.pid)]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await process.wait()


def _descendants(pid: int) -> list[int]:
    found = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, children.read_text().split()):
                found += [child, *_descendants(child)]
    return found


def binary_and_arguments(microphone: Path) -> tuple[str, list[str]]:
    """What to run; the test is skipped where there is no Chromium (``HALLCAST_CHROMIUM`` names it elsewhere)."""
    binary = chromium_binary()
    if binary is None:
        pytest.skip("needs Chromium: apt install chromium, or set HALLCAST_CHROMIUM")
    return binary, [*ARGUMENTS, f"--use-file-for-fake-audio-capture={microphone}"]


@asynccontextmanager
async def chromium(microphone: Path) -> AsyncIterator[Browser]:
    """Run Chromium."""
    binary, arguments = binary_and_arguments(microphone)
    async with playwright.async_playwright() as tool:
        browser = await tool.chromium.launch(executable_path=binary, args=arguments)
        try:
            yield Browser(browser)
        finally:
            await browser.close()


@asynccontextmanager
async def chromium_with_profile(microphone: Path, profile: Path) -> AsyncIterator[ProfileBrowser]:
    """Run Chromium as a process of our own, with the profile of this folder; leaving kills it."""
    binary, arguments = binary_and_arguments(microphone)
    told = profile / "DevToolsActivePort"
    told.unlink(missing_ok=True)
    arguments += [f"--user-data-dir={profile}", "--remote-debugging-port=0", *SCRIPTED]
    process = await asyncio.create_subprocess_exec(binary, *arguments, stderr=asyncio.subprocess.DEVNULL)

    async def address() -> list[str]:
        words = told.read_text().split() if told.exists() else []
        return words if len(words) == 2 else []

    try:
        port, path = await until(address, "Chromium says where it listens")
        async with playwright.async_playwright() as tool:
            yield ProfileBrowser(await tool.chromium.connect_over_cdp(f"ws://127.0.0.1:{port}{path}"), process)
    finally:
        await _kill(process)


async def until(condition: Callable[[], Awaitable[T]], what: str, timeout_s: float = 30) -> T:
    """Wait until a condition gives something true; returns it."""
    try:
        async with asyncio.timeout(timeout_s):
            while not (found := await condition()):
                await asyncio.sleep(0.1)
            return found
    except TimeoutError:
        raise AssertionError(f"waited {timeout_s} s in vain: {what}") from None

"""The replay page in a real browser: how tests open it, and hear how far it is."""

from __future__ import annotations

from benchmarks import long_lecture
from tests.interop.browser import Browser, Page, until

LONG = long_lecture.LECTURE
SECONDS = 132
"""Of the longer lecture."""

HEAR = """async (seconds) => {
  const audio = document.querySelector('#voice');
  const context = (window.hearing ??= {context: new AudioContext()}).context;
  hearing.node ??= context.createMediaElementSource(audio);
  hearing.analyser ??= context.createAnalyser();
  hearing.node.connect(hearing.analyser);
  await context.resume();
  const samples = new Float32Array(hearing.analyser.fftSize);
  const heard = [];
  const end = audio.currentTime + seconds;
  while (audio.currentTime < end && !audio.ended) {
    hearing.analyser.getFloatTimeDomainData(samples);
    heard.push(Math.hypot(...samples) / Math.sqrt(samples.length));
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return heard;
}"""
"""How loud the page sounds while it plays so many seconds of the lecture."""


async def open_replay(browser: Browser, url: str, lecture: str = LONG, fragment: str = "") -> Page:
    """A recording's replay, ready to be used."""
    replay = await browser.open(f"{url}/library/{lecture}{fragment}")
    await is_open(replay)
    return replay


async def is_open(replay: Page) -> None:
    """Wait until the page shows its first page and all that it has to show."""
    await replay.page.wait_for_selector("#page:not([hidden])")
    await replay.page.wait_for_selector("#chapters li")


async def position_s(replay: Page) -> float:
    """Which second of the lecture is heard."""
    return float(await replay.page.evaluate("document.querySelector('#voice').currentTime"))


async def plays_past(replay: Page, second: float) -> None:
    """Wait until it is heard."""

    async def past() -> bool:
        return await position_s(replay) > second

    await until(past, f"second {second} is heard")


async def says(replay: Page, words: str) -> bool:
    """Whether this is the title of the page that is shown."""
    return words in await replay.text("#page-announcement")

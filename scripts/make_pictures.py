"""Take the pictures of docs/pictures from a running Hallcast: .venv/bin/python -m scripts.make_pictures

Needs Chromium, Xvfb and FFmpeg (`scripts/setup.sh dev`). The hall window is photographed on a screen of its own while
the sample lecture runs, the studio while Chromium's fake devices publish, the replay from the lecture that has ended.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests import sound
from tests.interop.browser import Browser, chromium, until
from tests.network import parts
from tests.network.test_whole_lecture import stream_words

PICTURES = Path(__file__).resolve().parent.parent / "docs" / "pictures"
SCREEN = "1366x768"
LECTURE_S = 50


@asynccontextmanager
async def screen() -> AsyncIterator[str]:
    """An X server without a monitor; yields its display name."""
    read_end, write_end = os.pipe()
    words = ["Xvfb", "-displayfd", str(write_end), "-screen", "0", f"{SCREEN}x24", "-nolisten", "tcp"]
    server = await asyncio.create_subprocess_exec(*words, pass_fds=[write_end], stderr=asyncio.subprocess.DEVNULL)
    os.close(write_end)
    try:
        number = await asyncio.to_thread(os.read, read_end, 16)
        yield f":{number.decode().strip()}"
    finally:
        os.close(read_end)
        server.terminate()
        await server.wait()


async def photograph(display: str, name: str) -> None:
    """Write what a screen shows."""
    words = ["ffmpeg", "-v", "error", "-y", "-f", "x11grab", "-video_size", SCREEN, "-i", display]
    words += ["-frames:v", "1", "-compression_level", "9", str(PICTURES / name)]
    camera = await asyncio.create_subprocess_exec(*words)
    assert await camera.wait() == 0


async def hall_and_replay(url: str, data: Path, folder: Path, browser: Browser) -> None:
    """The hall window in mid-lecture, and the replay of that lecture."""
    material = parts.short_lecture(folder / "material", seconds=LECTURE_S, pages=5)
    handout = await parts.create_lecture(url, data, title="Starting a small business", course="Business 1")
    lecture = str(handout["lecture"])
    async with screen() as display:
        os.environ.update(DISPLAY=display, SDL_AUDIODRIVER="dummy")
        join: list[str | Path] = ["join", "--relay", url, "--code", str(handout["hall_code"]), "--name", "Hall 3"]
        async with (
            parts.part(*join, "--keep", folder / "hall", "--json") as hall,
            parts.part(*stream_words(url, handout, material, folder / "lecturer")) as lecturer,
        ):
            await hall.event(lambda event: event.get("event") == "page" and event.get("page") == 4, 120)
            await asyncio.sleep(4)
            await photograph(display, "hall-window.png")
            await lecturer.named("receipt", 120)
    replay = await browser.open(f"{url}/library/{lecture}")
    await replay.page.wait_for_selector("img")
    await replay.page.evaluate("document.querySelector('audio').currentTime = 32")
    await replay.page.wait_for_timeout(3000)
    await replay.page.screenshot(path=PICTURES / "replay.png")


async def studio(url: str, data: Path, browser: Browser) -> None:
    """The studio on the air, its second page turned to."""
    handout = await parts.create_lecture(url, data, title="Starting a small business", course="Business 1")
    opened = await browser.open(f"{url}/studio/{handout['lecture']}#token={handout['lecturer_token']}")
    page = opened.page
    await page.click("#turn-on")
    await page.wait_for_selector("#devices:not([hidden])")
    await page.set_input_files("#file", parts.SAMPLES / "deck.pdf")
    await until(opened.shown_page, "the deck in the studio", 60)
    await page.click("#air")
    for _ in range(3):
        await page.keyboard.press("PageDown")
    await page.wait_for_timeout(6000)
    await page.screenshot(path=PICTURES / "studio.png")


async def main() -> None:
    """Take all pictures."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spoken = sound.cut(parts.SAMPLES / "voice.opus", 1, 20, folder / "spoken.wav")
        async with parts.relay(folder / "data") as (_, url), chromium(spoken) as browser:
            await hall_and_replay(url, folder / "data", folder, browser)
            await studio(url, folder / "data", browser)


asyncio.run(main())

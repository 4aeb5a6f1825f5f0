"""Take the pictures of docs/pictures from a running Hallcast: .venv/bin/python -m scripts.make_pictures

All of them, or those of the parts that are named: ``lecture`` (hall window), ``thin``, ``studio``, ``replay``,
``library``, ``usb-pack``.

Needs Chromium, Xvfb and FFmpeg (`scripts/setup.sh dev`). The hall window is photographed on a screen of its own while
the sample lecture runs, the studio while Chromium's fake devices publish, replay, library and USB pack from recordings
that are written for it (:mod:`scripts.picture_recordings`).
The thin hall and the console are photographed with halls behind emulated links, one of which breaks.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from PIL import Image

from classroom_client.engine import Hall
from classroom_client.settings import HallSettings
from recordings.export import export
from recordings.export_order import ExportOrder
from recordings.recording import Recording
from relay import pages
from scripts import picture_recordings
from tests import sound
from tests.interop.browser import Browser, chromium, until
from tests.network import parts
from tests.network.link import LinkSpec, Loss, LossyLink
from tests.network.test_whole_lecture import stream_words
from transport.network import NetworkConfig

PICTURES = Path(__file__).resolve().parent.parent / "docs" / "pictures"
SCREEN = "1366x768"
LECTURE_S = 50
THIN_LECTURE_S = 130
OUTAGE_AT_S, OUTAGE_S = 60, 25
SHOWN_S = 50
"""Of the recorded lecture: just after something was drawn and pointed at."""
COLOURS = 256
OTHER_HALLS = {
    "Jeju": LinkSpec(rate_kbps=300, delay_ms=300, loss=Loss.random(0.02)),
    "Ulaanbaatar": LinkSpec(rate_kbps=48, delay_ms=400, loss=Loss.bursts(0.1, 4)),
    "Tashkent": LinkSpec(rate_kbps=150, delay_ms=100, loss=Loss.bursts(0.1, 4)),
    "Gangneung": LinkSpec(rate_kbps=64, delay_ms=300),
}
"""The halls beside the one in the window, and the links that they are behind, both ways."""


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


async def hall_window(url: str, data: Path, folder: Path, _browser: Browser) -> None:
    """The hall window in mid-lecture."""
    material = parts.short_lecture(folder / "material", seconds=LECTURE_S, pages=5)
    handout = await parts.create_lecture(url, data, title="Starting a small business", course="Business 1")
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


@asynccontextmanager
async def recordings(folder: Path) -> AsyncIterator[tuple[str, Path]]:
    """A relay whose library holds the recordings for the pictures; yields its URL and their folder."""
    lectures = folder / "recorded" / "lectures"
    if not lectures.is_dir():
        lectures.mkdir(parents=True)
        await asyncio.to_thread(picture_recordings.write, lectures)
    async with parts.relay(folder / "recorded") as (_, url):
        yield url, lectures


async def replay(_url: str, _data: Path, folder: Path, browser: Browser) -> None:
    """A page that was drawn on, a question under the mouse, and what the camera would cost."""
    async with recordings(folder) as (url, _):
        page = (await browser.open(f"{url}/library/{picture_recordings.LECTURE}#t={SHOWN_S}")).page
        await page.wait_for_selector("#page[data-tier='2']")
        timeline = await page.locator("#timeline").bounding_box()
        assert timeline is not None
        length_ms = await page.evaluate("Number(seek.max)")
        share = picture_recordings.QUESTION_MS / length_ms
        await page.mouse.move(timeline["x"] + share * timeline["width"], timeline["y"] + timeline["height"] / 2)
        await page.wait_for_timeout(5000)
        await page.screenshot(path=PICTURES / "replay.png")


async def library(_url: str, _data: Path, folder: Path, browser: Browser) -> None:
    """What is found by part of a Korean word."""
    async with recordings(folder) as (url, _):
        page = (await browser.open(f"{url}/library")).page
        await page.wait_for_selector("#lectures > li:nth-child(3)")
        await page.fill("#search", "탄력")
        await page.wait_for_selector(".hits mark")
        await page.screenshot(path=PICTURES / "library.png")


async def usb_pack(_url: str, _data: Path, folder: Path, browser: Browser) -> None:
    """A pack that plays from its folder, with the camera."""
    async with recordings(folder) as (_, lectures):
        stick = folder / "stick"
        order = ExportOrder("usb", zipped=False, page_sources=str(pages.FOLDER))
        with Recording.open(lectures / f"{picture_recordings.LECTURE}.lecture") as recording:
            await asyncio.to_thread(export, recording, order, stick)
    page = (await browser.open(f"{(stick / 'index.html').as_uri()}#t={SHOWN_S - 4}")).page
    await page.wait_for_selector("#page[data-tier='2'], #page[data-tier='1']")
    await page.click("#play")
    await page.click("#camera-switch")
    await page.wait_for_selector("#camera:not([hidden])")
    await page.wait_for_timeout(4000)
    await page.mouse.move(0, 0)
    await page.screenshot(path=PICTURES / "usb-pack.png")


@asynccontextmanager
async def quiet_hall(url: str, code: str, folder: Path, name: str, spec: LinkSpec) -> AsyncIterator[None]:
    """A hall without a window behind a link of its own."""
    async with LossyLink(seed=5, down=spec, up=spec) as link:
        settings = HallSettings(
            relay_url=f"http://127.0.0.1:{await link.tcp('127.0.0.1', int(url.rsplit(':', 1)[1]))}",
            code=code,
            keep=folder / name,
            name=name,
            heads=len(name) * 5,
            camera=False,
            udp=name != "Gangneung",
            network=link.near(NetworkConfig(addresses=("127.0.0.1",))),
        )
        running = asyncio.create_task(Hall(settings, decode=False).run())
        try:
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def thin_halls_and_console(url: str, data: Path, folder: Path, browser: Browser) -> None:
    """A hall's window behind a link of 100 kbit/s: live, in an outage, catching up; the console in that outage."""
    material = parts.short_lecture(folder / "thin", seconds=THIN_LECTURE_S, pages=7)
    handout = await parts.create_lecture(url, data, title="Starting a small business", course="Business 1")
    code = str(handout["hall_code"])
    console = await browser.open(f"{url}/console")
    await console.page.fill("#token", (data / "staff.token").read_text().strip())
    await console.page.keyboard.press("Enter")
    async with AsyncExitStack() as stack:
        display = await stack.enter_async_context(screen())
        os.environ.update(DISPLAY=display, SDL_AUDIODRIVER="dummy")
        pipe = asyncio.subprocess.PIPE
        words = ("-m", "scripts.thin_hall_window", url, code, str(folder / "Busan"))
        window = await asyncio.create_subprocess_exec(
            sys.executable, *words, stdin=pipe, stdout=asyncio.subprocess.DEVNULL
        )
        stack.push_async_callback(window.wait)
        stack.callback(window.terminate)
        assert window.stdin is not None
        for name, spec in OTHER_HALLS.items():
            await stack.enter_async_context(quiet_hall(url, code, folder, name, spec))
        lecturer = await stack.enter_async_context(
            parts.part(*stream_words(url, handout, material, folder / "thin-lecturer"))
        )
        await lecturer.named("page", 60)
        began = asyncio.get_running_loop().time()

        async def at(seconds: float) -> None:
            await asyncio.sleep(max(0.0, began + seconds - asyncio.get_running_loop().time()))

        await at(OUTAGE_AT_S - 10)
        window.stdin.write(b"key l\n")
        await at(OUTAGE_AT_S - 4)
        await photograph(display, "hall-live.png")
        window.stdin.write(b"key l\nbreak\n")
        await at(OUTAGE_AT_S + OUTAGE_S - 3)
        await photograph(display, "hall-outage.png")
        await console.page.screenshot(path=PICTURES / "console.png")
        await at(OUTAGE_AT_S + OUTAGE_S)
        window.stdin.write(b"mend\nkey l\n")
        await at(OUTAGE_AT_S + OUTAGE_S + 12)
        await photograph(display, "hall-catching-up.png")


async def studio(url: str, data: Path, _folder: Path, browser: Browser) -> None:
    """The studio on the air, its fourth page turned to, some of the own copy kept."""
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


TAKEN = {
    "lecture": hall_window,
    "thin": thin_halls_and_console,
    "studio": studio,
    "replay": replay,
    "library": library,
    "usb-pack": usb_pack,
}


async def main(wanted: list[str]) -> None:
    """Take the pictures that are named, by default all."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    before = {path: path.stat().st_mtime_ns for path in PICTURES.glob("*.png")}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spoken = sound.cut(parts.SAMPLES / "voice.opus", 1, 20, folder / "spoken.wav")
        async with parts.relay(folder / "data") as (_, url), chromium(spoken) as browser:
            for part in wanted or TAKEN:
                await TAKEN[part](url, folder / "data", folder, browser)
    for path in PICTURES.glob("*.png"):
        if path.stat().st_mtime_ns == before.get(path):
            continue  # of a part that was not asked for
        with Image.open(path) as picture:
            small = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        small.save(path, optimize=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))

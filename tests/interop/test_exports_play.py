"""Exports in a real browser: the films play with sound and picture, the USB pack from a folder, without any server."""

from __future__ import annotations

from pathlib import Path

import pytest

from recordings.export import ExportOrder, Kind, export
from recordings.recording import Recording
from relay import pages
from tests import recorded
from tests.interop.browser import Browser, until
from tests.unit.recordings.test_export import CHAPTERS

PLAY = """async (film) => {
  const video = document.querySelector('video');
  const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
  const pen = canvas.getContext('2d', {willReadFrequently: true});
  const sound = new AudioContext();
  const ear = sound.createAnalyser();
  sound.createMediaElementSource(video).connect(ear);
  ear.connect(sound.destination);
  video.muted = false;
  await video.play();
  const heard = new Float32Array(ear.fftSize);
  let loudest = 0;
  while (video.currentTime < 2) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    ear.getFloatTimeDomainData(heard);
    loudest = Math.max(loudest, ...heard);
  }
  pen.drawImage(video, 0, 0);
  const {duration, videoWidth, videoHeight} = video;
  return {duration, videoWidth, videoHeight, loudest, colour: [...pen.getImageData(100, 600, 1, 1).data]};
}"""


def exported(folder: Path, kind: Kind, name: str, **wanted: object) -> Path:
    out = folder / name
    with Recording.open(recorded.write(folder)) as recording:
        export(recording, ExportOrder(kind, page_sources=str(pages.FOLDER), **wanted), out)  # type: ignore[arg-type]
    return out


@pytest.mark.parametrize("kind", ["mp4", "webm"])
async def test_film_plays_with_sound_and_picture(browser: Browser, tmp_path: Path, kind: Kind) -> None:
    film = exported(tmp_path, kind, f"film.{kind}")
    shown = await browser.open(film.as_uri())
    await shown.page.wait_for_function("document.querySelector('video')?.readyState >= 2")
    seen = await shown.page.evaluate(PLAY)
    assert seen["duration"] == pytest.approx(recorded.VOICE_MS / 1000, abs=0.1)
    assert (seen["videoWidth"], seen["videoHeight"]) == (1280, 720)
    assert seen["loudest"] > 0.1
    assert all(abs(found - wanted) < 16 for found, wanted in zip(seen["colour"], (255, 160, 0, 255), strict=True))


async def test_usb_pack_plays_from_its_folder(browser: Browser, tmp_path: Path) -> None:
    pack = exported(tmp_path, "usb", "stick", zipped=False, with_camera=True)
    replay = await browser.open((pack / "index.html").as_uri())
    page = replay.page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.wait_for_selector("#page:not([hidden])")

    async def says(words: str) -> bool:
        return words in await replay.text("#page-announcement")

    async def position_s() -> float:
        return float(await page.evaluate("document.querySelector('#voice').currentTime"))

    await page.click("#play")
    await until(lambda: says(CHAPTERS[1][1]), "the second page, turned to at 1.5 s")
    assert await position_s() > 1.4
    await page.click("#camera-switch")
    await page.wait_for_selector("#camera:not([hidden])")
    await until(lambda: says(CHAPTERS[2][1]), "the third page, turned to at 4 s")
    width = await page.evaluate("document.querySelector('#page').naturalWidth")
    assert width == 1280, "the sharp image"
    await page.click("#chapters li:first-child button")
    await until(lambda: says(CHAPTERS[0][1]), "the first page again")
    assert {url.partition(":")[0] for url in asked} <= {"file", "blob", "data"}
    assert not replay.problems

"""Exports in a real browser: the films play with sound and picture, the USB pack from a folder, without any server."""

from __future__ import annotations

from pathlib import Path

import pytest

from recordings.export import export
from recordings.export_order import ExportOrder
from recordings.recording import Recording
from relay import pages
from tests import recorded
from tests.interop.browser import Browser, until
from tests.network import parts

EXPORT = """async ([url, to, token]) => {
  const headers = {Authorization: `Bearer ${token}`, 'Content-Type': 'application/json'};
  let job = await (await fetch(url, {method: 'POST', headers, body: JSON.stringify({to})})).json();
  while (job.state === 'waiting' || job.state === 'running') {
    await new Promise((resolve) => setTimeout(resolve, 100));
    job = await (await fetch(`${url}/${job.job}`, {headers})).json();
  }
  return job;
}"""
PLAY = """async (file) => {
  const video = document.createElement('video');
  video.src = file;
  await new Promise((resolve, reject) => {
    video.onloadeddata = resolve;
    video.onerror = () => reject(video.error.message);
  });
  const ear = new AudioContext().createAnalyser();
  ear.context.createMediaElementSource(video).connect(ear);
  ear.connect(ear.context.destination);
  await video.play();
  const heard = new Float32Array(ear.fftSize);
  let loudest = 0;
  while (video.currentTime < 2) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    ear.getFloatTimeDomainData(heard);
    loudest = Math.max(loudest, ...heard);
  }
  const pen = new OffscreenCanvas(video.videoWidth, video.videoHeight).getContext('2d');
  pen.drawImage(video, 0, 0);
  const {duration, videoWidth, videoHeight} = video;
  return {duration, videoWidth, videoHeight, loudest, colour: [...pen.getImageData(100, 600, 1, 1).data]};
}"""


async def test_films_play_with_sound_and_picture(browser: Browser, tmp_path: Path) -> None:
    """Both are fetched as the page's links fetch them: by the browser, without a token."""
    (tmp_path / "lectures").mkdir()
    recorded.write(tmp_path / "lectures")
    async with parts.relay(tmp_path) as (_, url):
        token = (tmp_path / "staff.token").read_text().strip()
        opened = await browser.open(f"{url}/library")
        await opened.page.click("h1")  # browsers let nothing sound before somebody has touched the page
        for kind in ("mp4", "webm"):
            job = await opened.page.evaluate(EXPORT, [f"/library/{recorded.LECTURE}/exports", kind, token])
            assert (job["state"], job["error"]) == ("done", None)
            seen = await opened.page.evaluate(PLAY, job["file"])
            assert seen["duration"] == pytest.approx(recorded.VOICE_MS / 1000, abs=0.1)
            assert (seen["videoWidth"], seen["videoHeight"]) == (1280, 720)
            assert seen["loudest"] > 0.1
            page_2 = (255, 160, 0, 255)
            assert all(abs(found - wanted) < 16 for found, wanted in zip(seen["colour"], page_2, strict=True))


async def test_staff_export_from_the_replay_page(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "lectures").mkdir()
    recorded.write(tmp_path / "lectures")
    async with parts.relay(tmp_path) as (_, url):
        replay = await browser.open(f"{url}/library/{recorded.LECTURE}")
        page = replay.page
        await page.wait_for_selector("#page:not([hidden])")
        assert not await page.is_visible("#export"), "it is for staff"
        token = (tmp_path / "staff.token").read_text().strip()
        await page.evaluate("(token) => sessionStorage.setItem('hallcast.staff', token)", token)
        await page.reload()
        await page.click("#export")
        await page.select_option("#export-kind", "pdf")
        await page.click("#export-form .primary")
        async with page.expect_download() as downloading:
            await page.click("#exports a")
        download = await downloading.value
        assert download.suggested_filename == f"{recorded.LECTURE}-en.pdf"
        assert Path(await download.path()).read_bytes().startswith(b"%PDF")
        await page.click("#exports button")
        await page.wait_for_selector("#exports li", state="detached")
        assert not replay.problems


async def test_usb_pack_plays_from_its_folder(browser: Browser, tmp_path: Path) -> None:
    pack = tmp_path / "stick"
    order = ExportOrder("usb", zipped=False, page_sources=str(pages.FOLDER))
    with Recording.open(recorded.write(tmp_path)) as recording:
        export(recording, order, pack)
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
    await until(lambda: says("세 가지 질문"), "the second page, turned to at 1.5 s")
    assert await position_s() > 1.4
    await page.click("#camera-switch")
    await page.wait_for_selector("#camera:not([hidden])")
    await until(lambda: says("Try it"), "the third page, turned to at 4 s")
    width = await page.evaluate("document.querySelector('#page').naturalWidth")
    assert width == 1280, "the sharp image"
    await page.click("#chapters li:first-child button")
    await until(lambda: says("What a price is"), "the first page again")
    assert {url.partition(":")[0] for url in asked} <= {"file", "blob", "data"}
    assert not replay.problems

"""Exports in a real browser: the films play with sound and picture, the USB pack from a folder, without any server."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from lecture.entries import Entry, Kind, pack_event
from lecture.file import LectureFile
from lecture.log import Span
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
JOBS = """async ([url, token]) =>
  (await (await fetch(url, {headers: {Authorization: `Bearer ${token}`}})).json()).exports"""
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
    recording = recorded.write(tmp_path / "lectures")
    interpreted(recording)
    async with parts.relay(tmp_path) as (_, url):
        replay = await browser.open(f"{url}/library/{recorded.LECTURE}")
        page = replay.page
        await page.wait_for_selector("#page:not([hidden])")
        assert not await page.is_visible("#export"), "it is for staff"
        token = (tmp_path / "staff.token").read_text().strip()
        await page.evaluate("(token) => sessionStorage.setItem('hallcast.staff', token)", token)
        await page.reload()
        await page.click("#export")
        assert await page.locator("#export-language option").all_inner_texts() == ["English", "Korean"]

        await page.select_option("#export-kind", "usb")
        assert await page.locator("#export-language option").all_inner_texts() == ["All languages", "English", "Korean"]
        await page.select_option("#export-voice", "full")
        await page.uncheck("#export-lecture-file")
        await page.click("#export-form .primary")
        async with page.expect_download() as downloading:
            await page.click("#exports a")
        with zipfile.ZipFile(await (await downloading.value).path()) as packed:
            pack = {Path(name).name: packed.read(name) for name in packed.namelist()}
        assert not any(name.endswith(".lecture") for name in pack)
        assert all(words in pack["lecture.js"] for words in (b'"language":"en"', b'"language":"ko"', b'"full"'))

        await page.select_option("#export-kind", "pdf")
        assert not await page.is_visible("#export-pack")
        await page.click("#export-form .primary")
        async with page.expect_download() as downloading:
            await page.click(f"#exports a[download='{recorded.LECTURE}.pdf']")
        assert Path(await (await downloading.value).path()).read_bytes().startswith(b"%PDF")
        await page.click("#exports li:has(a[download$='.pdf']) button")
        await page.wait_for_selector("#exports a[download$='.pdf']", state="detached")

        with LectureFile.open(recording) as file:  # a whole working day: nobody waits for that film
            file.append(Entry(Kind.MARK, 10 * 3_600_000, pack_event({"text": "The end."})))
            file.finish()
        await page.select_option("#export-kind", "webm")
        await page.click("#export-form .primary")
        film = page.locator("#exports li", has_text=".webm")
        await page.wait_for_selector("#exports progress:not([value='0'])")
        assert (await film.locator(".hint").inner_text()).endswith("%")
        await film.locator("button", has_text="Cancel").click()
        await film.wait_for(state="detached")
        jobs = await page.evaluate(JOBS, [f"/library/{recorded.LECTURE}/exports", token])
        assert [job["to"] for job in jobs] == ["usb"], "a cancelled export and a removed one are gone"
        assert not replay.problems


def interpreted(recording: Path) -> None:
    """Have the lecturer's words in Korean too."""
    with LectureFile.open(recording) as file:
        (english,) = [track for track in file.tracks() if track.kind == "voice"]
        korean = file.add_track(replace(english, language="ko", track_id=0)).track_id
        for entry in file.read_span(english.track_id, Span(0, recorded.VOICE_MS)):
            file.append(replace(entry, track_id=korean, seq=0))
        file.finish()


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

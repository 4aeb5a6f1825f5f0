"""The studio keeps the lecturer's voice in the browser, and the recording is repaired from it."""

from __future__ import annotations

import asyncio
import time
from base64 import b64decode
from collections import Counter
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import playwright.async_api as playwright
import pytest
from scipy.signal import resample_poly

from lecture.entries import EncodedFrame
from lecture.file import LectureFile
from recordings.merge import CLOCK_END_KEY
from recordings.recording import Recording
from recordings.voice import write_ogg
from tests import sound
from tests.interop.browser import WATCH_MICROPHONE, Browser, Page, chromium_with_profile, until
from tests.interop.test_studio import go_on_air, is_on_air, open_studio
from tests.network import parts
from tests.network.link import LossyLink
from tests.network.test_repair import frames_of, gaps_of, missing_ms
from transport.opus import SAMPLE_RATE, Decoder

pytestmark = pytest.mark.timeout(180)

OUTAGE_S = 5.0
STEP_S = 0.12
"""How far the times of two stretches may differ: by two frames of the made rungs."""
ROUNDING_MS = 60
"""A copy's times are those of whole frames, and follow the machine's clock by some milliseconds now and then."""
IN_FLIGHT_MS = 300
"""What was said so long before an outage is at the relay."""
SEAM = 2
"""Frames that may be missing, or stand twice, where a copy meets what the relay has: each is there to half."""
SILENCE = bytes([0xF8, 0xFF, 0xFE])
"""A packet that stands for a hole in a saved copy (relay/pages/lib/ogg.js)."""

KEPT = """async (lecture) => {
  const {CopyStore} = await import('/pages/lib/copy-store.js');
  const {parseChunk} = await import('/pages/lib/segment.js');
  const store = await CopyStore.open();
  const kept = [];
  for (const {copy} of await store.copies(lecture)) {
    const chunks = await store.read(copy, {start_ms: 0, end_ms: Number.MAX_SAFE_INTEGER});
    for (const {t_ms, duration_ms, data} of chunks.flatMap(({chunk}) => parseChunk(chunk))) {
      kept.push([t_ms, duration_ms, btoa(String.fromCharCode(...data))]);
    }
  }
  return kept;
}"""
"""Script that gives the packets kept of a lecture, with this machine's time in ms since 1970."""

IS_WHOLE = """async (lecture) => {
  const {CopyStore} = await import('/pages/lib/copy-store.js');
  const copies = await (await CopyStore.open()).copies(lecture);
  return copies.length > 0 && copies.every(({whole_at_ms}) => whole_at_ms !== null);
}"""
"""Script that tells whether the recording wants nothing any more of what is kept here."""


async def through(link: LossyLink, studio: Page) -> None:
    """All of the page's media through the link: the relay learns no address of the browser."""

    async def publish(route: playwright.Route) -> None:
        try:
            answer = await route.fetch()
        except playwright.Error:
            await route.abort()
            return
        await route.fulfill(response=answer, body=link.through(await answer.text()))

    async def trickle(route: playwright.Route) -> None:
        if route.request.method == "PATCH":
            await route.fulfill(status=204)
        else:
            await route.continue_()

    await studio.page.route("**/whip/*", publish)
    await studio.page.route("**/whip/*/*", trickle)


async def kept_s(studio: Page) -> int:
    words = [int(word) for word in (await studio.text("#copy-state")).split() if word.isdigit()]
    return words[0] * 60 + words[1] if words else 0


async def repaired_s(studio: Page) -> int:
    return next((int(word) for word in (await studio.text("#copy-repair")).split() if word.isdigit()), 0)


async def says(studio: Page, words: str) -> bool:
    return words in await studio.text("#copy-repair")


async def test_an_outage_is_repaired_from_the_page_also_after_it_was_reloaded(
    browser: Browser, spoken: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    async with parts.relay(data) as (_, url), LossyLink(seed=4) as link:
        handout = await parts.create_lecture(url, data)
        near = f"http://127.0.0.1:{await link.tcp('127.0.0.1', int(url.rsplit(':', 1)[1]))}"
        studio = await open_studio(browser, near, handout)
        await through(link, studio)
        await go_on_air(studio)
        await studio.page.evaluate(WATCH_MICROPHONE)
        await until(lambda: longer(studio, 5), "some seconds of the own copy", 60)
        outages = [await an_outage(link, studio)]
        await until(lambda: is_on_air(studio), "on air again", 60)
        await until(lambda: repaired_s(studio), "repair begins while the lecture goes on", 60)

        # What is missing now is still in the browser when the page is loaded again, after the lecture.
        before_s = await kept_s(studio)
        outages.append(await an_outage(link, studio, mends=False))
        await studio.page.unroute_all(behavior="ignoreErrors")
        await end_lecture(url, data, str(handout["lecture"]))
        link.mend()
        microphone = await studio.page.evaluate("window.hallcastMicrophone")
        await studio.page.reload()
        await until(lambda: longer(studio, before_s), "the reloaded page finds its copy")
        await until(lambda: is_whole(studio, handout), "the recording is whole", 60)
        assert await says(studio, "whole")
        kept = await kept_frames(studio, handout)
        async with studio.page.expect_download() as downloading:
            await studio.page.click("#copy-save")
        await (await downloading.value).save_as(tmp_path / "copy.opus")
        assert not studio.problems
    left_out_ms = microphone["left_out_ms"]
    watched = [frame for frame in kept if microphone["from_ms"] <= frame.t_ms < microphone["to_ms"]]
    assert holes_ms(watched) <= left_out_ms + ROUNDING_MS, "the page lost what the microphone gave"
    path = data / "lectures" / f"{handout['lecture']}.lecture"
    check_whole(path, kept, *outages)
    said = sound.load(tmp_path / "copy.opus")
    assert len(said) / sound.RATE >= before_s + OUTAGE_S - 1
    assert sound.mean_likeness(np.tile(sound.load(spoken), 3), without_holes(tmp_path / "copy.opus")) > 0.8
    with LectureFile.open(path, readonly=True) as file:
        begins_s = frames_of(file, "source")[0].t_ms / 1000
    with Recording.open(path) as recording:
        write_ogg(recording, "en", tmp_path / "replay.ogg")
    heard = sound.load(tmp_path / "replay.ogg")[round(begins_s * sound.RATE) :]
    check_in_step(said, heard, left_out_ms / 1000)


async def an_outage(link: LossyLink, studio: Page, *, mends: bool = True) -> tuple[float, float]:
    """The line is down until some more seconds are kept; since when and until when, in ms since 1970."""
    link.break_now()
    began_ms = time.time() * 1000
    before_s = await kept_s(studio)
    await until(lambda: longer(studio, before_s + OUTAGE_S), "the copy goes on while the line is down", 60)
    if mends:
        link.mend()
    return began_ms, time.time() * 1000


async def kept_frames(studio: Page, handout: dict[str, Any]) -> list[EncodedFrame]:
    kept = await studio.page.evaluate(KEPT, handout["lecture"])
    return [EncodedFrame(t_ms, duration_ms, b64decode(data)) for t_ms, duration_ms, data in kept]


def holes_ms(frames: list[EncodedFrame]) -> int:
    """How much is missing between frames. On a busy machine Chromium's microphone itself leaves sound out, a little
    each time, with times to match."""
    return sum(max(0, after.t_ms - before.t_ms - before.duration_ms) for before, after in pairwise(frames))


def check_whole(path: Path, kept: list[EncodedFrame], *outages: tuple[float, float]) -> None:
    """No more is missing in the recording than the microphone left out, and what was kept stands in it once at most;
    all of what was kept in the last outage does, after which the line never came back."""
    given = Counter(frame.data for frame in kept)
    with LectureFile.open(path, readonly=True) as file:
        assert file.verify().ok
        for rung in ("source", "16", "12"):
            assert missing_ms(file, rung) <= holes_ms(kept), (rung, gaps_of(file, rung))
        recorded = Counter(frame.data for frame in frames_of(file, "source"))
    doubled = sum(recorded[data] > given[data] for data in given)
    assert doubled <= SEAM * len(outages), f"{doubled} packets stand twice"
    lacking = 0
    for began_ms, ended_ms in outages:
        during = Counter(frame.data for frame in kept if began_ms + IN_FLIGHT_MS < frame.t_ms < ended_ms)
        lacking = (during - recorded).total()
        # The browser itself sends its newest second again when the line is back.
        assert during.total() - lacking > (OUTAGE_S - 2) * 50, f"{lacking} of {during.total()} packets are missing"
    assert lacking <= SEAM, f"{lacking} packets of the last outage are missing"


def without_holes(path: Path) -> sound.Samples:
    """The sound of a saved copy, one packet directly after the other: a fake microphone that is late does not skip."""
    with av.open(str(path)) as container, closing(Decoder(1)) as decoder:
        packets = [bytes(packet) for packet in container.demux(audio=0)]
        blocks = [decoder.decode(packet).reshape(-1) for packet in packets if packet and packet != SILENCE]
    return np.asarray(resample_poly(np.concatenate(blocks) / 32_768, 1, SAMPLE_RATE // sound.RATE), np.float32)


def check_in_step(said: sound.Samples, heard: sound.Samples, left_out_s: float) -> None:
    """Every stretch of what was said is where it belongs in what is replayed. Where the microphone left something out,
    a recording goes on counting sound until the publisher comes anew; the copy goes by the clock."""
    begin_s = sound.delay_s(said, heard)
    size, margin = 2 * sound.RATE, round((0.5 + left_out_s) * sound.RATE)
    late_s = []
    for at in range(size, len(said) - 2 * size, size):
        stretch, there = said[at : at + size], at + round(begin_s * sound.RATE)
        if np.abs(stretch).max() >= 0.05 and there >= margin:
            late_s.append(sound.delay_s(stretch, heard[there - margin : there + size + margin]) - margin / sound.RATE)
    assert len(late_s) > 5
    assert max(late_s) - min(late_s) < STEP_S + left_out_s, late_s


async def test_a_killed_browsers_copy_makes_the_recording_whole(spoken: Path, tmp_path: Path) -> None:
    """At most the last second before the kill is missing."""
    data, profile = tmp_path / "data", tmp_path / "profile"
    profile.mkdir()
    clock = asyncio.get_running_loop().time
    async with parts.relay(data) as (_, url), LossyLink(seed=5) as link:
        handout = await parts.create_lecture(url, data)
        near = f"http://127.0.0.1:{await link.tcp('127.0.0.1', int(url.rsplit(':', 1)[1]))}"
        async with chromium_with_profile(spoken, profile) as browser:
            studio = await open_studio(browser, near, handout)
            await through(link, studio)
            await go_on_air(studio)
            await until(lambda: longer(studio, 2), "some seconds of the own copy", 60)
            before_s = await kept_s(studio)
            outage = await an_outage(link, studio, mends=False)
            killed_s = clock()
            browser.kill()
        async with chromium_with_profile(spoken, profile) as browser:
            link.mend()
            studio = await open_studio(browser, near, handout)
            await until(lambda: longer(studio, before_s), "the new browser finds the copy")
            await until(lambda: repaired_s(studio), "it repairs the lecture that is live still", 60)
            await end_lecture(url, data, str(handout["lecture"]))
            after_kill_ms = round((clock() - killed_s) * 1000)
            await until(lambda: is_whole(studio, handout), "the recording is whole", 60)
            assert await says(studio, "whole")
            kept = await kept_frames(studio, handout)
            assert not studio.problems
    path = data / "lectures" / f"{handout['lecture']}.lecture"
    check_whole(path, kept, outage)
    with LectureFile.open(path, readonly=True) as file:
        killed_ms = int(file.get_meta(CLOCK_END_KEY) or 0) - after_kill_ms
        last = frames_of(file, "source")[-1]
    assert last.t_ms + last.duration_ms >= killed_ms - 1_000


async def is_whole(studio: Page, handout: dict[str, Any]) -> bool:
    return bool(await studio.page.evaluate(IS_WHOLE, handout["lecture"]))


async def longer(studio: Page, seconds: float) -> bool:
    return await kept_s(studio) > seconds


async def end_lecture(url: str, data: Path, lecture: str) -> None:
    token = (data / "staff.token").read_text().strip()
    async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
        answer = await http.post(f"/api/lectures/{lecture}/end", headers={"Authorization": f"Bearer {token}"})
        assert answer.is_success, answer.text

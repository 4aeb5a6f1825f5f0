"""The replay over a thin line: first the voice, then the page of the moment, and the voice never waits for anything.

What a start needs is counted, not timed: a busy machine adds seconds of its own. How long it took by the clock is
printed here and measured by benchmarks/recordings_open.py.
"""

from __future__ import annotations

import httpx

from tests.interop.browser import Browser, until
from tests.interop.replays import LONG, is_open, plays_past
from tests.interop.thin_line import ROUND_TRIP_S, SEGMENT_BYTES, WATCH, Asking, on_wire, thin_line
from tests.network.link import LossyLink

SOUND_S = 3.0
PAGE_S = 8.0


async def test_at_64_kbit_s_a_cold_start_sounds_within_3_s_and_shows_its_page_within_8_s(
    browser: Browser, replays_url: str
) -> None:
    at = f"/library/{LONG}"
    async with httpx.AsyncClient() as http:
        legible = (await http.get(f"{replays_url}{at}/replay.json")).json()["pages"][0]["images"][0]
    async with LossyLink(seed=1, down=thin_line(64), up=thin_line(64)) as link:
        port = await link.tcp("127.0.0.1", int(replays_url.rsplit(":", 1)[1]))
        replay = await browser.open("about:blank")
        asking = Asking().of(replay.page)
        await replay.page.add_init_script(WATCH)
        await replay.page.goto(f"http://127.0.0.1:{port}{at}", wait_until="commit")
        await until(lambda: replay.page.evaluate("seen.painted_ms"), "the first page", 60)
        page, voice, image = [
            await asking.answered(path) for path in (at, f"{at}/voice/-/light/0.webm", f"{at}/blob/{legible}")
        ]
        # Nothing else is on the line before the image is whole, but the voice's next piece where it is needed.
        before = [one for one in asking.paths if (await asking.answered(one)).start_ms < image.end_ms]
        assert before[:2] == [page.path, voice.path]
        assert set(before[2:]) <= {image.path, f"{at}/voice/-/light/1.webm"}
        assert [one.is_new_connection for one in (voice, image)] == [False, False]

        def seconds(round_trips: int, *sizes: int) -> float:
            return round_trips * ROUND_TRIP_S + sum(sizes) * 8 / 64_000

        # The connection, the page, the voice; and when its first piece is here the image.
        sound_bytes = page.up_bytes, page.down_bytes, voice.up_bytes, on_wire(voice.head_bytes + SEGMENT_BYTES)
        sound_s = seconds(3, *sound_bytes)
        beside = [(await asking.answered(path)).down_bytes for path in before[2:] if path != image.path]
        pieces = sum(one.up_bytes + one.down_bytes for one in (page, voice, image))
        page_s = seconds(4, pieces, *beside)
        took = await replay.page.evaluate("[seen.sounds_ms, seen.painted_ms].map((ms) => ms / 1000)")
        print(f"sound must take {sound_s:.2f} s and took {took[0]:.2f} s")
        print(f"page must take {page_s:.2f} s and took {took[1]:.2f} s")
        assert sound_s < SOUND_S
        assert page_s < PAGE_S
        await is_open(replay)
        assert await replay.page.evaluate("seen.waited") == 0
        assert not replay.problems


async def test_at_32_kbit_s_the_voice_plays_on_while_everything_else_comes(browser: Browser, replays_url: str) -> None:
    async with LossyLink(seed=1, down=thin_line(32), up=thin_line(32)) as link:
        port = await link.tcp("127.0.0.1", int(replays_url.rsplit(":", 1)[1]))
        replay = await browser.open("about:blank")
        await replay.page.add_init_script(WATCH)
        await replay.page.goto(f"http://127.0.0.1:{port}/library/{LONG}#t=12", wait_until="commit")
        await until(lambda: replay.page.evaluate("seen.sounds_ms"), "sound", 60)
        await plays_past(replay, 12 + 25)
        # The lecturer turned to the second page at 26 s.
        await until(lambda: replay.page.evaluate("seen.images.length >= 2"), "the second page")
        seen = await replay.page.evaluate("seen")
        print(f"sound after {seen['sounds_ms'] / 1000:.2f} s, page after {seen['painted_ms'] / 1000:.2f} s")
        print(f"least voice ahead {seen['least_ahead_s']:.2f} s; second page at {seen['last_s']:.1f} s of the lecture")
        assert seen["waited"] == 0
        assert seen["least_ahead_s"] > 0
        assert not replay.problems


async def test_playing_on_takes_less_than_32_kbit_s(replays_url: str) -> None:
    """What must come while a lecture plays: the light voice and each page's legible image, with all heads. Sharp images
    come when there is room."""
    async with httpx.AsyncClient(base_url=f"{replays_url}/library/{LONG}/") as http:
        replay = (await http.get("replay.json")).json()
        count = -(-replay["duration_ms"] // replay["segment_ms"])
        paths = [f"voice/en/light/{n}.webm" for n in range(count)]
        paths += [f"blob/{page['images'][0]}" for page in replay["pages"]]
        size_bytes = 0
        for path in paths:
            answer = await http.get(path)
            head = sum(len(name) + len(value) + 4 for name, value in answer.headers.raw) + 19
            size_bytes += on_wire(head + len(answer.content))
    kbps = size_bytes * 8 / replay["duration_ms"]
    print(f"playing on takes {kbps:.1f} kbit/s")
    assert kbps < 32

"""The staff console in a real browser, beside a real relay and a real hall whose line breaks."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.interop.browser import Browser, Page, until
from tests.network.hall_kit import lecture_hall, seat
from tests.network.link_model import LinkSpec
from tests.network.media_kit import VoicePublisher
from tests.network.media_kit import until as until_so
from tests.network.relays import Served, served

COLUMNS = {"link": 4, "loss": 5, "rtt": 6, "rung": 8, "gaps": 10, "carrier": 11}
FIGURES = {
    "link": r"[1-9][\d,]*\s+of [1-9][\d,]*",
    "loss": r"0\.0 %",
    "rtt": r"([4-9]\d|\d{3}) ms",
    "rung": r"(8|12|16|24) k",
    "gaps": "0",
    "carrier": "RTP",
}


async def sign_in(browser: Browser, relay: Served, *, locale: str = "en-GB") -> Page:
    console = await browser.open(f"{relay.server.url}/console", locale=locale)
    await console.page.wait_for_selector("#sign-in:not([hidden])")
    await console.page.keyboard.type(relay.staff_token)
    await console.page.keyboard.press("Enter")
    await console.page.wait_for_selector("#console:not([hidden])")
    return console


async def states(console: Page) -> list[list[str]]:
    """Each hall's name and state, as they stand on the page."""
    rows = "[...document.querySelectorAll('tr[data-state]')]"
    return list(
        await console.page.evaluate(f"{rows}.map(r => [r.querySelector('.names span').innerText, r.dataset.state])")
    )


async def cell(console: Page, row: str, column: int) -> str:
    return (await console.page.locator(f"tr:has-text('{row}') td:nth-child({column})").first.inner_text()).strip()


async def test_staff_see_a_hall_play_lose_its_line_and_catch_up(browser: Browser, tmp_path: Path) -> None:
    async with lecture_hall(tmp_path) as room, VoicePublisher.publishing(room.lecture):
        room.lecture.turn(room.deck, 1)
        far = LinkSpec(delay_ms=20)
        async with seat(room, tmp_path / "Busan", down=far, up=far, heads=30) as busan, seat(room, tmp_path / "Jeju"):
            console = await sign_in(browser, room.relay)

            async def stand(*wanted: list[str]) -> bool:
                return await states(console) == [*wanted]

            await until(lambda: stand(["Busan 30 people", "good"], ["Jeju", "good"]), "both halls hear and see", 40)
            assert "Live" in await console.text("#lectures .badge")
            assert await console.page.evaluate("document.querySelectorAll('.curve .behind[d^=M]').length") == 2
            seen = await cell(console, "Busan", 2)
            assert seen.splitlines()[0].endswith(" s")
            assert "delay" in seen

            async def page_one() -> bool:
                return (await cell(console, "Busan", 3)).splitlines()[0] == "1"

            await until(page_one, "the hall's page is on the console")

            async def figures_stand() -> bool:
                cells = {name: await cell(console, "Busan", column) for name, column in COLUMNS.items()}
                (link,) = [hall["link"] for hall in room.lecture.snapshot()["halls"] if hall["name"] == "Busan"]
                matches = all(re.fullmatch(FIGURES[name], text) for name, text in cells.items())
                return matches and cells["rung"] == f"{link['rung']} k"

            await until(figures_stand, "what the hall's link carries, loses, takes, brings and lacks")
            busan.link.down_for(12)

            async def down() -> bool:
                found = await states(console)
                return found[0][0].startswith("Busan") and found[0][1] in ("silent", "gone")

            await until(down, "the hall without a line stands first and says so", 30)
            assert "No word" in await console.text("tr[data-level='3'] small") or "Gone" in await console.text(
                "tr[data-level='3'] small"
            )

            async def late() -> bool:
                return any(name.startswith("Busan") and state == "late" for name, state in await states(console))

            await until(late, "the hall is back and catching up", 60)
            assert not console.problems


async def test_staff_read_questions_and_hear_of_the_lecturers_lost_line(browser: Browser, tmp_path: Path) -> None:
    async with lecture_hall(tmp_path) as room, room.relay.socket(f"/ws/hall/{room.relay.lecture_id}") as hall:
        await hall.send(json.dumps({"kind": "hello", "v": "1.0", "token": room.relay.hall_token, "hall": "Jeju"}))
        await hall.recv()
        await hall.send(json.dumps({"kind": "question", "text": "<b>Why?</b>"}))
        console = await sign_in(browser, room.relay, locale="ko-KR")
        await until(lambda: console.text("#questions li"), "the question is there")
        assert (await console.text("#questions li")).endswith("<b>Why?</b>")
        assert await states(console) == [["Jeju", "waiting"]]
        async with VoicePublisher.publishing(room.lecture):
            await until(lambda: said(console, "생방송"), "the lecture is live")
            room.lecture.log.set_limit_bytes(1)
            await until(lambda: said(console, "녹화를 저장할 수 없습니다."), "the disk is full")
            room.lecture.log.set_limit_bytes(None)
        await until(lambda: said(console, "강사의 회선이 끊어졌습니다."), "the lecturer has gone")
        await until(lambda: said(console, "초 누락, 0초 복구됨"), "what is missing of her words since")
        await console.page.click("#leave")
        assert await console.page.evaluate("sessionStorage.length") == 0
        assert await console.page.locator("tr").count() == 0
        assert not console.problems


async def said(console: Page, words: str) -> bool:
    return words in await console.text("#lectures")


async def not_said(console: Page, words: str) -> bool:
    return not await said(console, words)


async def test_a_wrong_staff_token_is_told_and_a_reload_keeps_the_right_one(browser: Browser, tmp_path: Path) -> None:
    async with lecture_hall(tmp_path) as room:
        console = await browser.open(f"{room.relay.server.url}/console")
        await console.page.fill("#token", room.relay.hall_token)
        await console.page.keyboard.press("Enter")
        await until(lambda: console.text("#token-error"), "it says that the token is wrong")
        assert await console.page.locator("#console").is_hidden()
        await console.page.keyboard.type(room.relay.staff_token)
        await console.page.keyboard.press("Enter")
        await until(lambda: said(console, "Waves"), "the lecture")
        await console.page.reload()
        await until(lambda: said(console, "Waves"), "the lecture again")
        assert room.relay.staff_token not in console.page.url


async def test_figures_that_are_old_are_told_to_be_old(browser: Browser, tmp_path: Path) -> None:
    async with lecture_hall(tmp_path) as room:
        console = await sign_in(browser, room.relay)
        await until(lambda: said(console, "Waves"), "the lecture")
        await console.page.context.set_offline(True)
        await console.page.wait_for_selector("#console.stale")
        assert "does not answer" in await console.text("#banner")
        assert await console.text("#freshness") == "Out of date"
        await console.page.context.set_offline(False)
        await console.page.wait_for_selector("#console:not(.stale)")
        await console.page.wait_for_selector("#banner", state="hidden")


async def test_staff_are_alarmed_that_a_recording_was_damaged_while_its_lecture_goes_on(
    browser: Browser, tmp_path: Path
) -> None:
    async with served(tmp_path / "data") as relay:
        lecture = await relay.relay.open_lecture(relay.lecture_id)
        async with VoicePublisher.publishing(lecture):
            await until_so(lambda: lecture.state == "live", "it is live")
    path = tmp_path / "data" / "lectures" / f"{relay.lecture_id}.lecture"
    path.write_bytes(bytes(4096) + path.read_bytes()[4096:])
    async with served(tmp_path / "data") as relay:
        console = await sign_in(browser, relay)
        kept = "waves.damaged-1.lecture"
        await until(lambda: said(console, f"The recording was damaged. What it had is kept as {kept};"), "the alarm")
        korean = await sign_in(browser, relay, locale="ko-KR")
        await until(lambda: said(korean, f"지금까지의 내용은 {kept} 파일로 보관되며"), "the alarm in Korean")
        await relay.relay.end_lecture(relay.lecture_id)

        await until(lambda: not_said(console, kept), "it is an alarm while the lecture is live")
        assert not console.problems

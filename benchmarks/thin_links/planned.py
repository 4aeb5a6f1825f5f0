"""A lecture as it is before class: planned at the relay, its deck uploaded and rendered.

It is made once for each deck and kept; every run begins with a copy. Rendering takes seconds of a core for each page,
which would starve the lectures that are being held beside it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from benchmarks.thin_links.material import Material
from benchmarks.thin_links.process import START_S, BenchError, part
from lecture.decks import PageImage, read_deck_event
from lecture.entries import Kind, unpack_event
from lecture.errors import LectureFileError
from lecture.file import LectureFile

_ROOT = Path(__file__).resolve().parents[2]
_RENDER_S = 900.0
_LOOK_EVERY_S = 0.25
_HANDOUT = "handout.json"


@dataclass(frozen=True, slots=True)
class Planned:
    """A lecture to be held.

    :param data: the relay's data folder, to be copied.
    :param handout: what staff get when they plan a lecture: its id, tokens, code.
    :param digests: of the deck's images.
    """

    data: Path
    handout: dict[str, Any]
    digests: frozenset[str]


async def planned_lecture(material: Material, folder: Path) -> Planned:
    """Make it, or find it in ``folder``: it is made anew for another deck and where rendering has changed.

    :raises BenchError: the relay does not come up or does not render.
    """
    made = folder / f"planned-{await asyncio.to_thread(_key, material.deck)}"
    if not made.exists():
        fresh = folder / f"{made.name}.{os.getpid()}"
        await asyncio.to_thread(fresh.mkdir, parents=True)
        try:
            await _plan(material, fresh)
            fresh.rename(made)
        finally:
            await asyncio.to_thread(shutil.rmtree, fresh, ignore_errors=True)
    handout = json.loads((made / _HANDOUT).read_text(encoding="utf-8"))
    images = await asyncio.to_thread(page_images, made / "relay" / "lectures" / f"{handout['lecture']}.lecture")
    return Planned(made / "relay", handout, frozenset(image.digest for image in images))


def _key(deck: Path) -> str:
    code = sorted((_ROOT / "relay" / "media").glob("deck*.py"))
    whole = hashlib.sha256(deck.read_bytes())
    for path in code:
        whole.update(path.read_bytes())
    return whole.hexdigest()[:16]


async def _plan(material: Material, folder: Path) -> None:
    words = [sys.executable, "-m", "hallcast", "relay", "--host", "127.0.0.1", "--port", "0", "--json"]
    words += ["--data", str(folder / "relay")]
    with (folder / "log.txt").open("wb") as log:
        async with part("relay", words, folder, log) as relay, staff(await relay.named("ready", START_S)) as http:
            answer = await http.post("/api/lectures", json={"title": "Benchmark", "languages": ["en"]})
            answer.raise_for_status()
            handout = answer.json()
            (folder / _HANDOUT).write_text(json.dumps(handout), encoding="utf-8")
            headers = {"Authorization": f"Bearer {handout['lecturer_token']}", "content-type": "application/pdf"}
            url = f"/lectures/{handout['lecture']}/deck"
            answer = await http.put(url, content=material.deck.read_bytes(), headers=headers)
            answer.raise_for_status()
            await rendered(folder / "relay" / "lectures" / f"{handout['lecture']}.lecture", material.page_count)


@asynccontextmanager
async def staff(ready: dict[str, Any]) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the relay's staff API.

    :param ready: what the relay said when it was up.
    """
    token = await asyncio.to_thread(Path(str(ready["staff_token_file"])).read_text, "ascii")
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{ready['port']}",
        headers={"Authorization": f"Bearer {token.strip()}"},
        trust_env=False,
        timeout=60.0,
    ) as client:
        yield client


async def rendered(lecture_file: Path, page_count: int) -> None:
    """Wait until every page is rendered in both tiers."""
    deadline = time.monotonic() + _RENDER_S
    while time.monotonic() < deadline:
        images = await asyncio.to_thread(page_images, lecture_file)
        if len({image.page for image in images if image.tier == 2}) >= page_count:
            return
        await asyncio.sleep(_LOOK_EVERY_S)
    raise BenchError("the deck was not rendered in time")


def page_images(lecture_file: Path) -> list[PageImage]:
    """All ``PAGE`` entries of a lecture file that may be being written."""
    try:
        with LectureFile.open(lecture_file, readonly=True) as file:
            events = file.read(kinds={Kind.PAGE}, limit=100_000)
            found = (read_deck_event(entry.kind, unpack_event(entry)) for entry in events)
            return [image for image in found if isinstance(image, PageImage)]
    except LectureFileError:
        return []

"""A long recorded lecture: hours of real speech, a deck of many pages, ink, pointer and questions. Made in seconds, for
tests and benchmarks of what must not take longer with a longer lecture."""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import av
import numpy as np
import pypdfium2

from lecture.entries import EncodedFrame, Entry, Flag, Kind, pack_event, pack_frames
from lecture.file import LectureFile
from lecture.screen import TILE, ScreenUpdate, pack_update
from lecture.screen_mosaic import mosaic_of
from lecture.tracks import LIGHT_KBPS, RECORDED_KBPS, SCREEN_CODEC, VOICE_FRAME_MS, Track
from relay.media import deck_image
from relay.media.deck_pipe import TIER_SIZE
from transport import opus, webp

LECTURE = "long0001"
_SAMPLES = Path(__file__).resolve().parent.parent / "samples"
SPEECH, DECK = _SAMPLES / "voice.opus", _SAMPLES / "deck.pdf"
SHARED_MS = (100_000, 125_000)
"""When a screen was shared: its grey is the second of the lecture."""
SCREEN_EDGE = 64
_LOOP_S = 48
_CHUNK_FRAMES = 8
_COMMIT_EVERY = 20_000
_RENDERED = (2, 8)
"""The heaviest pages of the sample deck: 11 and 12 kB in the legible tier."""


def speech(most_s: float = math.inf) -> np.ndarray:
    """The sample voice, 48 kHz mono, or the beginning of it."""
    with av.open(str(SPEECH)) as container:
        resampler = av.AudioResampler("s16", "mono", 48_000)
        blocks, length = [], 0
        for frame in container.decode(audio=0):
            for out in resampler.resample(frame):
                blocks.append(out.to_ndarray()[0])
                length += len(blocks[-1])
            if length > most_s * 48_000:
                break
    return np.concatenate(blocks)


def _packets(words: np.ndarray, kbps: int) -> list[bytes]:
    size = 48 * VOICE_FRAME_MS
    with closing(opus.Encoder(1, bitrate_bps=kbps * 1000, frame_ms=VOICE_FRAME_MS)) as encoder:
        return [
            encoder.encode(np.ascontiguousarray(words[at : at + size, None]))
            for at in range(0, len(words) - size + 1, size)
        ]


def lay_voices(file: LectureFile, words: np.ndarray, duration_ms: int, languages: Sequence[str]) -> None:
    """Lay words into the recorded rungs of each language, again and again for so long."""
    for language in languages:
        # The interpreter speaks other words at each moment, and not at the lecturer's level.
        spoken = words if language == languages[0] else np.roll(words, len(words) // 3) // 2
        for kbps in (LIGHT_KBPS, RECORDED_KBPS):
            packets = _packets(spoken, kbps)
            track = file.add_track(Track("voice", "opus", 48_000, language, str(kbps), 1))
            chunk_ms = _CHUNK_FRAMES * VOICE_FRAME_MS
            for count, start_ms in enumerate(range(0, duration_ms - chunk_ms + 1, chunk_ms)):
                frames = [
                    EncodedFrame(
                        start_ms + index * VOICE_FRAME_MS,
                        VOICE_FRAME_MS,
                        packets[(count * _CHUNK_FRAMES + index) % len(packets)],
                    )
                    for index in range(_CHUNK_FRAMES)
                ]
                payload = pack_frames(start_ms, frames)
                file.append(Entry(Kind.VOICE, start_ms, payload, track.track_id, chunk_ms))
                if count % _COMMIT_EVERY == 0:
                    file.commit()


@functools.cache
def _pictures(tier: int) -> list[bytes]:
    """Pages of the sample deck as a relay renders them."""
    with closing(pypdfium2.PdfDocument(DECK)) as deck:
        return [deck_image.encode(deck_image.render(deck[index], tier), tier) for index in _RENDERED]


def _deck(file: LectureFile, pages: int, pictures_of: Callable[[int], Sequence[bytes]]) -> None:
    words = [{"page": n, "title": f"{n}. 고정비와 변동비 · Costs", "text": "Costs"} for n in range(1, pages + 1)]
    deck = {"deck": "d1", "title": "Starting a small business", "page_count": pages, "pages": words}
    file.append(Entry(Kind.DECK, 0, pack_event(deck)))
    for tier, (width, height) in TIER_SIZE.items():
        pictures = pictures_of(tier)
        for number in range(1, pages + 1):
            # A box that readers skip makes each page's bytes its own.
            own = number.to_bytes(4, "big")
            data = pictures[(number - 1) % len(pictures)] + (8 + len(own)).to_bytes(4, "big") + b"free" + own
            fields = {"deck": "d1", "page": number, "tier": tier, "digest": file.put_blob(data, "image/avif")}
            facts = {"media_type": "image/avif", "width": width, "height": height, "size_bytes": len(data)}
            file.append(Entry(Kind.PAGE, 0, pack_event(fields | facts)))


def _events(file: LectureFile, duration_ms: int, pages: int, turns: int, chance: random.Random) -> None:
    every_ms = duration_ms // turns
    for turn in range(turns):
        page = {"deck": "d1", "page": turn * pages // turns % pages + 1}
        start_ms = turn * every_ms
        file.append(Entry(Kind.TURN, start_ms, pack_event(page)))
        for step in range(12):
            t_ms = start_ms + every_ms * step // 16
            x, y = round(chance.random(), 4), round(chance.random(), 4)
            points = [[x, y], [round(x * 0.9, 4), round(y * 0.9, 4)], [round(x * 0.8, 4), y]]
            ink = {"number": turn * 12 + step + 1, "stroke": f"{turn}.{step}", "colour": "#c2391b", "width": 0.004}
            file.append(Entry(Kind.INK, t_ms, pack_event(page | ink | {"points": points})))
            for tenth in range(8):
                place = {"x": round(x + tenth / 100, 4) % 1, "y": y, "shown": True}
                file.append(Entry(Kind.POINTER, t_ms + 100 * tenth, pack_event(page | place)))
        if turn % 25 == min(12, turns // 2):
            file.append(Entry(Kind.QUESTION, start_ms, pack_event({"hall": "Busan", "text": f"질문 {turn}: why so?"})))
        if turn % 60 == 30:
            file.append(Entry(Kind.MARK, start_ms, pack_event({"text": f"Exercise {turn // 60 + 1}"})))


def _screen(file: LectureFile) -> None:
    """A screen of one grey after another, shared for a while."""
    track = file.add_track(Track("screen", SCREEN_CODEC, 1000))
    everything = np.ones((SCREEN_EDGE // TILE, SCREEN_EDGE // TILE), np.bool_)
    start_ms, end_ms = SHARED_MS
    updates = []
    for number, t_ms in enumerate(range(start_ms, end_ms, 1000), 1):
        picture = np.full((SCREEN_EDGE, SCREEN_EDGE, 3), t_ms // 1000, np.uint8)
        mosaics = (mosaic_of(picture, everything, webp.encode),)
        updates.append((t_ms, ScreenUpdate(9, number, number - 1, SCREEN_EDGE, SCREEN_EDGE, mosaics=mosaics)))
    updates.append((end_ms, ScreenUpdate(9, len(updates) + 1, 0, 1, 1, stop=True)))
    for t_ms, update in updates:
        flags = Flag.KEYFRAME if update.is_whole else Flag.NONE
        payload = pack_frames(t_ms, [EncodedFrame(t_ms, 0, pack_update(update), flags)])
        file.append(Entry(Kind.SCREEN, t_ms, payload, track.track_id, flags=flags))


def write(
    folder: Path,
    *,
    lecture: str = LECTURE,
    minutes: float = 180,
    pages: int = 100,
    turns: int = 300,
    languages: Sequence[str] = ("en", "ko"),
    pictures_of: Callable[[int], Sequence[bytes]] = _pictures,
) -> Path:
    """Write the lecture file into a folder; the same bytes of media each time. Returns the file.

    :param pictures_of: AVIF images of a tier, which the pages have in turn.
    """
    path = folder / f"{lecture}.lecture"
    duration_ms = int(minutes * 60_000)
    facts = {"lecture": lecture, "title": "Starting a small business", "course": "Business 1", "state": "ended"}
    facts |= {"languages": str(list(languages)).replace("'", '"'), "started_at": "2026-03-01T09:00:00Z"}
    file = LectureFile.create(path, facts, pending_limit_bytes=1 << 30)
    _deck(file, pages, pictures_of)
    lay_voices(file, speech(_LOOP_S), duration_ms, languages)
    _events(file, duration_ms, pages, turns, random.Random(4))
    if duration_ms > SHARED_MS[1]:
        _screen(file)
    file.finish()
    file.close()
    return path

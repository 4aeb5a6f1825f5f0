"""The recordings that the pictures of replay, library and USB pack show: the sample lecture as a relay would have
recorded it, and two more lectures of which only words are seen."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import av
import pypdfium2

from benchmarks.long_lecture import lay_voices, speech
from lecture.entries import EncodedFrame, Entry, Flag, Kind, pack_event, pack_frames
from lecture.file import LectureFile
from lecture.tracks import Track
from relay.media import deck_image
from relay.media.deck_pipe import TIER_SIZE

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
LECTURE = "business-1"
QUESTION_MS = 96_000
DRAWN_MS, POINTED_MS = 46_000, 47_500
"""On the page that is shown then, which is the third."""

_ECONOMICS: dict[str, Any] = {
    "title": "미시경제학 3: 수요의 탄력성",
    "course": "경제학 입문",
    "tags": ["시험", "시장"],
    "languages": ["ko", "en"],
    "started_at": "2026-03-16T01:00:00Z",
    "pages": [
        ("지난 시간", ""),
        ("수요의 가격 탄력성", "가격이 1 % 오를 때 수요량은 몇 % 줄어드는가"),
        ("탄력성과 총수입", "비탄력적이면 가격을 올릴 때 수입이 늘어난다"),
        ("연습", ""),
    ],
    "turns": [(0, 1), (412_000, 2), (1_290_000, 3), (1_805_000, 2), (2_400_000, 4)],
    "notes": [(1_302_000, "비탄력적인 예: 소금, 통근 열차"), (3_120_000, "끝")],
    "questions": [(1_850_000, "탄력성이 1이면 총수입은 어떻게 되나요?")],
}
_PRICING: dict[str, Any] = {
    "title": "Pricing 2: What customers will pay",
    "course": "Business 1",
    "tags": ["pricing"],
    "languages": ["en"],
    "started_at": "2026-03-11T09:00:00Z",
    "pages": [("What a price says", ""), ("Elasticity in practice: 탄력적 수요와 할인", ""), ("Try it", "")],
    "turns": [(0, 1), (700_000, 2), (1_500_000, 3)],
    "notes": [(2_700_000, "The end")],
    "questions": [],
}


def write(folder: Path) -> None:
    """Write all of them as lecture files into a folder."""
    _sample(folder)
    for name, told in (("microeconomics-3", _ECONOMICS), ("pricing-2", _PRICING)):
        with closing(_created(folder, name, told)) as file:
            words = [{"page": n, "title": title, "text": text} for n, (title, text) in enumerate(told["pages"], 1)]
            _events(file, Kind.DECK, [(0, {"deck": "d", "title": "", "page_count": len(words), "pages": words})])
            _events(file, Kind.TURN, [(t_ms, {"deck": "d", "page": page}) for t_ms, page in told["turns"]])
            _events(file, Kind.MARK, [(t_ms, {"text": text}) for t_ms, text in told["notes"]])
            _events(file, Kind.QUESTION, [(t_ms, {"hall": "", "text": text}) for t_ms, text in told["questions"]])
            file.finish()


def _created(folder: Path, name: str, told: dict[str, Any]) -> LectureFile:
    facts = {"lecture": name, "state": "ended", "title": told["title"], "course": told["course"]}
    facts |= {"series": "2026 spring", "started_at": told["started_at"]}
    lists = {key: json.dumps(told[key], ensure_ascii=False) for key in ("tags", "languages")}
    return LectureFile.create(folder / f"{name}.lecture", facts | lists)


def _events(file: LectureFile, kind: Kind, events: Sequence[tuple[int, dict[str, Any]]]) -> None:
    for t_ms, fields in events:
        file.append(Entry(kind, t_ms, pack_event(fields)))


def _sample(folder: Path) -> None:
    told = {"title": "Starting a small business", "course": "Business 1", "tags": [], "languages": ["en"]}
    with closing(_created(folder, LECTURE, told | {"started_at": "2026-03-04T09:00:00Z"})) as file:
        _deck(file)
        turns = [(turn["at_ms"], {"deck": "d", "page": turn["page"]}) for turn in json.loads(_read("turns.json"))]
        _events(file, Kind.TURN, turns)
        drawn = {"deck": "d", "page": 3, "number": 1, "stroke": "1", "colour": "#d6125a", "width": 0.004}
        points = [[round(0.1 + at / 100, 3), 0.85] for at in range(41)]
        _events(file, Kind.INK, [(DRAWN_MS, drawn | {"points": points})])
        place = {"deck": "d", "page": 3, "x": 0.55, "y": 0.51, "shown": True}
        _events(file, Kind.POINTER, [(POINTED_MS, place)])
        asked = {"hall": "Busan", "text": "What if nobody comes at five?"}
        _events(file, Kind.QUESTION, [(QUESTION_MS, asked)])
        file.commit()
        words = speech()
        duration_ms = len(words) // 48
        lay_voices(file, words, duration_ms, ["en"])
        _camera(file, duration_ms)
        file.finish()


def _read(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


def _deck(file: LectureFile) -> None:
    with closing(pypdfium2.PdfDocument(SAMPLES / "deck.pdf")) as deck:
        told = [deck_image.page_text(page) for page in deck]
        words = [{"page": n, "title": title, "text": text} for n, (title, text) in enumerate(told, 1)]
        _events(file, Kind.DECK, [(0, {"deck": "d", "title": "", "page_count": len(words), "pages": words})])
        for number, page in enumerate(deck, 1):
            for tier in TIER_SIZE:
                picture = deck_image.render(page, tier)
                data = deck_image.encode(picture, tier)
                facts = {"deck": "d", "page": number, "tier": tier, "digest": file.put_blob(data, "image/avif")}
                size = {"width": picture.width, "height": picture.height, "size_bytes": len(data)}
                _events(file, Kind.PAGE, [(0, facts | size | {"media_type": "image/avif"})])


def _camera(file: LectureFile, end_ms: int) -> None:
    """The sample's camera, a loop, again and again."""
    with av.open(str(SAMPLES / "camera.webm")) as film:
        packets = [(int(one.pts or 0), bytes(one), one.is_keyframe) for one in film.demux(video=0) if one.size]
        loop_ms = int((film.duration or 0) / 1000)
    track = file.add_track(Track("camera", "vp8", 90_000))
    for begin_ms in range(0, end_ms, loop_ms):
        for t_ms, data, is_key in packets:
            if begin_ms + t_ms >= end_ms:
                return
            flags = Flag.KEYFRAME if is_key else Flag.NONE
            frame = EncodedFrame(begin_ms + t_ms, 83, data, flags)
            file.append(Entry(Kind.CAMERA, frame.t_ms, pack_frames(frame.t_ms, [frame]), track.track_id, 83, flags))

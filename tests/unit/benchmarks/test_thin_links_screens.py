"""When does a shared screen count as current and legible?"""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from PIL import Image, ImageDraw, ImageFont

from benchmarks.thin_links.legible import LEGIBLE_RECALL, Reader
from benchmarks.thin_links.screens import legible_share, samples

SIZE = 640, 360


def says(word: str) -> Image.Image:
    image = Image.new("RGB", SIZE, "white")
    text = f"Somebody is typing\na letter to the hall\n{word}"
    ImageDraw.Draw(image).multiline_text((20, 20), text, "black", ImageFont.load_default(36), spacing=20)
    return image


def film(path: Path, words: list[tuple[str, int]]) -> Path:
    """Each word for so many fifths of a second."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("ffv1", rate=5)
        stream.width, stream.height, stream.pix_fmt, stream.time_base = *SIZE, "bgr0", Fraction(1, 5)
        shown = [image for word, count in words for image in [says(word)] * count]
        for number, image in enumerate(shown):
            frame = av.VideoFrame.from_image(image)
            frame.pts, frame.time_base = number, Fraction(1, 5)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_a_still_of_any_moment_of_the_last_three_seconds_is_current_and_an_older_one_is_not(tmp_path: Path) -> None:
    typed = film(tmp_path / "screen.mkv", [("morning", 5), ("window", 2), ("garden", 2), ("kitchen", 31)])
    dump = tmp_path / "pages"
    dump.mkdir()
    says("garden").save(dump / "still.png")
    still = {"deck": "screen", "page": 7, "heard_ms": 11_500, "file": "still.png"}
    (dump / "pages.json").write_text(json.dumps([{**still, "deck": "d", "heard_ms": 12_000}, still]))
    looked = samples(typed, dump, 10_000, 7, Reader(tmp_path / "words"))
    # Between 1.4 and 1.8 s of the film, on no whole second, it was what the still shows.
    assert [(sample.at_s, sample.recall >= LEGIBLE_RECALL) for sample in looked] == [
        (3, True),
        (4, True),
        (5, False),
        (6, False),
    ]
    assert legible_share(looked) == 0.5
    (dump / "pages.json").write_text("[]")
    assert legible_share(samples(typed, dump, 10_000, 7, Reader(tmp_path / "words"))) == 0

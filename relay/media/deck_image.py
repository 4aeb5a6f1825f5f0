"""One page as an image and as text. Runs in the deck worker only: pages may be hostile."""

from __future__ import annotations

import io
import re
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from relay.media.deck_pipe import MAX_TEXT_CHARS, MAX_TITLE_CHARS, TIER_SIZE

MEDIA_TYPE = "image/avif"

_QUALITIES = {1: (20, 10, 5), 2: (45, 30, 18)}
"""AVIF qualities by tier, best first. The first is what text pages get: measured on 113 pages of text, code, maths and
photos, q18 at 1280×720 takes 4 to 17 kB and every word of body text stays readable; q45 at 1920×1080 takes 10 to 45 kB
and is hard to tell from lossless."""

_READABLE_PX = 7.5
"""Letters lower than this (the lowest 5 % of a page's letters) are not read with certainty after tier 1: such a page
gets up to one and a half times the size. A page with 5.8 px at 1280×720, word recall by OCR: .89 in 7.1 kB, .96 with
quality 28 in 8.7 kB, .98 at 1600×900 in 9.7 kB; pages with 7.9 px and more have all their words at 1280×720."""
_LOOKED_AT_CHARS = 1500

_SIZE_AIM_BYTES = {1: 40_000, 2: 250_000}
"""A page of photos above this is coded again one quality lower: 40 kB are ten seconds of a 32 kbit/s link."""


def encode(image: Image.Image, tier: int) -> bytes:
    """Code a page as AVIF. Full chroma costs 3 % here and keeps thin coloured strokes."""
    data = b""
    for quality in _QUALITIES[tier]:
        out = io.BytesIO()
        image.save(
            out,
            "AVIF",
            quality=quality,
            speed=6,
            subsampling="4:4:4",
            max_threads=1,
            advanced={"tune-content": "screen"},
        )
        data = out.getvalue()
        if len(data) <= _SIZE_AIM_BYTES[tier]:
            break
    return data


def render(page: Any, tier: int) -> Image.Image:
    """A pypdfium2 page as an RGB image that fits the tier's box (tier 1 with small letters: up to half as much again).

    :raises ValueError: the page has no size.
    """
    width_pt, height_pt = page.get_size()
    if not (width_pt > 0 and height_pt > 0):
        raise ValueError("page without a size")
    box_width, box_height = TIER_SIZE[tier]
    scale = min(box_width / width_pt, box_height / height_pt)
    image = _drawn(page, scale, TIER_SIZE[tier])
    # Only once it has been drawn: a page that takes for ever to draw takes as long and more memory to read.
    larger = enlarged(_small_letters_pt(page) * scale) if tier == 1 else 1.0
    if larger > 1.0:
        image = _drawn(page, scale * larger, (round(box_width * larger), round(box_height * larger)))
    return image


def _drawn(page: Any, scale: float, box: tuple[int, int]) -> Image.Image:
    image: Image.Image = page.render(scale=scale, may_draw_forms=False).to_pil()
    # pdfium rounds up, by one pixel at most.
    return image.convert("RGB").crop((0, 0, min(image.width, box[0]), min(image.height, box[1])))


def enlarged(letters_px: float) -> float:
    """How much larger than its box a page must be for letters of this height to be read; 0 px for a page without."""
    if letters_px <= 0 or letters_px >= _READABLE_PX:
        return 1.0
    return 1.25 if letters_px * 1.25 >= 0.95 * _READABLE_PX else 1.5


def _small_letters_pt(page: Any) -> float:
    """Height of the page's small letters in points, 0 for a page without a text layer."""
    text_page = page.get_textpage()
    try:
        count = text_page.count_chars()
        heights = []
        for index in range(0, count, 1 + count // _LOOKED_AT_CHARS):
            if text_page.get_text_range(index, 1).isalnum():
                _, bottom, _, top = text_page.get_charbox(index)
                heights.append(abs(top - bottom))
    finally:
        text_page.close()
    return sorted(heights)[len(heights) // 20] if heights else 0.0


def placeholder(page: int, tier: int) -> Image.Image:
    """What is shown for a page that cannot be rendered."""
    width, height = TIER_SIZE[tier]
    image = Image.new("RGB", (width, height), "#f4f4f2")
    draw = ImageDraw.Draw(image)
    middle = (width // 2, height // 2)
    draw.text(middle, f"Page {page}", fill="#444444", font=ImageFont.load_default(height // 8), anchor="mb")
    text = "This page could not be prepared for showing."
    draw.text(middle, text, fill="#777777", font=ImageFont.load_default(height // 22), anchor="mt")
    return image


def page_text(page: Any) -> tuple[str, str]:
    """Title and text of a page from its text layer. The title is the tallest line of the page's first lines."""
    text_page = page.get_textpage()
    try:
        text = text_page.get_text_range(0, min(text_page.count_chars(), MAX_TEXT_CHARS))
        title = _tallest_line(text_page)
    finally:
        text_page.close()
    return title, "\n".join(line.rstrip() for line in text.replace("\x00", "").splitlines()).strip()[:MAX_TEXT_CHARS]


_TITLE_SEARCH_CHARS = 1200
_WORD = re.compile(r"[^\W\d_]+")


def _tallest_line(text_page: Any) -> str:
    lines: list[tuple[float, str]] = []
    heights: list[float] = []
    chars: list[str] = []
    count = min(text_page.count_chars(), _TITLE_SEARCH_CHARS)
    for index in range(count + 1):
        char = text_page.get_text_range(index, 1) if index < count else "\n"
        if char in ("\r", "\n", "\r\n"):
            line = " ".join("".join(chars).split())
            if any(c.isalpha() for c in line):
                # The median: one symbol from another font does not make a line tall.
                lines.append((sorted(heights)[len(heights) // 2] if heights else 0.0, line))
            heights, chars = [], []
            continue
        chars.append(char)
        if not char.isspace():
            _, bottom, _, top = text_page.get_charbox(index, loose=True)
            heights.append(abs(top - bottom))
    return heading(lines)


def heading(lines: list[tuple[float, str]]) -> str:
    """The heading among a page's first lines (height, text): the tallest with a real word in it (formulas are tall)."""
    worded = [i for i, (_, line) in enumerate(lines) if any(len(word) > 2 for word in _WORD.findall(line))]
    if not worded:
        return lines[0][1][:MAX_TITLE_CHARS] if lines else ""
    tallest = 0.97 * max(lines[i][0] for i in worded)
    first = next(i for i in worded if lines[i][0] >= tallest)
    title = lines[first][1]
    ordinary = sorted(lines[i][0] for i in worded)[len(worded) // 2]
    if tallest > 1.1 * ordinary:  # a heading set in two or three lines, not a page of one size
        for height, line in lines[first + 1 : first + 3]:
            if height < tallest or len(title) + len(line) > MAX_TITLE_CHARS:
                break
            title += " " + line
    return title[:MAX_TITLE_CHARS].strip()

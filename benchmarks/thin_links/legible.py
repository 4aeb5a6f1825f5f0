"""Can a page be read? Of the words that tesseract reads on the lossless page, those it reads on what is shown.

Only words of the page's own text count: what tesseract makes of formulas, drawings and photos changes with every pixel
(near-lossless images of the same pages lose up to a third of such "words", and none of the true ones).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import subprocess
import unicodedata
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pypdfium2
from PIL import Image, ImageOps

PROJECTOR = (1920, 1080)
LEGIBLE_RECALL = 0.95
_VERSION = 3  # of the way of reading: results of another one are not taken from the cache


def _drawn(page: pypdfium2.PdfPage) -> Image.Image:
    """A page as the projector would show it without any coding."""
    width_pt, height_pt = page.get_size()
    scale = min(PROJECTOR[0] / width_pt, PROJECTOR[1] / height_pt)
    image: Image.Image = page.render(scale=scale, may_draw_forms=False).to_pil()
    return image.convert("RGB")


def projected(image: Image.Image) -> Image.Image:
    """An image as a projector of full HD shows it."""
    scale = min(PROJECTOR[0] / image.width, PROJECTOR[1] / image.height)
    size = (round(image.width * scale), round(image.height * scale))
    return image if size == image.size else image.resize(size, Image.Resampling.BICUBIC)


_SLIDE = 3  # tesseract's page segmentation: whatever is on it, wherever


def read_words(image: Image.Image, lines: int = _SLIDE) -> Counter[str]:
    """The words on an image: of two letters or digits and more, without regard to case and order."""
    grey = projected(image).convert("L")
    histogram = grey.histogram()
    if sum(histogram[:128]) > sum(histogram[128:]):
        grey = ImageOps.invert(grey)  # tesseract wants dark on light
    data = io.BytesIO()
    grey.save(data, "PNG", compress_level=1)
    done = subprocess.run(
        ["tesseract", "stdin", "stdout", "-l", "eng", "--psm", str(lines), "--dpi", "150"],
        input=data.getvalue(),
        capture_output=True,
        check=True,
        env={**os.environ, "OMP_THREAD_LIMIT": "1"},
    )
    return words_of(done.stdout.decode("utf-8", "replace"))


def words_of(text: str) -> Counter[str]:
    """Words as they are compared."""
    words = re.split(r"[\s/(){}\[\],;:|=<>\"]+", text)
    squashed = ("".join(c for c in unicodedata.normalize("NFKC", word).lower() if c.isalnum()) for word in words)
    return Counter(word for word in squashed if len(word) >= 2)


def recall(truth: Counter[str], got: Counter[str]) -> float:
    """Share of the truth's words that were read. A page without words is legible as soon as it is there."""
    total = truth.total()
    return (truth & got).total() / total if total else 1.0


class Reader:
    """Reads images once: what was read is kept in a file, by digest, for this run and later ones."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        cache.mkdir(parents=True, exist_ok=True)

    def page(self, pdf: Path, page: int) -> Counter[str]:
        """The words of a page (from 1) that are read on its lossless image."""
        with pypdfium2.PdfDocument(pdf) as document:
            image, own = _drawn(document[page - 1]), words_of(document[page - 1].get_textpage().get_text_bounded())
        return self.words(image) & own

    def words(self, image: Image.Image, lines: int = _SLIDE) -> Counter[str]:
        """The words of an image.

        :param lines: how tesseract is to look for text (its page segmentation mode).
        """
        return self._read(hashlib.sha256(image.tobytes()).hexdigest()[:24], lambda: image, lines)

    def image(self, data: bytes, lines: int = _SLIDE) -> Counter[str]:
        """The words of a coded image."""
        digest = hashlib.sha256(data).hexdigest()[:24]
        return self._read(digest, lambda: Image.open(io.BytesIO(data)).convert("RGB"), lines)

    def _read(self, key: str, image: Callable[[], Image.Image], lines: int) -> Counter[str]:
        path = self._cache / f"{key}.{lines}.v{_VERSION}.json"
        if path.exists():
            return Counter(json.loads(path.read_text(encoding="utf-8")))
        words = read_words(image(), lines)
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps(words), encoding="utf-8")
        fresh.rename(path)
        return words

"""The pages of a recording as a PDF: each once, in the order in which they were first shown, with what was drawn on it.

Written page after page, so that a long deck needs no more memory than a short one (ISO 32000-1; an image for each page
and an outline with the pages' titles).
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from lecture.entries import MAX_SEQ
from recordings.errors import RecordingError
from recordings.files import written_whole
from recordings.pictures import Box, drawn_over, read_image
from recordings.recording import Recording

_WIDTH_PT = 960.0
"""13.3 inches, a slide's usual width."""
_JPEG_QUALITY = 90


def write_pdf(recording: Recording, path: Path, *, progress: Callable[[int], None] | None = None) -> None:
    """Write the pages as shown.

    :param progress: called with lecture times (ms): how far into the lecture the pages are that have been written.
    :raises RecordingError: ``pages_missing``.
    """
    pages = {(page.deck, page.page): page for page in recording.pages() if page.images}
    turns = [turn for turn in recording.turns() if (turn.deck, turn.page) in pages]
    first = dict(reversed([((turn.deck, turn.page), turn.t_ms) for turn in turns]))
    if not first:
        raise RecordingError("pages_missing", "No page was shown in this lecture, so there is nothing to put in a PDF.")
    ink = recording.ink()
    with written_whole(path) as partial, partial.open("wb") as file:
        pdf = _Writer(file)
        for (deck, number), t_ms in sorted(first.items(), key=lambda item: item[1]):
            page = pages[deck, number]
            blob = recording.blob(page.images[-1].digest)
            image = read_image(blob.data) if blob is not None else None
            if image is not None:
                image = drawn_over(image, Box(0, 0, image.width, image.height), ink.at(MAX_SEQ, deck, number))
                pdf.add_page(image, " ".join(page.title.split()) or f"Page {number}")
            if progress is not None:
                progress(t_ms)
        if not pdf.page_count:
            raise RecordingError("pages_missing", "No page of this recording can be read; `verify` says what is wrong.")
        pdf.finish(recording.title, recording.course)


_CATALOG, _PAGES, _OUTLINE, _INFO = 1, 2, 3, 4
_OBJECTS_OF_PAGE = 4
"""Page, its drawing instructions, image, outline entry: in this order, from object 5 on."""


class _Writer:
    """Writes a PDF's objects one after the other."""

    def __init__(self, file: BinaryIO) -> None:
        self.page_count = 0
        self._titles: list[str] = []
        self._file = file
        self._offsets: dict[int, int] = {}
        file.write(b"%PDF-1.5\n%\xe2\xe3\xcf\xd3\n")

    def add_page(self, image: Image.Image, title: str) -> None:
        """Add a page that the image fills."""
        first = _first_object(self.page_count)
        self.page_count += 1
        height_pt = _WIDTH_PT * image.height / image.width
        coded = io.BytesIO()
        image.save(coded, "JPEG", quality=_JPEG_QUALITY, subsampling="4:4:4", optimize=True)
        self._object(
            first,
            f"<< /Type /Page /Parent {_PAGES} 0 R /MediaBox [0 0 {_WIDTH_PT:g} {height_pt:.2f}] "
            f"/Contents {first + 1} 0 R /Resources << /XObject << /I {first + 2} 0 R >> >> >>",
        )
        self._object(first + 1, "<<", f"{_WIDTH_PT:g} 0 0 {height_pt:.2f} 0 0 cm /I Do".encode())
        self._object(
            first + 2,
            f"<< /Type /XObject /Subtype /Image /Width {image.width} /Height {image.height} "
            "/ColorSpace /DeviceRGB /BitsPerComponent 8 /Filter /DCTDecode",
            coded.getvalue(),
        )
        self._titles.append(title)

    def finish(self, title: str, subject: str) -> None:
        """Write what belongs to the whole; the file is complete then."""
        firsts = [_first_object(index) for index in range(self.page_count)]
        for index, (first, page_title) in enumerate(zip(firsts, self._titles, strict=True)):
            links = f"/Prev {firsts[index - 1] + 3} 0 R " if index else ""
            links += f"/Next {firsts[index + 1] + 3} 0 R " if index + 1 < len(firsts) else ""
            self._object(
                first + 3, f"<< /Title {_text(page_title)} /Parent {_OUTLINE} 0 R {links}/Dest [{first} 0 R /Fit] >>"
            )
        self._object(_CATALOG, f"<< /Type /Catalog /Pages {_PAGES} 0 R /Outlines {_OUTLINE} 0 R >>")
        kids = " ".join(f"{first} 0 R" for first in firsts)
        self._object(_PAGES, f"<< /Type /Pages /Count {len(firsts)} /Kids [{kids}] >>")
        outline = f"/First {firsts[0] + 3} 0 R /Last {firsts[-1] + 3} 0 R /Count {len(firsts)}"
        self._object(_OUTLINE, f"<< /Type /Outlines {outline} >>")
        self._object(_INFO, f"<< /Title {_text(title)} /Subject {_text(subject)} /Producer (Hallcast) >>")
        table_at = self._file.tell()
        count = len(self._offsets) + 1
        rows = b"".join(b"%010d 00000 n \n" % self._offsets[number] for number in range(1, count))
        self._file.write(b"xref\n0 %d\n0000000000 65535 f \n" % count + rows)
        trailer = f"trailer\n<< /Size {count} /Root {_CATALOG} 0 R /Info {_INFO} 0 R >>\nstartxref\n{table_at}\n%%EOF\n"
        self._file.write(trailer.encode())

    def _object(self, number: int, head: str, stream: bytes | None = None) -> None:
        """Write an object; with a stream ``head`` is its dictionary without the end."""
        self._offsets[number] = self._file.tell()
        body = head.encode()
        if stream is not None:
            body += b" /Length %d >>\nstream\n" % len(stream) + stream + b"\nendstream"
        self._file.write(b"%d 0 obj\n" % number + body + b"\nendobj\n")


def _first_object(index: int) -> int:
    return _INFO + 1 + index * _OBJECTS_OF_PAGE


def _text(words: str) -> str:
    """A text string in UTF-16, which holds every language."""
    return f"<{(codecs.BOM_UTF16_BE + words.encode('utf-16-be', 'replace')).hex()}>"

"""The rendering child of :mod:`relay.media.deck`: ``python -m relay.media.deck_worker deck.pdf LIMITS``.

It opens one PDF, then renders what it is told on stdin and writes frames (:mod:`relay.media.deck_pipe`) to stdout
until stdin ends. It limits itself before it touches the PDF; the parent kills it when a page takes too long.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, BinaryIO

from relay.media.deck_pipe import HEADER, MAX_TITLE_CHARS, Facts
from transport.child_process import limit_self

_LOCKED = (4, 5)
"""pdfium's FPDF_ERR_PASSWORD and FPDF_ERR_SECURITY."""


def write_frame(out: BinaryIO, facts: Facts, image: bytes = b"") -> None:
    """Write one frame."""
    encoded = json.dumps(facts, ensure_ascii=False).encode("utf-8", "replace")
    out.write(HEADER.pack(len(encoded), len(image)) + encoded + image)
    out.flush()


def open_deck(path: Path) -> Any:
    """Open the PDF.

    :raises pypdfium2.PdfiumError: with pdfium's ``err_code``.
    """
    import pypdfium2

    return pypdfium2.PdfDocument(path)


def do_job(deck: Any, job: Facts) -> tuple[Facts, bytes]:
    """Render the page (or the placeholder) that ``job`` asks for."""
    from relay.media import deck_image

    number, tier = int(job["page"]), int(job["tier"])
    title = text = ""
    if job["job"] == "placeholder":
        image = deck_image.placeholder(number, tier)
    else:
        page = deck[number - 1]
        try:
            image = deck_image.render(page, tier)
            if tier == 1:
                title, text = deck_image.page_text(page)
        finally:
            page.close()
    facts = {"width": image.width, "height": image.height, "media_type": deck_image.MEDIA_TYPE}
    return {**facts, "title": title, "text": text}, deck_image.encode(image, tier)


def main(arguments: list[str]) -> int:
    """Serve one deck until stdin ends."""
    out, jobs = sys.stdout.buffer, sys.stdin.buffer
    limits = json.loads(arguments[1])
    # Live voice comes before pages.
    limit_self(memory_bytes=int(limits["memory_bytes"]), cpu_s=int(limits["cpu_s"]), file_bytes=0, niceness=10)
    from pypdfium2 import PdfiumError

    try:
        deck = open_deck(Path(arguments[0]))
        title = str(deck.get_metadata_dict().get("Title") or "")
        write_frame(out, {"page_count": len(deck), "title": " ".join(title.split())[:MAX_TITLE_CHARS]})
    except PdfiumError as error:
        write_frame(out, {"error": "deck_encrypted" if error.err_code in _LOCKED else "deck_not_pdf"})
        return 1
    except (MemoryError, ValueError):
        write_frame(out, {"error": "deck_render_failed"})
        return 1
    for line in jobs:
        try:
            facts, image = do_job(deck, json.loads(line))
        except (PdfiumError, MemoryError, ValueError, OSError, RuntimeError) as error:
            facts, image = {"error": "deck_render_failed", "why": f"{type(error).__name__}: {error}"[:300]}, b""
        write_frame(out, facts, image)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

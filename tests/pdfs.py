"""PDFs written by hand, good ones and such as no program writes."""

from __future__ import annotations

PDF_TYPE = {"Content-Type": "application/pdf"}


def blank(pages: int) -> bytes:
    """A PDF of empty pages."""
    return pdf([""] * pages)


def pdf(pages: list[str], *, objects: dict[int, str] | None = None, trailer: str = "", title: str = "") -> bytes:
    """A PDF of text pages, each a content stream; ``objects`` adds numbered objects (100 and up) that pages may use."""
    count = len(pages)
    first = 10_000
    kids = " ".join(f"{first + 2 * i} 0 R" for i in range(count))
    forms = " ".join(f"/X{number} {number} 0 R" for number in objects or {})
    body: dict[int, str] = {
        1: "<< /Type /Catalog /Pages 2 0 R >>",
        2: f"<< /Type /Pages /Kids [{kids}] /Count {count} >>",
        3: "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        4: f"<< /Title ({title}) >>",
        **(objects or {}),
    }
    for i, content in enumerate(pages):
        number = first + 2 * i
        resources = f"<< /Font << /F 3 0 R >> /XObject << {forms} >> >>"
        body[number] = (
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 640 360] /Resources {resources} /Contents {number + 1} 0 R >>"
        )
        body[number + 1] = stream("", content)
    out = bytearray(b"%PDF-1.7\n")
    offsets: dict[int, int] = {}
    for number, text in body.items():
        offsets[number] = len(out)
        out += f"{number} 0 obj\n{text}\nendobj\n".encode("latin-1")
    start = len(out)
    out += b"xref\n"
    for number, offset in offsets.items():
        out += f"{number} 1\n{offset:010d} 00000 n \n".encode()
    out += (
        f"trailer << /Size {max(body) + 1} /Root 1 0 R /Info 4 0 R {trailer} >>\nstartxref\n{start}\n%%EOF\n".encode()
    )
    return bytes(out)


def stream(entries: str, content: str) -> str:
    return f"<< {entries} /Length {len(content)} >>\nstream\n{content}\nendstream"


def words(title: str, text: str = "") -> str:
    return f"BT /F 40 Tf 40 280 Td ({title}) Tj ET BT /F 18 Tf 40 220 Td ({text}) Tj ET"


def endless_forms() -> dict[int, str]:
    """Forms that draw forms that draw forms: 40^7 rectangles from 3 kB."""
    entries = "/Type /XObject /Subtype /Form /BBox [0 0 640 360]"
    leaf = stream(entries, "0 0 10 10 re f")
    forms = {100: leaf}
    for level in range(101, 108):
        resources = f"/Resources << /XObject << /N {level - 1} 0 R >> >>"
        forms[level] = stream(f"{entries} {resources}", "/N Do " * 40)
    return forms

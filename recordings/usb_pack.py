"""A recording as a folder that plays in a bare browser, without server or network: for a hall without a link.

The folder holds the replay page, what it shows and plays, the lecture file itself (so that another relay can take it
in) and checksums of everything. Voice and pages are in it twice then, once for browsers and once in the lecture file:
a browser cannot read an SQLite file that lies beside a page. Without the lecture file the pack is the smallest.
"""

from __future__ import annotations

import itertools
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from recordings import camera, screen, voice
from recordings.captions import captions_of
from recordings.errors import RecordingError
from recordings.export_order import ExportOrder
from recordings.files import copy_lecture_file, sha256_of, written_whole
from recordings.pack_scripts import bytes_script, facts_script
from recordings.recording import Recording
from recordings.replay import IMAGE_NAME_CHARS, caption_facts, drawings, replay_manifest
from recordings.script_bundle import bundle
from recordings.waveform import waveform

CHECKSUMS = "SHA256SUMS"
_VOICE_GROUP, _SCREEN_GROUP = 50, 5
"""Segments in one script, five minutes each: on a stick every file takes 32 kB at least."""
_SUFFIXES = {"image/avif": ".avif", "image/webp": ".webp", "image/png": ".png", "image/jpeg": ".jpg"}
_README = """{title}

Open index.html with Chrome, Edge, Chromium (111 or later) or Firefox (121 or later). It needs no network.
index.html을 Chrome, Edge, Chromium 또는 Firefox로 여세요. 네트워크가 필요 없습니다.

{lecture_file}To check that nothing was damaged on the way:  sha256sum -c SHA256SUMS
"""
_README_LECTURE_FILE = "{name} is the recording itself: another Hallcast relay can take it in.\n"


def write_pack(
    recording: Recording, folder: Path, order: ExportOrder, *, progress: Callable[[int], None] | None = None
) -> None:
    """Write the pack into a new folder.

    :param progress: called with the lecture time (ms) that has been written.
    :raises RecordingError: ``voice_missing``.
    """
    drawn = drawings(recording, recording.pages())
    facts = _manifest(recording, drawn, order)
    folder.mkdir(parents=True)
    for name in ("data", "page", "pages"):
        (folder / name).mkdir()
    contents: dict[str, Any] = {
        "replay": facts,
        "images": _write_images(recording, facts, folder),
        "drawings": drawn,
        "camera": _write_camera(recording, folder) if facts["camera"] else "",
        "voice_group": _VOICE_GROUP,
        "screen_group": _SCREEN_GROUP,
    }
    _put(folder, "lecture", facts_script("lecture", contents))
    for number, one in enumerate(facts["voice"]):
        language = str(one["language"])
        _put(folder, f"waveform-{number}", bytes_script(f"waveform-{number}", [waveform(recording, language)]))
        _write_voice(recording, folder, number, language, order.rung, progress if number == 0 else None)
    for number, cues in enumerate(captions_of(recording).values()):
        _put(folder, f"captions-{number}", facts_script(f"captions-{number}", caption_facts(cues)))
    if facts["screen"]:
        _write_screen(recording, folder)
    _write_page(folder, Path(order.page_sources), recording)
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", recording.lecture_id)[:80] + ".lecture"
    if order.with_lecture_file:
        copy_lecture_file(recording.path, folder / name)
    lecture_file = _README_LECTURE_FILE.format(name=name) + "\n" if order.with_lecture_file else ""
    readme = _README.format(title=" ".join(recording.title.split()), lecture_file=lecture_file)
    (folder / "README.txt").write_bytes(readme.replace("\n", "\r\n").encode())
    (folder / CHECKSUMS).write_text("".join(_checksums(folder)))


def write_zipped_pack(
    recording: Recording, path: Path, order: ExportOrder, *, progress: Callable[[int], None] | None = None
) -> None:
    """Write the pack as a zip, whose one folder is named as the zip is."""
    folder = path.with_name(f"{path.name}.d") / path.stem
    try:
        write_pack(recording, folder, order, progress=progress)
        with written_whole(path) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as packed:
            for file in _files(folder):
                packed.write(file, file.relative_to(folder.parent))
    finally:
        shutil.rmtree(folder.parent, ignore_errors=True)


def _manifest(recording: Recording, drawn: list[dict[str, list[Any]]], order: ExportOrder) -> dict[str, Any]:
    """The replay page's facts, of what is in the pack."""
    facts = replay_manifest(recording, [index for index, marks in enumerate(drawn) if marks["ink"] or marks["pointer"]])
    voices = [one for one in facts["voice"] if order.language in ("", one["language"])]
    if not voices:
        raise RecordingError("voice_missing", "This recording has no voice in that language.")
    shown = {page for _, page in facts["turns"]}
    # Nothing is gained here by a legible image before the sharp one, nor by pages that were never shown.
    pages = [
        {**page, "images": page["images"][-1:] if index in shown else []} for index, page in enumerate(facts["pages"])
    ]
    for one in voices:
        one["rungs"] = {order.rung: one["rungs"][order.rung]}
    camera_facts = facts["camera"] if order.with_camera else None
    return {**facts, "voice": voices, "pages": pages, "camera": camera_facts}


def _write_images(recording: Recording, facts: dict[str, Any], folder: Path) -> dict[str, str]:
    """Write the pages; returns their files by name."""
    names = {name for page in facts["pages"] for name in page["images"]}
    digests = {image.digest for page in recording.pages() for image in page.images}
    files: dict[str, str] = {}
    for digest in sorted(digests):
        name = digest[:IMAGE_NAME_CHARS]
        blob = recording.blob(digest) if name in names else None
        if blob is not None and blob.media_type in _SUFFIXES and re.fullmatch(r"[0-9a-f]+", name):
            files[name] = f"pages/{name}{_SUFFIXES[blob.media_type]}"
            (folder / files[name]).write_bytes(blob.data)
    return files


def _write_camera(recording: Recording, folder: Path) -> str:
    track = recording.camera_track()
    assert track is not None
    name = "camera.mp4" if camera.media_type(track) == "video/mp4" else "camera.webm"
    camera.write_film(recording, folder / name)
    return name


def _write_voice(
    recording: Recording,
    folder: Path,
    place: int,
    language: str,
    rung: str,
    progress: Callable[[int], None] | None,
) -> None:
    count = -(-recording.duration_ms // voice.SEGMENT_MS)
    for group, first in enumerate(range(0, count, _VOICE_GROUP)):
        numbers = range(first, min(first + _VOICE_GROUP, count))
        pieces = [voice.segment(recording, language, rung, number) for number in numbers]
        _put(folder, f"voice-{place}-{group}", bytes_script(f"voice-{place}-{group}", pieces))
        if progress is not None:
            progress(numbers[-1] * voice.SEGMENT_MS)


def _write_screen(recording: Recording, folder: Path) -> None:
    count = recording.duration_ms // screen.SEGMENT_MS + 1
    segments = screen.whole_segments(recording, count)
    for group in range(-(-count // _SCREEN_GROUP)):
        pieces = list(itertools.islice(segments, _SCREEN_GROUP))
        _put(folder, f"screen-{group}", bytes_script(f"screen-{group}", pieces))


def _write_page(folder: Path, sources: Path, recording: Recording) -> None:
    page = pack_page((sources / "replay.html").read_text(), recording.lecture_id)
    (folder / "index.html").write_text(page)
    texts = (sources / "i18n" / "texts.json").read_text()
    script = f"globalThis.hallcastTexts = {texts.strip()};\n{bundle(sources / 'ui' / 'replay-pack.js')}"
    (folder / "page" / "replay.js").write_text(script)
    for name in {*re.findall(r'"page/([\w.-]+\.(?:css|svg))"', page)}:
        shutil.copyfile(sources / "css" / name, folder / "page" / name)


def pack_page(html: str, lecture_id: str) -> str:
    """The replay page for a folder: its own files beside it, no way to a library, its script a classic one.

    :raises RecordingError: ``export_failed``, if the page is not as it is known here.
    """
    known = re.sub(r"[^A-Za-z0-9_-]+", "_", lecture_id)[:80]
    for pattern, replacement in (
        (r'<link rel="icon" href="[^"]*">', '<link rel="icon" href="page/logo.svg">'),
        (r'<link rel="stylesheet" href="/pages/css/([\w.-]+)">', r'<link rel="stylesheet" href="page/\1">'),
        (r"</head>", '  <link rel="stylesheet" href="page/hallcast.css">\n</head>'),
        (r"<img data-logo ", '<img src="page/logo.svg" '),
        (r'<body class="replay-body"[^>]*>', f'<body class="replay-body" data-lecture="{known}">'),
        (r'\s*<script [^>]*src="/pages/[^>]*></script>', ""),
        (r'<a class="brand" href="/library">(.*?)</a>', r'<span class="brand">\1</span>'),
        (r'\s*<a href="/library"[^>]*></a>', ""),
        (r"</body>", '  <script src="page/replay.js" charset="utf-8"></script>\n</body>'),
    ):
        html, count = re.subn(pattern, replacement, html)
        if not count:
            raise RecordingError("export_failed", f"The replay page has changed: there is no {pattern} in it.")
    if found := re.search(r'(?:src|href)="/[^"]*"', html):
        raise RecordingError("export_failed", f"The replay page has changed: {found[0]} leads out of the pack.")
    return html


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _checksums(folder: Path) -> Iterator[str]:
    """Lines that ``sha256sum -c`` takes."""
    for file in _files(folder):
        yield f"{sha256_of(file)}  {file.relative_to(folder).as_posix()}\n"


def _put(folder: Path, name: str, script: bytes) -> None:
    (folder / "data" / f"{name}.js").write_bytes(script)

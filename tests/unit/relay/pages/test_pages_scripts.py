"""Runs the pages' own tests of what needs no browser (node's test runner); frames come from lecture.wire."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from lecture.entries import Entry, Kind
from lecture.screen import Copy, ScreenUpdate, pack_timed, pack_update
from lecture.screen_canvas import Mask, Pixels, ScreenCanvas
from lecture.screen_mosaic import mosaic_of, padded
from lecture.wire import pack_blob, pack_chunk, pack_screen_part
from relay import pages
from transport import webp

NODE = shutil.which("node")
TESTS = sorted(Path(__file__).parent.glob("*.test.mjs"))
SCRIPTS = sorted([*pages.FOLDER.glob("lib/*.js"), *pages.FOLDER.glob("ui/*.js")])

pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed")


@pytest.fixture(scope="module")
def frame_vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pieces = [
        ("ab" * 32, "image/avif", 0, 5, b"\x00\x01\xff\x02\x03"),
        ("00ff" * 16, "image/png", 70_000, 16_000_000, b"x" * 300),
        ("12" * 32, "image/webp", 9, 10, b"z"),
        ("34" * 32, "image/jpeg", 10, 10, b""),
    ]
    blobs = [
        {
            "frame": pack_blob(digest, media_type, offset, total, data).hex(),
            "digest": digest,
            "mediaType": media_type,
            "offset": offset,
            "total": total,
            "data": data.hex(),
        }
        for digest, media_type, offset, total, data in pieces
    ]
    path = tmp_path_factory.mktemp("frames") / "vectors.json"
    path.write_text(json.dumps({"blobs": blobs, "chunk": pack_chunk(Entry(Kind.VOICE, 60, b"v" * 80, 1, 60)).hex()}))
    return path


def a_picture(seed: int) -> Pixels:
    """Letters of a kind, in a size that ends within a tile."""
    strokes = np.random.default_rng(seed).integers(0, 2, (13, 25, 3), np.uint8) * 200
    return padded(np.kron(strokes, np.ones((4, 4, 1), np.uint8)))


def tiles(*numbers: int) -> Mask:
    mask = np.zeros((4, 7), np.bool_)
    mask.reshape(-1)[list(numbers)] = True
    return mask


@pytest.fixture(scope="module")
def screen_vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Updates in order with the picture that each makes of the one before, and what their images decode to."""
    size = 100, 52
    up, down = Copy(16, 5, 64, 30, 8), Copy(0, 20, 112, 40, 3)
    lossy = mosaic_of(a_picture(3), tiles(13, 20, 27), lambda pixels: webp.encode(pixels, 70))
    updates = [
        ScreenUpdate(9, 1, 0, *size, mosaics=(mosaic_of(a_picture(1), tiles(*range(28)), webp.encode),)),
        ScreenUpdate(9, 2, 1, *size, mosaics=(mosaic_of(a_picture(2), tiles(0, 8, 16, 24), webp.encode),)),
        ScreenUpdate(9, 3, 2, *size, copies=(up, down), mosaics=(lossy,)),
        ScreenUpdate(9, 7, 2, *size, mosaics=(mosaic_of(a_picture(4), tiles(1, 2, 5, 15, 16), webp.encode),)),
        ScreenUpdate(9, 8, 0, 30, 16, mosaics=(mosaic_of(a_picture(5)[:16, :32], np.eye(1, 2) > 0, webp.encode),)),
        ScreenUpdate(9, 9, 0, 1, 1, stop=True),
    ]
    images: dict[str, str] = {}

    def rgba(pixels: Pixels) -> str:
        return np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)]).tobytes().hex()

    def decode(data: bytes, width: int, height: int) -> Pixels:
        pixels = webp.decode(data, width, height)
        images[f"{data.hex()} {width}x{height}"] = rgba(pixels)
        return pixels

    canvas = ScreenCanvas(decode)
    steps = []
    for number, update in enumerate(updates):
        canvas.apply(update)
        data = pack_update(update)
        timed = pack_timed(1000 * number, data)
        parts = [pack_screen_part(number, at, len(timed), timed[at : at + 100]) for at in range(0, len(timed), 100)]
        steps.append(
            {
                "number": update.number,
                "since": update.since,
                "width": update.width,
                "height": update.height,
                "data": data.hex(),
                "t_ms": 1000 * number,
                "parts": [part.hex() for part in parts],
                "pixels": rgba(canvas.padded),
            }
        )
    path = tmp_path_factory.mktemp("screen") / "vectors.json"
    path.write_text(json.dumps({"steps": steps, "images": images}))
    return path


@pytest.mark.parametrize("script", TESTS, ids=lambda path: path.stem)
def test_library_of_the_pages(script: Path, frame_vectors: Path, screen_vectors: Path) -> None:
    vectors = {"HALLCAST_FRAME_VECTORS": str(frame_vectors), "HALLCAST_SCREEN_VECTORS": str(screen_vectors)}
    environment = {**os.environ, **vectors}
    command = [str(NODE), "--test", "--test-reporter=spec", str(script)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_script_parses() -> None:
    read = "new vm.SourceTextModule(fs.readFileSync(path, 'utf8'), {identifier: path})"
    check = f"const vm = require('vm'), fs = require('fs'); for (const path of process.argv.slice(1)) {read};"
    command = [str(NODE), "--no-warnings", "--experimental-vm-modules", "-e", check, *map(str, SCRIPTS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr

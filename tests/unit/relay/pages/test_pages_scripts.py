"""Runs the pages' own tests of what needs no browser (node's test runner); frames come from lecture.wire."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lecture.entries import EncodedFrame, Entry, Kind
from lecture.log import Span
from lecture.segment import Segment, pack_segment
from lecture.tracks import SOURCE_RUNG, Track
from lecture.wire import pack_blob, pack_chunk
from relay import pages

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
    chunk = pack_chunk(Entry(Kind.VOICE, 60, b"v" * 80, 1, 60)).hex()
    path.write_text(json.dumps({"blobs": blobs, "chunk": chunk, "segment": segment_vector()}))
    return path


def segment_vector() -> dict[str, Any]:
    times_ms = [*range(60_000, 61_000, 20), *range(62_000, 62_100, 20)]
    frames = tuple(EncodedFrame(t_ms, 20, bytes([t_ms % 251]) * 40) for t_ms in times_ms)
    track = Track("voice", "opus", 48_000, "ko", SOURCE_RUNG, 1)
    body = pack_segment(Segment("a-copy", Span(59_000, 63_000), track, frames))
    about = {"copy": "a-copy", "language": "ko", "start_ms": 59_000, "end_ms": 63_000, "times_ms": times_ms}
    return {**about, "hex": body.hex()}


@pytest.mark.parametrize("script", TESTS, ids=lambda path: path.stem)
def test_library_of_the_pages(script: Path, frame_vectors: Path) -> None:
    environment = {**os.environ, "HALLCAST_FRAME_VECTORS": str(frame_vectors)}
    command = [str(NODE), "--test", "--test-reporter=spec", str(script)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_script_parses() -> None:
    read = "new vm.SourceTextModule(fs.readFileSync(path, 'utf8'), {identifier: path})"
    check = f"const vm = require('vm'), fs = require('fs'); for (const path of process.argv.slice(1)) {read};"
    command = [str(NODE), "--no-warnings", "--experimental-vm-modules", "-e", check, *map(str, SCRIPTS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr

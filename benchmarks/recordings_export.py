"""How fast a recording is exported: multiples of real time, and what comes out, for each kind of export.

    python -m benchmarks.recordings_export [--minutes 60] [--kinds mp4 webm opus pdf] [--json]

The lecture is the sample lecture again and again, written as the relay records it: the voice at 16 kbit/s, pages in
both tiers, a pen stroke on each page, and for the films with a camera the sample camera at 15 pictures a second.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import av
import numpy as np
import pypdfium2

from lecture.decks import Deck, PageImage, PageTurn, PageWords, write_deck_event
from lecture.entries import EncodedFrame, Entry, Flag, Kind, pack_event, pack_frames
from lecture.file import LectureFile
from lecture.ink import write_ink
from lecture.lecturer_messages import Ink
from lecture.tracks import RECORDED_KBPS, VOICE_FRAME_MS, Track
from recordings.export import export
from recordings.export_order import KINDS, ExportOrder
from recordings.recording import Recording
from relay import pages
from relay.media import deck_image
from streamer.camera_pump import CameraEncoder
from streamer.camera_source import fit
from transport import opus

SAMPLES = Path(__file__).parents[1] / "samples"
CAMERA_FPS = 15
CAMERA_BPS = 150_000


@dataclass(frozen=True, slots=True)
class Result:
    """One export.

    :param times_real_time: lecture time by time taken.
    :param kbps: what the file takes for a second of the lecture.
    """

    kind: str
    with_camera: bool
    minutes: float
    took_s: float
    cpu_s: float
    times_real_time: float
    megabytes: float
    kbps: float


def write_lecture(path: Path, minutes: float, *, with_camera: bool) -> None:
    """Write a lecture file of that length from the samples."""
    file = LectureFile.create(
        path, {"lecture": path.stem, "title": "Starting a small business", "languages": '["en"]', "state": "ended"}
    )
    end_ms = int(minutes * 60_000)
    loop_ms = _write_voice(file, end_ms)
    _write_pages(file, end_ms, loop_ms)
    if with_camera:
        _write_camera(file, end_ms)
    file.finish()
    file.close()


def measure(path: Path, kind: str, *, with_camera: bool) -> Result:
    """Export a lecture file once."""
    with tempfile.TemporaryDirectory() as folder, Recording.open(path) as recording:
        out = Path(folder, f"out{KINDS[kind]}")
        began_s, cpu_began_s = time.perf_counter(), time.process_time()
        export(recording, ExportOrder(kind, page_sources=str(pages.FOLDER)), out)
        took_s, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_began_s
        size_bytes, lecture_s = out.stat().st_size, recording.duration_ms / 1000
    return Result(
        kind,
        with_camera,
        round(lecture_s / 60, 1),
        round(took_s, 2),
        round(cpu_s, 2),
        round(lecture_s / took_s, 1),
        round(size_bytes / 1e6, 2),
        round(size_bytes * 8 / 1000 / lecture_s, 1),
    )


def _write_voice(file: LectureFile, end_ms: int) -> int:
    """Write the voice; returns the sample's length in ms."""
    track = file.add_track(Track("voice", "opus", 48_000, "en", str(RECORDED_KBPS), 1))
    packets = list(_voice_packets())
    for start in range(0, end_ms, 10 * VOICE_FRAME_MS):
        frames = [
            EncodedFrame(t_ms, VOICE_FRAME_MS, packets[t_ms // VOICE_FRAME_MS % len(packets)])
            for t_ms in range(start, start + 10 * VOICE_FRAME_MS, VOICE_FRAME_MS)
        ]
        file.append(Entry(Kind.VOICE, start, pack_frames(start, frames), track.track_id, 10 * VOICE_FRAME_MS))
    return len(packets) * VOICE_FRAME_MS


def _voice_packets() -> Iterator[bytes]:
    step = 48 * VOICE_FRAME_MS
    with av.open(str(SAMPLES / "voice.opus")) as source:
        resampler = av.AudioResampler("s16", "mono", 48_000)
        blocks = [out.to_ndarray()[0] for frame in source.decode(audio=0) for out in resampler.resample(frame)]
    samples = np.concatenate(blocks)
    with closing(opus.Encoder(1, bitrate_bps=RECORDED_KBPS * 1000, frame_ms=VOICE_FRAME_MS)) as encoder:
        for at in range(0, len(samples) - step, step):
            yield encoder.encode(samples[at : at + step, np.newaxis])


def _write_pages(file: LectureFile, end_ms: int, loop_ms: int) -> None:
    turns = json.loads((SAMPLES / "turns.json").read_text())
    deck = pypdfium2.PdfDocument(SAMPLES / "deck.pdf")
    words = [PageWords(number, *deck_image.page_text(deck[number - 1])) for number in range(1, len(deck) + 1)]
    _append(file, 0, *write_deck_event(Deck("sample", "Sample", len(deck), tuple(words))))
    for number in range(1, len(deck) + 1):
        for tier in (1, 2):
            image = deck_image.render(deck[number - 1], tier)
            digest = file.put_blob(deck_image.encode(image, tier), deck_image.MEDIA_TYPE)
            page = PageImage("sample", number, tier, digest, deck_image.MEDIA_TYPE, image.width, image.height)
            _append(file, 0, *write_deck_event(page))
    ink_number = 0
    for begin_ms in range(0, end_ms, loop_ms):
        for turn in turns:
            t_ms, page = begin_ms + turn["at_ms"], turn["page"]
            if t_ms >= end_ms:
                break
            _append(file, t_ms, *write_deck_event(PageTurn("sample", page)))
            for part in range(10):
                ink_number += 1
                points = tuple((0.1 + part * 0.04 + x * 0.004, 0.85) for x in range(10))
                stroke = Ink("sample", page, f"s{t_ms}", points, more=part < 9)
                _append(file, t_ms + 2000 + part * 100, *write_ink(ink_number, stroke))


def _write_camera(file: LectureFile, end_ms: int) -> None:
    track = file.add_track(Track("camera", "vp8", 90_000))
    with av.open(str(SAMPLES / "camera.webm")) as source:
        pictures = list(source.decode(video=0))
    encoder = CameraEncoder(*fit(pictures[0].width, pictures[0].height), CAMERA_BPS)
    coded = [
        encoder.encode(picture, number * 1000 // CAMERA_FPS, keyframe=number == 0)
        for number, picture in enumerate(pictures)
    ]
    shown = [picture for picture in coded if picture is not None]
    for number in range(end_ms * CAMERA_FPS // 1000):
        picture, t_ms = shown[number % len(shown)], number * 1000 // CAMERA_FPS
        flags = Flag.KEYFRAME if picture.keyframe else Flag.NONE
        payload = pack_frames(t_ms, [EncodedFrame(t_ms, 0, picture.data, flags)])
        file.append(Entry(Kind.CAMERA, t_ms, payload, track.track_id, 0, flags))


def _append(file: LectureFile, t_ms: int, kind: Kind, fields: dict[str, object]) -> None:
    file.append(Entry(kind, t_ms, pack_event(fields)))


def run(minutes: float, kinds: list[str]) -> list[Result]:
    """Measure each kind of export, films with and without a camera."""
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for with_camera in (False, True):
            path = Path(folder, f"camera-{with_camera}.lecture")
            write_lecture(path, minutes, with_camera=with_camera)
            wanted = [kind for kind in kinds if not with_camera or kind in ("mp4", "webm")]
            results += [measure(path, kind, with_camera=with_camera) for kind in wanted]
    return results


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="How fast a recording is exported.")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    for result in run(arguments.minutes, arguments.kinds):
        print(json.dumps(asdict(result)) if arguments.json else result, flush=True)


if __name__ == "__main__":
    main()

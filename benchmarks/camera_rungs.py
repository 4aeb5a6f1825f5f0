"""The camera's rungs: what they cost on the wire and in CPU, and what is to be seen.

    python -m benchmarks.camera_rungs [clip ...] [--seconds 40] [--json]

Each clip (default: ``../shared/material/camera``, else the sample camera) is looped, coded as a laptop would publish it
(VP8, 300 kbit/s, 15 pictures a second), decoded and made into each rung by the relay's own parts. Pictures are judged
at the rung's size against the clip itself. Rates count IP, UDP and RTP headers. Every ten seconds a viewer asks for a
keyframe.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame

from lecture.entries import EncodedFrame, Flag
from relay.media.camera_coder import CameraDecoder, RungEncoder, made_codecs
from relay.media.camera_rungs import KEYFRAME_EVERY_MS, PACKET_BYTES, RUNGS, CameraRung, RungPace
from streamer.camera_pump import CameraEncoder
from streamer.camera_source import MAX_PICTURES_PER_S, fit
from transport.video import Packetiser

MATERIAL = Path(__file__).parents[2] / "shared" / "material" / "camera"
SAMPLE = Path(__file__).parents[1] / "samples" / "camera.webm"
SOURCE_BPS = 300_000
ASK_EVERY_MS = 10_000


@dataclass(frozen=True, slots=True)
class Result:
    """Figures of one rung in one codec. CPU is in ms per second of video, rates in kbit/s on the wire."""

    clip: str
    codec: str
    rung_kbps: int
    size: str
    pictures_per_s: float
    kbps: float
    worst_10_s_kbps: float
    keyframe_bytes: int
    psnr_db: float
    ssim: float
    cpu_ms_per_s: float
    slowest_ms: float


def pictures(clip: Path, seconds: float) -> Iterator[tuple[int, VideoFrame]]:
    """The clip's pictures at the rate of a publisher, over and over."""
    number, base_s = 0, 0.0
    while True:
        begin = number
        with av.open(str(clip)) as container:
            for picture in container.decode(video=0):
                at_s = base_s + float(picture.time or 0.0)
                if at_s < number / MAX_PICTURES_PER_S:
                    continue
                if at_s >= seconds:
                    return
                yield round(number * 1000 / MAX_PICTURES_PER_S), picture
                number += 1
        if number == begin:
            raise SystemExit(f"{clip} has no pictures")
        base_s = number / MAX_PICTURES_PER_S


def published(clip: Path, seconds: float) -> Iterator[tuple[EncodedFrame, VideoFrame]]:
    """Coded pictures, and what they are made from."""
    encoder: CameraEncoder | None = None
    for t_ms, picture in pictures(clip, seconds):
        if encoder is None:
            encoder = CameraEncoder(*fit(picture.width, picture.height), SOURCE_BPS)
        coded = encoder.encode(picture, t_ms, keyframe=t_ms == 0)
        if coded is not None:
            yield EncodedFrame(t_ms, 0, coded.data, int(Flag.KEYFRAME) if coded.keyframe else 0), picture


def measure(clip: Path, codec: str, rung: CameraRung, seconds: float) -> Result:
    """Make one rung of a clip."""
    source, viewer = CameraDecoder("vp8"), CameraDecoder(codec)
    pace, packetiser = RungPace(rung), Packetiser(codec, max_payload_bytes=rung.payload_bytes)
    encoder: RungEncoder | None = None
    sizes: list[tuple[int, int]] = []
    scores: list[tuple[float, float]] = []
    keyframes: list[int] = []
    size = (0, 0)
    cpu_s, slowest_s, asked_ms = 0.0, 0.0, 0
    for frame, original in published(clip, seconds):
        wall, cpu = time.perf_counter(), time.process_time()
        picture = source.decode(frame)
        coded = None
        if picture is not None and pace.takes(frame.t_ms):
            encoder = encoder or RungEncoder(codec, rung, picture.width, picture.height)
            ask = frame.t_ms - asked_ms >= max(ASK_EVERY_MS, KEYFRAME_EVERY_MS)
            asked_ms = frame.t_ms if ask else asked_ms
            coded = encoder.encode(picture, keyframe=ask)
        if coded is not None:
            payloads = packetiser.packetise(coded.data)
            wire = sum(map(len, payloads)) + len(payloads) * PACKET_BYTES
            pace.spent(wire, frame.t_ms)
        cpu_s += time.process_time() - cpu
        slowest_s = max(slowest_s, time.perf_counter() - wall)
        if coded is None:
            continue
        sizes.append((frame.t_ms, wire))
        if coded.keyframe:
            keyframes.append(len(coded.data))
        shown = viewer.decode(EncodedFrame(frame.t_ms, 0, coded.data))
        if shown is not None:
            size = (shown.width, shown.height)
            scores.append(compare(luma(original, *size), luma(shown, *size)))
    if encoder is not None:
        encoder.close()
    windows = [sum(n for t, n in sizes if at <= t < at + 10_000) for at in range(0, int(seconds * 1000) - 9_999, 1000)]
    return Result(
        clip.stem,
        codec,
        rung.kbps,
        f"{size[0]}x{size[1]}",
        round(len(sizes) / seconds, 2),
        round(sum(n for _, n in sizes) * 8 / 1000 / seconds, 1),
        round(max(windows, default=0) * 8 / 10_000, 1),
        max(keyframes, default=0),
        round(float(np.mean([score[0] for score in scores])), 2),
        round(float(np.mean([score[1] for score in scores])), 3),
        round(cpu_s * 1000 / seconds, 1),
        round(slowest_s * 1000, 1),
    )


def luma(picture: VideoFrame, width: int, height: int) -> npt.NDArray[np.float64]:
    """Brightness at this size."""
    scaled = picture.reformat(width, height, "gray", interpolation="AREA")
    return scaled.to_ndarray().astype(np.float64)


def compare(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> tuple[float, float]:
    """PSNR in dB, and SSIM over 8 × 8 blocks."""
    psnr = 10 * np.log10(255**2 / max(float(((one - other) ** 2).mean()), 1e-9))
    height, width = (side // 8 * 8 for side in one.shape)
    first, second = (
        array[:height, :width].reshape(height // 8, 8, width // 8, 8).swapaxes(1, 2).reshape(-1, 64)
        for array in (one, other)
    )
    mean_a, mean_b = first.mean(1), second.mean(1)
    covariance = ((first - mean_a[:, None]) * (second - mean_b[:, None])).mean(1)
    near = (2 * mean_a * mean_b + 6.5025) / (mean_a**2 + mean_b**2 + 6.5025)
    alike = (2 * covariance + 58.5225) / (first.var(1) + second.var(1) + 58.5225)
    return float(psnr), float((near * alike).mean())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("clips", nargs="*", type=Path)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    clips = args.clips or (sorted(MATERIAL.glob("*.mp4")) if MATERIAL.is_dir() else [SAMPLE])
    results = [measure(clip, codec, rung, args.seconds) for clip in clips for codec in made_codecs() for rung in RUNGS]
    if args.json:
        print(json.dumps([asdict(result) for result in results]))
        return
    print("| clip | codec | rung | size | pictures/s | kbit/s | worst 10 s | keyframe B | PSNR | SSIM | CPU ms/s |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for r in results:
        print(
            f"| {r.clip} | {r.codec} | {r.rung_kbps} | {r.size} | {r.pictures_per_s} | {r.kbps} | {r.worst_10_s_kbps}"
            f" | {r.keyframe_bytes} | {r.psnr_db} | {r.ssim} | {r.cpu_ms_per_s} |"
        )


if __name__ == "__main__":
    main()

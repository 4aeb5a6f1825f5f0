"""Make the sample lecture anew: samples/{deck.pdf, voice.opus, turns.json, camera.webm} from samples/source/.

    .venv/bin/python scripts/make_sample.py [deck] [voice] [camera]

Needs what only this script needs: Chromium with Playwright and Debian's fonts-nanum (deck), espeak-ng (voice).
The results are committed, so that nobody else has to run it.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import wave
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray
from sample_camera import HEIGHT, PICTURES_PER_S, WIDTH, pictures

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
RATE = 48_000
PARAGRAPH_PAUSE_S = 0.9
PAGE_PAUSE_S = 1.6
TURN_BEFORE_S = 0.5
ESPEAK = ("espeak-ng", "-v", "en-gb-x-rp", "-s", "148", "-p", "42", "-g", "3", "--stdout")

Samples = NDArray[np.int16]


def make_deck() -> None:
    """Print the deck's HTML with Chromium: fonts are embedded as subsets."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page()
        page.goto((SAMPLES / "source" / "deck.html").as_uri())
        page.pdf(path=SAMPLES / "deck.pdf", prefer_css_page_size=True, print_background=True, tagged=False)
        browser.close()


def script_pages() -> Iterator[tuple[int, list[str]]]:
    """Pages of samples/source/voice.txt with their paragraphs."""
    text = (SAMPLES / "source" / "voice.txt").read_text(encoding="utf-8")
    for part in text.split("\n## ")[1:]:
        number, _, body = part.partition("\n")
        yield int(number), [" ".join(paragraph.split()) for paragraph in body.split("\n\n") if paragraph.strip()]


def say(text: str) -> Samples:
    """Speech of one paragraph at 48 kHz, silence at both ends cut off."""
    spoken = subprocess.run([*ESPEAK, text], capture_output=True, check=True).stdout
    with wave.open(io.BytesIO(spoken)) as file:
        rate, data = file.getframerate(), file.readframes(1 << 30)
    frame = av.AudioFrame.from_ndarray(np.frombuffer(data, np.int16).reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate = rate
    resampler = AudioResampler(format="s16", layout="mono", rate=RATE)
    out = [*resampler.resample(frame), *resampler.resample(None)]
    samples = np.concatenate([part.to_ndarray()[0] for part in out])
    loud = np.flatnonzero(np.abs(samples) > 200)
    return samples[loud[0] : loud[-1] + RATE // 20]


def make_voice() -> None:
    """Speak the script into Ogg/Opus and write down when each page comes."""
    turns: list[dict[str, int]] = []
    parts: list[Samples] = []
    at = 0

    def put(samples: Samples) -> None:
        nonlocal at
        parts.append(samples)
        at += len(samples)

    for number, paragraphs in script_pages():
        put(np.zeros(int(RATE * PAGE_PAUSE_S), np.int16))
        turn_ms = round((at / RATE - TURN_BEFORE_S) * 1000) if turns else 0
        turns.append({"at_ms": turn_ms, "page": number})
        for index, paragraph in enumerate(paragraphs):
            if index:
                put(np.zeros(int(RATE * PARAGRAPH_PAUSE_S), np.int16))
            put(say(paragraph))
    put(np.zeros(int(RATE * PAGE_PAUSE_S), np.int16))
    voice = np.concatenate(parts)
    voice = (voice * (0.6 * 32767 / np.abs(voice).max())).astype(np.int16)
    with av.open(str(SAMPLES / "voice.opus"), "w", format="ogg") as container:
        options = {"application": "voip", "frame_duration": "20"}
        stream = container.add_stream("libopus", rate=RATE, options=options, bit_rate=24_000, layout="mono")
        for start in range(0, len(voice), 960):
            block = np.zeros(960, np.int16)
            block[: len(voice[start : start + 960])] = voice[start : start + 960]
            frame = av.AudioFrame.from_ndarray(block.reshape(1, -1), format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    lines = ",\n".join("  " + json.dumps(turn) for turn in turns)
    (SAMPLES / "turns.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    print(f"voice: {len(voice) / RATE:.1f} s, {len(turns)} pages")


def make_camera() -> None:
    """Draw the lecturer and code the clip as VP8."""
    with av.open(str(SAMPLES / "camera.webm"), "w", format="webm") as container:
        options = {"deadline": "good", "cpu-used": "1", "auto-alt-ref": "1", "lag-in-frames": "16", "g": "600"}
        stream = container.add_stream("libvpx", rate=PICTURES_PER_S, options=options, bit_rate=90_000)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for index, picture in enumerate(pictures()):
            frame = av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, PICTURES_PER_S)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def main(what: list[str]) -> None:
    """Make what is asked for, all by default."""
    makers = {"deck": make_deck, "voice": make_voice, "camera": make_camera}
    for name in what or makers:
        makers[name]()
    for file in sorted(SAMPLES.glob("*.*")):
        print(f"{file.name}: {file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1:])

"""FFmpeg's whip muxer (libavformat 62, as PyAV ships it) as a publisher: a program nobody here wrote.

``python -m tests.interop.ffmpeg_publisher URL TOKEN VOICE CERTIFICATE KEY``: publishes a voice file and a moving
pattern in real time, as ``ffmpeg -re -i VOICE … -f whip -authorization TOKEN -cert_file … -key_file … URL`` would.
A process of its own, for PyAV holds the interpreter while the muxer posts its offer.
"""

from __future__ import annotations

import sys
import time
from fractions import Fraction

import av
import numpy as np
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

PICTURES_PER_S = 10


def publish(url: str, token: str, voice: str, certificate: str, key: str) -> None:
    """Publish until the voice ends."""
    options = {"authorization": token, "cert_file": certificate, "key_file": key}
    with av.open(voice) as source, av.open(url, "w", format="whip", options=options) as out:
        audio = out.add_stream("libopus", rate=48_000, layout="stereo")
        assert isinstance(audio, AudioStream)
        video = out.add_stream("libx264", rate=PICTURES_PER_S, options={"preset": "ultrafast", "tune": "zerolatency"})
        assert isinstance(video, VideoStream)
        video.width, video.height, video.pix_fmt, video.gop_size = 320, 240, "yuv420p", PICTURES_PER_S
        video.profile = "Baseline"
        resampler = av.AudioResampler("s16", "stereo", 48_000, frame_size=960)
        out.start_encoding()  # offer, answer, ICE and DTLS; what waited meanwhile would go out in one burst
        began, pictures, samples = time.monotonic(), 0, 0
        for decoded in source.decode(audio=0):
            for frame in resampler.resample(decoded):
                samples += frame.samples
                for packet in audio.encode(frame):
                    out.mux(packet)
                while pictures * 48_000 < samples * PICTURES_PER_S:
                    for packet in video.encode(picture(pictures)):
                        out.mux(packet)
                    pictures += 1
                time.sleep(max(0.0, began + samples / 48_000 - time.monotonic()))


def picture(number: int) -> av.VideoFrame:
    """A bar that moves over a grey ground."""
    pixels = np.full((240, 320, 3), 128, np.uint8)
    pixels[:, (number * 8) % 300 :][:, :20] = 255
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")
    frame.pts, frame.time_base = number, Fraction(1, PICTURES_PER_S)
    return frame


if __name__ == "__main__":
    publish(*sys.argv[1:])

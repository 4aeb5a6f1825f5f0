"""What a hall heard, laid back on lecture time by the dump's own account, is the voice that was sent."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from pystoi import stoi
from scipy.signal import resample_poly

from classroom_client.live_edge import LiveEdge
from classroom_client.player import Player
from classroom_client.sinks import WavSink
from classroom_client.timeline import PlayoutSettings, Timeline
from classroom_client.voice import VoiceBuffer
from tests import sound
from transport import opus

FRAME = 2880
SECONDS = 16
VOICE = Path(__file__).resolve().parents[3] / "samples" / "voice.opus"


@pytest.fixture(scope="module")
def coded() -> list[bytes]:
    with av.open(str(VOICE)) as container:
        resampler = av.AudioResampler("s16", "mono", 48_000)
        blocks: list[NDArray[np.int16]] = []
        for frame in container.decode(audio=0):
            blocks += [out.to_ndarray()[0] for out in resampler.resample(frame)]
            if sum(map(len, blocks)) > SECONDS * 48_000:
                break
    pcm = np.concatenate(blocks)
    encoder = opus.Encoder(1, bitrate_bps=12_000)
    return [encoder.encode(pcm[at : at + FRAME]) for at in range(0, SECONDS * 48_000 - FRAME + 1, FRAME)]


def decoded(coded: list[bytes]) -> NDArray[np.int16]:
    decoder = opus.Decoder(1)
    return np.concatenate([decoder.decode(data)[:, 0] for data in coded])


def likeness(source: NDArray[np.int16], heard: NDArray[np.float32]) -> float:
    length = min(len(source), len(heard))
    narrow = [resample_poly(pcm[:length].astype(np.float32), 1, 3) for pcm in (source, heard)]
    return float(stoi(*narrow, 16_000))


@pytest.mark.parametrize(
    ("late_s", "delays_ms", "fastest"),
    [
        (0.0, {3: 2600, 9: 2100}, 1.25),  # the delay moves up, then down
        (9.0, {}, 1.25),  # half of the voice comes at once, after an outage
    ],
)
def test_stretching_is_undone_by_the_map(
    tmp_path: Path, coded: list[bytes], late_s: float, delays_ms: dict[int, int], fastest: float
) -> None:
    voice, edge = VoiceBuffer(), LiveEdge()
    timeline = Timeline(voice, edge, PlayoutSettings(delay_ms=2000, max_speed=fastest))
    player, sink = Player(timeline), WavSink(tmp_path / "voice.wav")
    coming = [((n + 8) * 0.06 + (late_s if 50 <= n < 200 else 0.0), n) for n in range(len(coded))]
    now, speeds = 0.0, set()
    timeline.ends_at(len(coded) * 60)
    while True:
        edge.observe(int(now * 1000), now)
        timeline.delay_ms = delays_ms.get(int(now), timeline.delay_ms)
        for _, n in [item for item in coming if item[0] <= now]:
            voice.add(n * 60, coded[n])
        coming = [item for item in coming if item[0] > now]
        piece = player.next(now)
        if piece is None:
            break
        sink.write(piece)
        speeds.add(piece.speed)
        now += len(piece.pcm) / 48_000
    sink.close()
    assert len(speeds) > 1, "nothing was stretched"
    about = json.loads((tmp_path / "voice.wav.json").read_text())
    with wave.open(str(tmp_path / "voice.wav")) as dumped:
        heard = np.frombuffer(dumped.readframes(dumped.getnframes()), np.int16)
    assert likeness(decoded(coded), sound.unstretched(heard, about["voice"])) >= 0.97

"""From steps to sound: what is heard, when, and how silence begins and ends."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from classroom_client.live_edge import LiveEdge
from classroom_client.player import Piece, Player
from classroom_client.sinks import ClockSink, WavSink
from classroom_client.timeline import PlayoutSettings, Timeline, What
from classroom_client.voice import VoiceBuffer
from lecture.log import Span
from transport import opus

FRAME = 2880


def coded_tone(seconds: float, hz: float = 220.0) -> list[bytes]:
    encoder = opus.Encoder(1, bitrate_bps=24_000)
    t = np.arange(int(seconds * 48_000)) / 48_000
    pcm = np.asarray(8000 * np.sin(2 * np.pi * hz * t), np.int16)
    return [encoder.encode(pcm[at : at + FRAME]) for at in range(0, len(pcm) - FRAME + 1, FRAME)]


class Stage:
    """A player with a voice that is all there, in simulated time."""

    def __init__(self, frames: dict[int, bytes], *, decode: bool = True, delay_ms: int = 2000) -> None:
        self.voice = VoiceBuffer()
        self.edge = LiveEdge()
        for t_ms, data in frames.items():
            self.voice.add(t_ms, data)
        self.timeline = Timeline(self.voice, self.edge, PlayoutSettings(delay_ms=delay_ms))
        self.player = Player(self.timeline, decode=decode)
        self.now = 0.0
        self.pieces: list[Piece] = []

    def run(self, until: float) -> NDArray[np.int16]:
        while self.now < until:
            self.edge.observe(int(self.now * 1000), self.now)
            piece = self.player.next(self.now)
            if piece is None:
                break
            self.pieces.append(piece)
            self.now += len(piece.pcm) / 48_000
        return np.concatenate([piece.pcm for piece in self.pieces])


def test_voice_comes_out_after_the_delay_and_without_clicks() -> None:
    frames = {n * 60: data for n, data in enumerate(coded_tone(3))}
    stage = Stage(frames)
    pcm = stage.run(4.5)
    loud = np.flatnonzero(np.abs(pcm) > 2000)
    assert loud[0] / 48_000 == pytest.approx(2.0, abs=0.12)
    assert np.abs(np.diff(pcm[: 48_000 * 4].astype(int))).max() < 1000  # a cut would jump by thousands
    assert stage.player.heard.known_ms() >= 2400


def test_stall_fades_out_and_silence_is_measured() -> None:
    frames = {n * 60: data for n, data in enumerate(coded_tone(3)) if n < 20}
    stage = Stage(frames)
    pcm = stage.run(6.0)
    assert np.abs(np.diff(pcm.astype(int))).max() < 1000  # a cut would jump by thousands
    assert not pcm[-48_000:].any()
    assert stage.player.longest_silence_ms == pytest.approx(6000 - 2000 - 1200, abs=150)


def test_short_hole_is_concealed_by_sound() -> None:
    frames = {n * 60: data for n, data in enumerate(coded_tone(3)) if n not in (15, 16)}
    stage = Stage(frames)
    stage.run(4.0)
    concealed = [piece for piece in stage.pieces if piece.what is What.CONCEALED]
    assert [piece.t_ms for piece in concealed] == [900, 960]
    assert np.abs(concealed[0].pcm).max() > 1000
    assert stage.player.concealed_ms == 120
    assert not stage.player.heard.covers(Span(900, 960))


def test_frame_that_cannot_be_decoded_is_concealed() -> None:
    frames = {n * 60: data for n, data in enumerate(coded_tone(3))}
    frames[600] = b"\xff"
    stage = Stage(frames)
    stage.run(4.0)
    assert np.abs(np.concatenate([piece.pcm for piece in stage.pieces if piece.t_ms == 600])).max() > 1000


def test_player_knows_what_is_heard_behind_the_queue() -> None:
    stage = Stage({n * 60: data for n, data in enumerate(coded_tone(3))})
    stage.run(4.0)
    last = stage.pieces[-1].t_ms
    assert stage.player.heard_ms(queued_samples=1) == last
    stage.run(4.3)
    assert stage.player.heard_ms(queued_samples=FRAME * 3) == stage.pieces[-3].t_ms


def test_player_that_does_not_decode_keeps_the_same_time() -> None:
    frames = {n * 60: data for n, data in enumerate(coded_tone(3))}
    heard = Stage(frames), Stage(frames, decode=False)
    for stage in heard:
        stage.run(4.0)
    assert heard[0].player.heard == heard[1].player.heard
    assert heard[0].player.samples == heard[1].player.samples


def test_wav_begins_with_the_first_sound_and_says_what_is_where(tmp_path: Path) -> None:
    frames = {n * 60: data for n, data in enumerate(coded_tone(3)) if n not in (15, 16)}
    stage = Stage(frames)
    stage.run(4.0)
    sink = WavSink(tmp_path / "heard.wav")
    for piece in stage.pieces:
        sink.write(piece)
    with wave.open(str(tmp_path / "heard.wav")) as halfway:  # readable although the hall might be killed now
        assert halfway.getnframes() == sink.written_ms * 48
    sink.close()
    with wave.open(str(tmp_path / "heard.wav")) as heard:
        assert (heard.getframerate(), heard.getnchannels(), heard.getsampwidth()) == (48_000, 1, 2)
        length = heard.getnframes()
    segments = json.loads((tmp_path / "heard.wav.json").read_text())["segments"]
    assert [(part["what"], part["t_ms"], part["lecture_ms"]) for part in segments][:3] == [
        ("voice", 0, 900),
        ("concealed", 900, 120),
        ("voice", 1020, segments[2]["lecture_ms"]),
    ]
    assert segments[0]["sample"] == 0
    assert sum(part["samples"] for part in segments) == length


def test_clock_sink_plays_in_real_time_and_survives_starvation() -> None:
    sink = ClockSink()
    assert sink.queued_samples(10.0) == 0
    sink.write(Piece(What.VOICE, 0, 60, 1.0, np.zeros(FRAME, np.int16)))
    assert sink.queued_samples(10.02) == pytest.approx(FRAME - 960, abs=1)
    assert sink.queued_samples(20.0) == 0
    sink.write(Piece(What.VOICE, 60, 60, 1.0, np.zeros(FRAME, np.int16)))
    assert sink.queued_samples(20.0) == FRAME

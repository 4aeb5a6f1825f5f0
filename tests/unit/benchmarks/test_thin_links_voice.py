"""Does the benchmark hear what is wrong? A good dump must score as good, one broken by hand as broken."""

from __future__ import annotations

import shutil
import wave
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.thin_links import voice
from benchmarks.thin_links.links import LINKS, Outage
from classroom_client.live_edge import LiveEdge
from classroom_client.player import Player
from classroom_client.sinks import WavSink
from classroom_client.timeline import PlayoutSettings, Timeline
from classroom_client.voice import VoiceBuffer
from transport import opus

SAMPLES = Path(__file__).resolve().parents[3] / "samples"
FRAME = 2880
SECONDS = 21  # whole frames
ZERO_S = 100.0  # monotonic second of lecture time 0
Pcm = NDArray[np.int16]


@pytest.fixture(scope="module")
def sent() -> dict[int, bytes]:
    """Real speech in frames of 60 ms."""
    with av.open(str(SAMPLES / "voice.opus")) as container:
        resampler = av.AudioResampler("s16", "mono", 48_000)
        blocks = [part.to_ndarray()[0] for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    pcm = np.concatenate(blocks)[: SECONDS * 48_000]
    encoder = opus.Encoder(1, bitrate_bps=24_000)
    return {n: encoder.encode(pcm[n * FRAME : (n + 1) * FRAME]) for n in range(len(pcm) // FRAME)}


def dumped(sent: dict[int, bytes], wav: Path, *, comes: Callable[[int], float] | None = None) -> voice.Heard:
    """What a hall writes that gets these frames.

    :param comes: when a frame arrives, in seconds of lecture time; at once by default.
    """
    buffer, edge = VoiceBuffer(), LiveEdge()
    timeline = Timeline(buffer, edge, PlayoutSettings(delay_ms=2000))
    player, sink = Player(timeline), WavSink(wav)
    timeline.ends_at(SECONDS * 1000)
    coming = sorted(((comes or (lambda n: n * 0.06))(n), n) for n in sent)
    now = ZERO_S
    while now < ZERO_S + 3 * SECONDS:
        while coming and ZERO_S + coming[0][0] <= now:
            _, number = coming.pop(0)
            buffer.add(number * 60, sent[number])
        edge.observe(round((now - ZERO_S) * 1000), now)
        sink.queued_samples(now)
        piece = player.next(now)
        if piece is None:
            break
        sink.write(piece)
        now += len(piece.pcm) / 48_000
    sink.close()
    player.close()
    return voice.Heard.read(wav)


@pytest.fixture(scope="module")
def whole(sent: dict[int, bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dump of a lecture that came whole."""
    wav = tmp_path_factory.mktemp("whole") / "heard.wav"
    dumped(sent, wav)
    return wav


def score(sent: dict[int, bytes], heard: voice.Heard) -> tuple[float, float]:
    """Share of frames heard, and STOI."""
    reference = voice.decoded(sent)
    laid = voice.laid(reference, heard.voice, len(heard.pcm))
    where = np.zeros(len(heard.pcm), np.bool_)
    for sample, samples, _, _ in heard.voice:
        where[int(sample) : int(sample) + int(samples)] = True
    scores = voice.likeness(laid, heard.pcm, where)
    return len(voice.truly_heard(sent, heard, laid)) / len(sent), float(np.mean(scores))


def damaged(wav: Path, folder: Path, change: Callable[[Pcm], Pcm]) -> voice.Heard:
    """A dump with another sound and the same book-keeping."""
    with wave.open(str(wav), "rb") as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), np.int16).copy()
    broken = folder / wav.name
    with wave.open(str(broken), "wb") as file:
        file.setparams((1, 2, 48_000, 0, "NONE", "not compressed"))
        file.writeframes(change(pcm).astype(np.int16).tobytes())
    shutil.copy(wav.with_name(wav.name + ".json"), folder)
    return voice.Heard.read(broken)


def test_what_came_whole_is_heard_whole(sent: dict[int, bytes], whole: Path) -> None:
    heard = voice.Heard.read(whole)
    share, stoi = score(sent, heard)
    assert share == 1.0
    assert stoi > 0.999
    assert voice.gaps(heard, set(sent), ZERO_S, ZERO_S, LINKS["A"]) == []
    behind = voice.behind(heard, ZERO_S, ZERO_S)
    assert all(1.9 <= item.behind_s <= 2.3 for item in behind if item.at_s < SECONDS)


def test_an_outage_costs_no_frame_and_stretching_is_undone(sent: dict[int, bytes], tmp_path: Path) -> None:
    away = range(100, 167)  # 6 s to 10 s
    heard = dumped(sent, tmp_path / "heard.wav", comes=lambda n: 10.2 if n in away else n * 0.06)
    assert any(segment["speed"] > 1.1 for segment in heard.segments)
    share, stoi = score(sent, heard)
    assert share == 1.0
    assert stoi > 0.98
    link = replace(LINKS["F"], length_s=SECONDS, outages=(Outage(6.0, 4.0),))
    gaps = voice.gaps(heard, set(sent), ZERO_S, ZERO_S, link)
    assert [(gap.outage, gap.starved_s) for gap in gaps] == [(True, 0)]
    assert gaps[0].start_s == pytest.approx(8.0, abs=0.3)
    # The same on a link without an outage is a gap like any other.
    assert [gap.outage for gap in voice.gaps(heard, set(sent), ZERO_S, ZERO_S, LINKS["A"])] == [False]
    worst = max(item.behind_s for item in voice.behind(heard, ZERO_S, ZERO_S))
    assert worst == pytest.approx(2.0 + gaps[0].length_s, abs=0.3)


def test_what_rises_after_a_halt_is_heard_and_what_is_silent_then_is_not(
    sent: dict[int, bytes], tmp_path: Path
) -> None:
    away = range(100, 167)
    heard = dumped(sent, tmp_path / "heard.wav", comes=lambda n: 10.2 if n in away else n * 0.06)
    halt = next(segment for segment in heard.segments if segment["what"] == "stall")
    again = halt["sample"] + halt["samples"]
    for silent_ms, is_heard in ((5, True), (70, False)):
        pcm = heard.pcm.copy()
        pcm[again : again + silent_ms * 48] = 0
        share, _ = score(sent, replace(heard, pcm=pcm))
        assert (share == 1.0) is is_heard, silent_ms


def test_frames_that_never_came_are_not_heard(sent: dict[int, bytes], tmp_path: Path) -> None:
    lost = {50, 120, 121, 122, 200}
    heard = dumped(sent, tmp_path / "heard.wav", comes=lambda n: 1e9 if n in lost else n * 0.06)
    share, _ = score(sent, heard)
    assert share == pytest.approx(1 - len(lost) / len(sent), abs=1e-9)
    gaps = voice.gaps(heard, set(sent), ZERO_S, ZERO_S, LINKS["A"])
    assert [round(gap.length_s, 2) for gap in gaps] == [0.06, 0.18, 0.06]


def test_sound_that_is_not_there_is_not_heard_whatever_the_hall_says(
    sent: dict[int, bytes], whole: Path, tmp_path: Path
) -> None:
    def cut(pcm: Pcm) -> Pcm:
        pcm[5 * 48_000 : 9 * 48_000] = 0
        return pcm

    share, stoi = score(sent, damaged(whole, tmp_path, cut))
    assert share < 1 - 2 / SECONDS  # at least two of these four seconds were speech
    assert stoi < 0.9


@pytest.mark.parametrize(
    "change",
    [
        lambda pcm: np.random.default_rng(1).integers(-3000, 3000, len(pcm)),
        lambda pcm: np.roll(pcm, 48_000 // 10),
        lambda pcm: pcm[::-1],
        lambda pcm: np.interp(np.arange(len(pcm)) * 1.005, np.arange(len(pcm)), pcm),
    ],
    ids=["noise", "late by 100 ms", "backwards", "half a per cent faster"],
)
def test_a_wrong_sound_is_no_voice(
    sent: dict[int, bytes], whole: Path, tmp_path: Path, change: Callable[[Pcm], Pcm]
) -> None:
    _, stoi = score(sent, damaged(whole, tmp_path, change))
    assert stoi < 0.9


def test_a_starved_hall_shows_as_a_gap(sent: dict[int, bytes], whole: Path) -> None:
    heard = voice.Heard.read(whole)
    first = heard.segments[0]
    later = dict(first)
    half = first["lecture_ms"] // 120 * 60
    first.update(lecture_ms=half, samples=half * 48)
    later.update(t_ms=half, lecture_ms=later["lecture_ms"] - half, sample=half * 48)
    later.update(samples=later["samples"] - half * 48, at_s=first["at_s"] + half / 1000 + 0.25)
    heard.segments[:1] = [first, later]
    gaps = voice.gaps(heard, set(sent), ZERO_S, ZERO_S, LINKS["A"])
    assert [gap.length_s for gap in gaps] == [pytest.approx(0.25, abs=0.01)]
    assert gaps[0].starved_s == gaps[0].length_s

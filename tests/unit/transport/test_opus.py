"""Opus through libopus: quality, concealment, DTX, and its errors."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport import opus, opus_library
from transport.opus import Decoder, Encoder, OpusError, Pcm

FRAME = 2880

LOOKAHEAD_SAMPLES = 312
"""Of libopus at 48 kHz: 2.5 ms and what its filters take."""


def speech_like(seconds: float) -> Pcm:
    """A voiced sound that glides and swells, with a breath of noise: mono."""
    t = np.arange(int(seconds * 48_000)) / 48_000
    phase = 2 * np.pi * (140 * t + 15 * np.sin(2 * np.pi * 1.3 * t))
    voiced = sum(np.sin(n * phase) / n for n in range(1, 12))
    swell = 0.6 + 0.4 * np.sin(2 * np.pi * 2.5 * t)
    noise = np.random.default_rng(7).normal(0, 0.02, t.size)
    return np.asarray(6000 * (voiced * swell + noise), np.int16)


def round_trip(encoder: Encoder, decoder: Decoder, pcm: Pcm) -> tuple[list[bytes], Pcm]:
    size = encoder.frame_samples
    packets = [encoder.encode(pcm[at : at + size]) for at in range(0, len(pcm) - size + 1, size)]
    return packets, np.concatenate([decoder.decode(packet) for packet in packets])


def correlation(source: Pcm, heard: Pcm, delay: int) -> float:
    start = 4800
    a = source[start : len(heard) - delay].astype(float)
    b = heard[start + delay :, 0].astype(float)
    return float(np.corrcoef(a, b)[0, 1])


def likeness(source: Pcm, heard: Pcm) -> float:
    """Correlation of the loudness in each 20 ms and 50 Hz below 4 kHz: what the ear goes by, whatever the phase."""

    def loudness(pcm: Pcm) -> Pcm:
        blocks = pcm[4800 : 4800 + 960 * 80].astype(float).reshape(-1, 960) * np.hanning(960)
        return np.asarray(np.log(np.abs(np.fft.rfft(blocks))[:, 3:80] + 1000)).ravel()

    return float(np.corrcoef(loudness(source), loudness(heard))[0, 1])


@pytest.mark.parametrize(("frame_ms", "bitrate_bps"), [(20, 24_000), (60, 16_000), (60, 24_000)])
def test_a_voice_is_recognisable_after_encoding_and_decoding(frame_ms: float, bitrate_bps: int) -> None:
    encoder = Encoder(bitrate_bps=bitrate_bps, frame_ms=frame_ms)
    source = speech_like(2)
    packets, heard = round_trip(encoder, Decoder(), source)
    delay = LOOKAHEAD_SAMPLES
    assert likeness(source, heard[delay:, 0]) > 0.95
    assert likeness(source[::-1], heard[delay:, 0]) < 0.9
    best = max(range(0, 960, 8), key=lambda lag: correlation(source, heard, lag))
    assert abs(best - delay) <= 24
    assert {opus.packet_duration_ms(packet) for packet in packets} == {int(frame_ms)}
    rate_bps = sum(map(len, packets)) * 8 / 2
    assert 0.6 * bitrate_bps < rate_bps < 1.2 * bitrate_bps


def test_stereo_keeps_its_sides_and_folds_to_mono() -> None:
    source = np.stack([speech_like(1), np.zeros(48_000, np.int16)], axis=1)
    encoder = Encoder(2, application="audio", bitrate_bps=64_000, frame_ms=20)
    packets, heard = round_trip(encoder, Decoder(2), source)
    assert heard.shape[1] == 2
    assert np.abs(heard[9600:, 0].astype(float)).mean() > 20 * np.abs(heard[9600:, 1].astype(float)).mean()
    mono = Decoder(1).decode(packets[-1])
    assert mono.shape == (960, 1)


def test_bitrate_changes_while_running() -> None:
    encoder = Encoder(bitrate_bps=24_000)
    pcm = speech_like(4)
    frames = [pcm[at : at + FRAME] for at in range(0, len(pcm) - FRAME, FRAME)]
    first = [len(encoder.encode(frame)) for frame in frames[:30]]
    encoder.set_bitrate(8_000)
    second = [len(encoder.encode(frame)) for frame in frames[30:]]
    assert sum(second[5:]) / len(second[5:]) < 0.5 * sum(first) / len(first)


def test_concealment_after_a_voiced_sound_is_not_silent() -> None:
    decoder = Decoder()
    round_trip(Encoder(), decoder, speech_like(1))
    concealed = decoder.conceal(FRAME)
    assert concealed.shape == (FRAME, 1)
    assert np.abs(concealed[:960].astype(float)).mean() > 300


def test_fec_restores_a_lost_frame_better_than_concealment() -> None:
    source = speech_like(1.2)
    encoder = Encoder(frame_ms=20, bitrate_bps=24_000, fec=True, packet_loss_percent=30)
    packets = [encoder.encode(source[at : at + 960]) for at in range(0, len(source) - 960, 960)]
    with_fec, without, whole = Decoder(), Decoder(), Decoder()
    lost = 40
    for packet in packets[:lost]:
        for decoder in (with_fec, without, whole):
            decoder.decode(packet)
    truth = whole.decode(packets[lost]).astype(float)
    by_fec = with_fec.decode_fec(packets[lost + 1], 960).astype(float)
    by_plc = without.conceal(960).astype(float)
    assert np.square(truth - by_fec).mean() < 0.5 * np.square(truth - by_plc).mean()


def test_silence_costs_next_to_nothing_with_dtx_and_the_voice_comes_back() -> None:
    encoder, decoder = Encoder(bitrate_bps=12_000, dtx=True), Decoder()
    voice, silence = speech_like(0.6), np.zeros(48_000 * 6, np.int16)
    round_trip(encoder, decoder, voice)
    packets, heard = round_trip(encoder, decoder, silence)
    assert sum(map(len, packets)) * 8 / 6 < 1_000
    assert sum(map(opus.is_silence, packets)) > 0.7 * len(packets)
    assert np.abs(heard[48_000:]).max() < 200
    _, again = round_trip(encoder, decoder, voice)
    assert np.abs(again.astype(float)).mean() > 500


@pytest.mark.parametrize(
    ("first_byte", "second_byte", "samples"),
    [
        (0x00, 0, 480),  # SILK 10 ms
        (0x18, 0, 2880),  # SILK 60 ms
        (0x60, 0, 480),  # hybrid 10 ms
        (0x68, 0, 960),  # hybrid 20 ms
        (0x80, 0, 120),  # CELT 2.5 ms
        (0xF8, 0, 960),  # CELT 20 ms
        (0xF9, 0, 1920),  # two of them
        (0xFB, 3, 2880),  # three of them
    ],
)
def test_duration_of_a_packet(first_byte: int, second_byte: int, samples: int) -> None:
    assert opus.packet_samples(bytes((first_byte, second_byte))) == samples
    assert opus.packet_duration_ms(bytes((first_byte, second_byte))) == samples // 48


@pytest.mark.parametrize("packet", [b"", b"\xfb", b"\xfb\x00", b"\xfb\x07"])
def test_packets_of_no_or_impossible_length_are_refused(packet: bytes) -> None:
    with pytest.raises(OpusError) as caught:
        opus.packet_samples(packet)
    assert caught.value.error_id == "opus_bad_packet"
    with pytest.raises(OpusError):
        Decoder().decode(packet)


@given(st.binary(max_size=200))
def test_any_bytes_decode_or_raise_a_typed_error(packet: bytes) -> None:
    decoder = Decoder()
    try:
        assert decoder.decode(packet).shape == (opus.packet_samples(packet), 1)
    except OpusError:
        with pytest.raises(OpusError, match="opus_bad_packet"):
            decoder.decode(packet)
    decoder.close()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Encoder(3),
        lambda: Encoder(frame_ms=30),
        lambda: Encoder(complexity=11),
        lambda: Encoder(bitrate_bps=0),
        lambda: Encoder(application="music"),  # type: ignore[arg-type]
        lambda: Decoder(0),
        lambda: Encoder().encode(np.zeros(100, np.int16)),
        lambda: Encoder().encode(np.zeros(FRAME, np.float32)),  # type: ignore[arg-type]
        lambda: Encoder(2).encode(np.zeros((2, FRAME), np.int16)),
        lambda: Decoder().conceal(100),
        lambda: Decoder().conceal(0),
        lambda: Decoder().decode_fec(b"\xf8\x00\x00", 7),
    ],
)
def test_bad_arguments_are_refused_with_a_stable_id(make: object) -> None:
    assert callable(make)
    with pytest.raises(OpusError) as caught:
        make()
    assert caught.value.error_id == "opus_bad_argument"


def test_closed_coders_refuse_and_closing_twice_is_harmless() -> None:
    encoder, decoder = Encoder(), Decoder()
    packet = encoder.encode(np.zeros(FRAME, np.int16))
    for coder in (encoder, decoder):
        coder.close()
        coder.close()
    for use in (lambda: encoder.encode(np.zeros(FRAME, np.int16)), lambda: decoder.decode(packet), decoder.reset):
        with pytest.raises(OpusError):
            use()


def test_dropped_coders_are_freed() -> None:
    encoder, decoder = Encoder(), Decoder()
    finalizers = [encoder._free, decoder._free]
    gone = [weakref.ref(encoder), weakref.ref(decoder)]
    assert all(finalizer.alive for finalizer in finalizers)
    del encoder, decoder
    gc.collect()
    assert [ref() for ref in gone] == [None, None]
    assert not any(finalizer.alive for finalizer in finalizers)


def test_reset_forgets_the_past() -> None:
    encoder, decoder = Encoder(bitrate_bps=24_000), Decoder()
    round_trip(encoder, decoder, speech_like(0.5))
    decoder.reset()
    encoder.reset()
    assert np.abs(decoder.conceal(FRAME)).max() == 0
    fresh = Encoder(bitrate_bps=24_000).encode(speech_like(0.1)[:FRAME])
    assert encoder.encode(speech_like(0.1)[:FRAME]) == fresh


def test_a_missing_library_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opus_library, "bundled_libraries", list)
    monkeypatch.setattr("ctypes.util.find_library", lambda name: None)
    opus_library.load.cache_clear()
    try:
        with pytest.raises(OpusError, match="pip install") as caught:
            opus_library.load()
        assert caught.value.error_id == "opus_missing"
    finally:
        opus_library.load.cache_clear()


def test_the_library_comes_along() -> None:
    assert opus_library.bundled_libraries(), "PyAV's wheel brings libopus along"

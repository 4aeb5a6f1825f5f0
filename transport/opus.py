"""Opus through the libopus that PyAV brings along, by ctypes.

PyAV's own encoder neither changes its bitrate while running, nor knows DTX; its decoder neither conceals nor reads
in-band FEC. Here is all of it. Coders are not safe for use from several threads at once; calls into libopus release
the interpreter lock.
"""

from __future__ import annotations

import ctypes
import weakref
from typing import Literal

import numpy as np
import numpy.typing as npt

from transport.opus_library import OpusError as OpusError
from transport.opus_library import load

Pcm = npt.NDArray[np.int16]
"""Samples as an array of shape (samples, channels)."""

Application = Literal["voip", "audio", "lowdelay"]

SAMPLE_RATE = 48_000
MAX_PACKET_SAMPLES = 5760
"""The longest an Opus packet plays: 120 ms."""

_APPLICATIONS = {"voip": 2048, "audio": 2049, "lowdelay": 2051}
_SET_BITRATE, _SET_VBR, _SET_COMPLEXITY, _SET_FEC, _SET_LOSS, _SET_DTX = 4002, 4006, 4010, 4012, 4014, 4016
_RESET = 4028
_MAX_PACKET_BYTES = 1275 * 6
_CELT_SAMPLES = (120, 240, 480, 960)
_SILK_SAMPLES = (480, 960, 1920, 2880)


def packet_samples(packet: bytes) -> int:
    """How long an Opus packet plays, in samples of 48 kHz (RFC 6716 section 3.1), without decoding it.

    :raises OpusError: ``opus_bad_packet``.
    """
    if not packet:
        raise OpusError("opus_bad_packet", "an empty Opus packet")
    config, code = packet[0] >> 3, packet[0] & 3
    if config < 12:
        frame = _SILK_SAMPLES[config & 3]
    elif config < 16:
        frame = _SILK_SAMPLES[config & 1]
    else:
        frame = _CELT_SAMPLES[config & 3]
    if code == 3 and len(packet) < 2:
        raise OpusError("opus_bad_packet", "an Opus packet without its frame count")
    count = 1 if code == 0 else 2 if code < 3 else packet[1] & 0x3F
    if not 0 < frame * count <= MAX_PACKET_SAMPLES:
        raise OpusError("opus_bad_packet", "an Opus packet of an impossible length")
    return frame * count


def packet_duration_ms(packet: bytes) -> int:
    """How long an Opus packet plays, in whole ms (2.5 ms frames are rounded down).

    :raises OpusError: ``opus_bad_packet``.
    """
    return packet_samples(packet) * 1000 // SAMPLE_RATE


def is_silence(packet: bytes) -> bool:
    """Whether a packet is what DTX sends in silence: nothing, or no more than a table of contents and a byte."""
    return len(packet) <= 2


def _check(result: int, error_id: str = "opus_bad_argument") -> int:
    if result < 0:
        text = load().opus_strerror(result).decode()
        raise OpusError(error_id, f"libopus refused: {text}")
    return result


class Encoder:
    """Encodes PCM of 48 kHz.

    :param frame_ms: 2.5, 5, 10, 20, 40, 60, 80, 100 or 120.
    :param complexity: 0 to 10.
    :param fec: in-band FEC, used as ``packet_loss_percent`` suggests.
    :raises OpusError: ``opus_missing``, ``opus_bad_argument``.
    """

    def __init__(
        self,
        channels: int = 1,
        *,
        application: Application = "voip",
        bitrate_bps: int = 24_000,
        frame_ms: float = 60,
        complexity: int = 10,
        dtx: bool = False,
        fec: bool = False,
        packet_loss_percent: int = 0,
        vbr: bool = True,
    ) -> None:
        if frame_ms not in (2.5, 5, 10, 20, 40, 60, 80, 100, 120):
            raise OpusError("opus_bad_argument", f"Opus has no frames of {frame_ms} ms")
        if application not in _APPLICATIONS:
            raise OpusError("opus_bad_argument", f"Opus has no application {application}")
        self.channels = channels
        self.frame_ms = frame_ms
        self.frame_samples = int(frame_ms * SAMPLE_RATE / 1000)
        self._library = load()
        error = ctypes.c_int()
        self._state: int | None = self._library.opus_encoder_create(
            SAMPLE_RATE, channels, _APPLICATIONS[application], ctypes.byref(error)
        )
        _check(error.value)
        self._free = weakref.finalize(self, self._library.opus_encoder_destroy, self._state)
        self._out = ctypes.create_string_buffer(_MAX_PACKET_BYTES)
        self.set_bitrate(bitrate_bps)
        self._set(_SET_COMPLEXITY, complexity)
        self._set(_SET_VBR, int(vbr))
        self._set(_SET_FEC, int(fec))
        self.set_packet_loss(packet_loss_percent)
        self.set_dtx(dtx)

    def _alive(self) -> int:
        if self._state is None:
            raise OpusError("opus_bad_argument", "the encoder is closed")
        return self._state

    def _set(self, request: int, value: int) -> None:
        _check(self._library.opus_encoder_ctl(self._alive(), request, ctypes.c_int32(value)))

    def encode(self, pcm: Pcm) -> bytes:
        """Encode exactly one frame.

        :param pcm: int16 of shape (frame_samples, channels), or (frame_samples,) for mono.
        :raises OpusError: ``opus_bad_argument``, also after :meth:`close`.
        """
        state = self._alive()
        if pcm.dtype != np.int16 or pcm.size != self.frame_samples * self.channels or len(pcm) != self.frame_samples:
            raise OpusError("opus_bad_argument", f"PCM of shape {pcm.shape} and type {pcm.dtype} is not one frame")
        samples = np.ascontiguousarray(pcm)
        size = self._library.opus_encode(state, samples.ctypes.data, self.frame_samples, self._out, _MAX_PACKET_BYTES)
        return ctypes.string_at(self._out, _check(size))

    def set_bitrate(self, bitrate_bps: int) -> None:
        """From the next frame on."""
        if bitrate_bps < 500:  # libopus takes small negative numbers for "automatic" and "as much as fits"
            raise OpusError("opus_bad_argument", f"Opus has no bitrate of {bitrate_bps} bit/s")
        self._set(_SET_BITRATE, bitrate_bps)

    def set_packet_loss(self, percent: int) -> None:
        """Expected loss, 0 to 100, from the next frame on."""
        self._set(_SET_LOSS, percent)

    def set_dtx(self, on: bool) -> None:
        """Whether silence is sent as next to nothing, from the next frame on."""
        self._set(_SET_DTX, int(on))

    def reset(self) -> None:
        """Forget the past signal (after a jump)."""
        _check(self._library.opus_encoder_ctl(self._alive(), _RESET))

    def close(self) -> None:
        """Free the encoder; harmless twice."""
        self._state = None
        self._free()


class Decoder:
    """Decodes to PCM of 48 kHz, int16, shape (samples, channels), whatever the packets' own channels are.

    :raises OpusError: ``opus_missing``, ``opus_bad_argument``.
    """

    def __init__(self, channels: int = 1) -> None:
        self.channels = channels
        self._library = load()
        error = ctypes.c_int()
        self._state: int | None = self._library.opus_decoder_create(SAMPLE_RATE, channels, ctypes.byref(error))
        _check(error.value)
        self._free = weakref.finalize(self, self._library.opus_decoder_destroy, self._state)

    def _decode(self, packet: bytes | None, samples: int, fec: int) -> Pcm:
        if self._state is None:
            raise OpusError("opus_bad_argument", "the decoder is closed")
        pcm = np.empty((samples, self.channels), np.int16)
        size = len(packet) if packet is not None else 0
        got = self._library.opus_decode(self._state, packet, size, pcm.ctypes.data, samples, fec)
        return pcm[: _check(got, "opus_bad_packet")]

    def decode(self, packet: bytes) -> Pcm:
        """Decode one packet (after DTX's one- and two-byte packets: comfort noise).

        :raises OpusError: ``opus_bad_packet``, ``opus_bad_argument`` after :meth:`close`.
        """
        return self._decode(packet, packet_samples(packet), 0)

    def conceal(self, samples: int) -> Pcm:
        """Stand-in for ``samples`` (a multiple of 120, at most 5760) that never came, made from what was before."""
        if samples % 120 or not 0 < samples <= MAX_PACKET_SAMPLES:
            raise OpusError("opus_bad_argument", f"{samples} samples cannot be concealed at once")
        return self._decode(None, samples, 0)

    def decode_fec(self, next_packet: bytes, samples: int) -> Pcm:
        """Stand-in for the ``samples`` just before ``next_packet``: from its FEC if it has any, else as by
        :meth:`conceal`.

        :raises OpusError: ``opus_bad_packet``.
        """
        packet_samples(next_packet)
        if samples % 120 or not 0 < samples <= MAX_PACKET_SAMPLES:
            raise OpusError("opus_bad_argument", f"{samples} samples cannot be concealed at once")
        return self._decode(next_packet, samples, 1)

    def reset(self) -> None:
        """Forget the past signal (after a jump)."""
        if self._state is None:
            raise OpusError("opus_bad_argument", "the decoder is closed")
        _check(self._library.opus_decoder_ctl(self._state, _RESET))

    def close(self) -> None:
        """Free the decoder; harmless twice."""
        self._state = None
        self._free()

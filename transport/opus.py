"""Opus through the libopus that PyAV brings along, by ctypes.

PyAV's own encoder neither changes its bitrate while running, nor knows DTX; its decoder neither conceals nor reads
in-band FEC. Here is all of it. Coders are not safe for use from several threads at once; calls into libopus release
the interpreter lock.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from lecture.errors import HallcastError

Pcm = npt.NDArray[np.int16]
"""Samples as an array of shape (samples, channels)."""

Application = Literal["voip", "audio", "lowdelay"]

SAMPLE_RATE = 48_000


class OpusError(HallcastError):
    """libopus is not to be found (``opus_missing``), refused its arguments (``opus_bad_argument``), or got a packet
    that is not Opus (``opus_bad_packet``)."""


def packet_samples(packet: bytes) -> int:
    """How long an Opus packet plays, in samples of 48 kHz (RFC 6716 section 3.1), without decoding it.

    :raises OpusError: ``opus_bad_packet``.
    """
    raise NotImplementedError


def packet_duration_ms(packet: bytes) -> int:
    """How long an Opus packet plays, in whole ms (2.5 ms frames are rounded down).

    :raises OpusError: ``opus_bad_packet``.
    """
    raise NotImplementedError


def packet_channels(packet: bytes) -> int:
    """1 or 2: whether an Opus packet was coded in stereo.

    :raises OpusError: ``opus_bad_packet``.
    """
    raise NotImplementedError


def is_silence(packet: bytes) -> bool:
    """Whether a packet is what DTX sends in silence: nothing, or no more than a table of contents and a byte."""
    return len(packet) <= 2


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
        self.channels = channels
        self.frame_ms = frame_ms
        self.frame_samples = int(frame_ms * SAMPLE_RATE / 1000)
        raise NotImplementedError

    def encode(self, pcm: Pcm) -> bytes:
        """Encode exactly one frame.

        :param pcm: int16 of shape (frame_samples, channels), or (frame_samples,) for mono.
        :raises OpusError: ``opus_bad_argument``, also after :meth:`close`.
        """
        raise NotImplementedError

    def set_bitrate(self, bitrate_bps: int) -> None:
        """From the next frame on."""
        raise NotImplementedError

    def set_packet_loss(self, percent: int) -> None:
        """Expected loss, 0 to 100, from the next frame on."""
        raise NotImplementedError

    def set_dtx(self, on: bool) -> None:
        """Whether silence is sent as next to nothing, from the next frame on."""
        raise NotImplementedError

    @property
    def lookahead_samples(self) -> int:
        """The encoder's delay (pre-skip), in samples."""
        raise NotImplementedError

    def reset(self) -> None:
        """Forget the past signal (after a jump)."""
        raise NotImplementedError

    def close(self) -> None:
        """Free the encoder; harmless twice."""
        raise NotImplementedError


class Decoder:
    """Decodes to PCM of 48 kHz, int16, shape (samples, channels), whatever the packets' own channels are.

    :raises OpusError: ``opus_missing``, ``opus_bad_argument``.
    """

    def __init__(self, channels: int = 1) -> None:
        self.channels = channels
        raise NotImplementedError

    def decode(self, packet: bytes) -> Pcm:
        """Decode one packet (after DTX's one- and two-byte packets: comfort noise).

        :raises OpusError: ``opus_bad_packet``, ``opus_bad_argument`` after :meth:`close`.
        """
        raise NotImplementedError

    def conceal(self, samples: int) -> Pcm:
        """Stand-in for ``samples`` (a multiple of 120, at most 5760) that never came, made from what was before."""
        raise NotImplementedError

    def decode_fec(self, next_packet: bytes, samples: int) -> Pcm:
        """Stand-in for the ``samples`` just before ``next_packet``, from its FEC if it has any, else as :meth:`conceal`.

        :raises OpusError: ``opus_bad_packet``.
        """
        raise NotImplementedError

    def reset(self) -> None:
        """Forget the past signal (after a jump)."""
        raise NotImplementedError

    def close(self) -> None:
        """Free the decoder; harmless twice."""
        raise NotImplementedError

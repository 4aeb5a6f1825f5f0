"""A publisher's Opus, in order, as PCM with its lecture time; what is missing is made up by libopus."""

from __future__ import annotations

from lecture.chunks import HOLE_MS
from relay.media.voice_grid import Pcm
from transport.opus import SAMPLE_RATE, Decoder, OpusError, packet_samples
from transport.receive import ReceivedPacket

CONCEAL_MOST_SAMPLES = SAMPLE_RATE
"""Up to a second without packets is made up: DTX (one packet in 400 ms of silence) or loss. More is absence."""
LOST_SAMPLES = HOLE_MS * SAMPLE_RATE // 1000
"""What is lost and no shorter is a hole of the recorded source, which repair may fill; silence by DTX is not lost."""
CONCEAL_STEP_SAMPLES = 960
CONCEAL_UNIT_SAMPLES = 120

Block = tuple[float, Pcm, bool]
"""Lecture time in ms, samples, and whether they stand for lost ones."""


class VoiceDecoder:
    """Decodes one source to mono.

    :ivar concealed_ms: made up so far.
    """

    def __init__(self) -> None:
        self._decoder = Decoder(1)
        self._expected: int | None = None
        self._last_seq = 0
        self.concealed_ms = 0

    def push(self, packet: ReceivedPacket, t_ms: float) -> list[Block]:
        """Take the next packet in order; returns blocks of samples."""
        try:
            samples = packet_samples(packet.payload)
            gap = 0 if self._expected is None else packet.timestamp_ext - self._expected
            if not 0 <= gap <= CONCEAL_MOST_SAMPLES:
                self._decoder.reset()
                gap = 0
            lost = gap >= LOST_SAMPLES and packet.extended_seq != self._last_seq + 1
            blocks = [(at_ms, pcm, lost) for at_ms, pcm in self._concealed(gap, packet.payload, samples, t_ms)]
            blocks.append((t_ms, self._decoder.decode(packet.payload).reshape(-1), False))
        except OpusError:
            return []
        self._expected = packet.timestamp_ext + samples
        self._last_seq = packet.extended_seq
        return blocks

    def close(self) -> None:
        """Free the decoder."""
        self._decoder.close()

    def _concealed(self, gap: int, packet: bytes, samples: int, t_ms: float) -> list[tuple[float, Pcm]]:
        blocks: list[tuple[float, Pcm]] = []
        left = gap - gap % CONCEAL_UNIT_SAMPLES
        self.concealed_ms += left * 1000 // SAMPLE_RATE
        while left > 0:
            at_ms = t_ms - left * 1000 / SAMPLE_RATE
            if left == samples:
                blocks.append((at_ms, self._decoder.decode_fec(packet, samples).reshape(-1)))
                break
            step = min(left, CONCEAL_STEP_SAMPLES, left - samples if left > samples else left)
            blocks.append((at_ms, self._decoder.conceal(step).reshape(-1)))
            left -= step
        return blocks

"""The camera's rungs: how large, how often, at what rate; which pictures a rung takes. Pure.

Rates count what goes over the link, with all headers. Sizes and rates of pictures are those at which a talking head
measured best for the rate (``docs/benchmarks.md``); a camera smaller than that is not enlarged.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

PACKET_BYTES = 64
"""Headers of one packet: IPv4, UDP, RTP with two extensions, payload header, SRTP tag."""

BACKLOG_S = 0.75
"""A rung whose pictures so far would take this long to be sent at its rate leaves pictures out: after a keyframe, and
where a picture changes all at once. What is queued behind it stays fresh."""

KEYFRAME_EVERY_MS = 5_000
"""Keyframes of a rung that subscribers ask for are at least this far apart: each costs about a second of its rate, and
all who take the rung get it."""

SOURCE_KBPS = 0
"""In place of a rung's rate: the camera as the publisher sends it."""

_SMALLEST_SIDE = 64


@dataclass(frozen=True, slots=True)
class CameraRung:
    """One encoding of the camera.

    :param kbps: on the wire.
    :param pictures_per_s: at most.
    :param pixels: of a picture, about.
    :param preset: of SVT-AV1: lower is slower and better. The larger the picture, the dearer.
    :param payload_bytes: of one packet at most: short ones leave gaps for the voice on a thin link.
    """

    kbps: int
    pictures_per_s: int
    pixels: int
    preset: int
    payload_bytes: int

    @property
    def coded_kbps(self) -> float:
        """What is left for the encoder."""
        return self.kbps - self.pictures_per_s * PACKET_BYTES * 8 / 1000


RUNGS = (
    CameraRung(15, 4, 160 * 120, 7, 640),
    CameraRung(40, 5, 240 * 180, 8, 1000),
    CameraRung(90, 8, 320 * 240, 9, 1100),
)

_BY_KBPS = {rung.kbps: rung for rung in RUNGS}


class Feed(NamedTuple):
    """One stream of pictures that subscribers take: the source, or a rung in one codec.

    :param codec: in lower case.
    :param kbps: of the rung, :data:`SOURCE_KBPS` for the source.
    """

    codec: str
    kbps: int

    @property
    def made(self) -> bool:
        """Whether it is made here."""
        return self.kbps != SOURCE_KBPS


def rung_of(feed: Feed) -> CameraRung:
    """The rung of a feed that is made."""
    return _BY_KBPS[feed.kbps]


def fitted(width: int, height: int, pixels: int) -> tuple[int, int]:
    """A size of about so many pixels in the same shape, in multiples of 8; not larger than given where that is
    possible (no side below 64)."""
    scale = min(1.0, (pixels / (width * height)) ** 0.5)
    sides = (max(_SMALLEST_SIDE, round(side * scale / 8) * 8) for side in (width, height))
    first, second = sides
    return first, second


class RungPace:
    """Which of the camera's pictures a rung takes."""

    def __init__(self, rung: CameraRung) -> None:
        self._step_ms = 1000 / rung.pictures_per_s
        self._bytes_per_ms = rung.kbps / 8
        self._due_ms: float | None = None
        self._level_bytes = 0.0
        self._level_ms = 0

    def takes(self, t_ms: int) -> bool:
        """Whether the picture of this time is one of its own. Ask once for each picture, in order."""
        if self._due_ms is not None and t_ms < self._due_ms:
            return False
        step_ms = self._step_ms
        # Due times lie on a raster, so that a camera's uneven times do not thin the rung; after a pause a new one.
        self._due_ms = t_ms + step_ms if self._due_ms is None else max(self._due_ms + step_ms, t_ms + step_ms / 4)
        return self._backlog_bytes(t_ms) <= BACKLOG_S * 1000 * self._bytes_per_ms

    def spent(self, size_bytes: int, t_ms: int) -> None:
        """A picture came out so large, headers included."""
        self._level_bytes = self._backlog_bytes(t_ms) + size_bytes
        self._level_ms = t_ms

    def _backlog_bytes(self, t_ms: int) -> float:
        return max(0.0, self._level_bytes - max(0, t_ms - self._level_ms) * self._bytes_per_ms)


class SourceRate:
    """What a link must carry to take the source. A camera's rate goes up and down, and with each keyframe: the
    figure stays where it is until the rate has truly changed, since each change of a feed costs a keyframe.

    :ivar kbps: 0 before the first measurement.
    """

    _STEP_KBPS = 20
    _ABOVE = 1.05
    _MUCH_LESS = 0.55

    def __init__(self) -> None:
        self.kbps = 0
        self._mean_kbps = 0.0

    def measured(self, kbps: float) -> None:
        """Its rate over the last second; call it four times a second."""
        if not self._mean_kbps:
            self._mean_kbps = kbps
        self._mean_kbps += (kbps - self._mean_kbps) * (0.06 if kbps > self._mean_kbps else 0.02)
        if not self._MUCH_LESS * self.kbps < self._mean_kbps < self.kbps:
            self.kbps = math.ceil(self._ABOVE * self._mean_kbps / self._STEP_KBPS) * self._STEP_KBPS

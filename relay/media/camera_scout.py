"""Finds out whether a link carries a camera, or more of one, where nothing else that is sent would tell."""

from __future__ import annotations

from typing import Protocol

from relay.adaptation.estimator import TRAIN_PACKETS
from relay.adaptation.pacer import Class
from relay.media.camera_sender import CameraSender

FIRST_S = 3.0
LONGEST_S = 12.0
RESOLVE_S = 1.2
"""A train that shall resolve a doubt is repeated after this time: it or its feedback may be lost."""
MORE = 1.1
ENOUGH, BESIDE_KBPS = 1.75, 50
"""A link that carries so many times a rung, and this much beside it for voice and pages, carries it without asking."""


class Link(Protocol):
    """What is known of the link: :class:`relay.adaptation.estimator.LinkEstimator` is one."""

    def sustained_kbps(self, now: float) -> float:
        """What it carries."""

    def in_doubt(self, now: float) -> bool:
        """Whether a train is wanted to know more than that."""

    def may_probe(self, now: float) -> bool:
        """Whether one may go now."""


class CameraScout:
    """A lane of padding, in short trains, for a subscriber that could have a better camera.

    Voice alone proves no more than voice: a browser, whose pages come another way, and a hall that has all its pages
    would never see a camera. A train is what the estimator's own probing wants (a sixth of a second of the link). It is
    repeated soon while it finds more, else ever more rarely, but not so rarely that a link that has become faster stays
    without a camera for long: at last it costs 1.4 % of the link. It is of the lowest class, so that data that waits is
    used for it where there is any.

    It also asks, with or without a camera to be had, where only a train can tell how the link is. That goes before a
    camera, which waits while the link seems to be full.
    """

    classes = (Class.PAGE, Class.BULK)

    def __init__(self, camera: CameraSender, link: Link) -> None:
        self._camera = camera
        self._link = link
        self._resolve_at = float("-inf")
        self._found_kbps = 0.0
        self._wait_s = FIRST_S
        self._due_at: float | None = None
        self._class = Class.BULK  # of the train
        self._left_bytes: int | None = 0  # of the train, None: all of it

    def waiting(self, class_: Class, packet_bytes: int, now: float) -> Class | None:
        """Whether a train is due, or not all sent."""
        if self._must_tell(now) if class_ is Class.PAGE else self._left_bytes == 0 and self._is_due(now):
            self._left_bytes, self._class = None, class_
        return class_ if self._left_bytes != 0 and class_ is self._class else None

    def next(self, class_: Class, packet_bytes: int, now: float) -> tuple[bytearray, object] | None:
        """The train's next packet."""
        left = TRAIN_PACKETS * packet_bytes if self._left_bytes is None else self._left_bytes
        packet = self._camera.stream.padding(packet_bytes)
        if packet is None:
            self._left_bytes = 0
            return None
        self._left_bytes = max(0, left - len(packet))
        return packet, None

    def _must_tell(self, now: float) -> bool:
        if now < self._resolve_at or not self._link.in_doubt(now):
            return False
        self._resolve_at = now + RESOLVE_S
        return True

    def _is_due(self, now: float) -> bool:
        better_kbps, kbps = self._camera.better_kbps, self._link.sustained_kbps(now)
        if better_kbps is None or kbps >= ENOUGH * better_kbps + BESIDE_KBPS:
            self._due_at = None  # no need to know
            return False
        if self._due_at is None:
            self._due_at, self._wait_s = now, FIRST_S / 2
        if now < self._due_at or not self._link.may_probe(now):
            return False
        self._wait_s = FIRST_S if kbps > MORE * self._found_kbps else min(LONGEST_S, 2 * self._wait_s)
        self._found_kbps = kbps
        self._due_at = now + self._wait_s
        return True

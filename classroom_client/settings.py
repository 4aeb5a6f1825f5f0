"""What a hall can be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from classroom_client.delay import DelaySettings
from classroom_client.timeline import PlayoutSettings
from transport.network import NetworkConfig


@dataclass(frozen=True, slots=True)
class HallSettings:
    """One hall.

    :param relay_url: the relay's address as people type it, e.g. ``https://relay.example``.
    :param code: the hall code.
    :param keep: folder of the hall's own lecture files.
    :param name: what the lecturer sees, e.g. ``Hall 3``.
    :param language: of the voice; empty for the lecture's first.
    :param camera: whether to take the camera.
    :param heads: how many people are in the hall, 0 for unknown.
    :param udp: whether to try WebRTC at all; without it everything comes over the socket.
    :param network: addresses and times of the media connection.
    :param delay: bounds of the playout delay.
    :param report_interval_s: how often the relay is told how the hall is doing; it chooses rung and camera by that.
    :param ping_interval_s: a silent socket is asked for a sign of life after this time.
    :param ping_timeout_s: it is given up when none comes in this time; both together bound an unnoticed outage.
    """

    relay_url: str
    code: str = field(repr=False)
    keep: Path
    name: str = ""
    language: str = ""
    camera: bool = True
    heads: int = 0
    udp: bool = True
    playout: PlayoutSettings = field(default_factory=PlayoutSettings)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    delay: DelaySettings = field(default_factory=DelaySettings)
    report_interval_s: float = 2.0
    ping_interval_s: float = 2.0
    ping_timeout_s: float = 5.0

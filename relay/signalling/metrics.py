"""What Prometheus is told, read from the lectures at the moment it asks.

Base units as Prometheus wants them (seconds, fractions 0 to 1), but rates in kbit/s, which operators of thin links
think in. Everything is a gauge: a lecture that is closed takes its figures with it.

Labels are bounded by what the relay admits: lectures that are open, halls connected (``media.max_halls``) and the last
few that were (:mod:`relay.media.roster`), seven classes, two carriers. Players and pages have no series of their own.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from recordings.shelf import Storage
from relay.app import Relay
from relay.signalling.sockets import Sockets

Labels = tuple[str, ...]
Sample = tuple[Labels, float]
Facts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Family:
    """One metric: what it is called and how it is read from a lecture's snapshot (:mod:`relay.media.snapshot`)."""

    name: str
    help: str
    labels: Labels
    part: str
    key: str
    factor: float = 1.0

    def samples(self, lecture_id: str, snapshot: Facts) -> Iterator[Sample]:
        for names, facts in _PARTS[self.part](snapshot):
            value = facts.get(self.key)
            if isinstance(value, int | float):
                yield (lecture_id, *names), value * self.factor


def _halls(snapshot: Facts) -> Iterator[tuple[Labels, Facts]]:
    return (((hall["name"],), hall) for hall in snapshot["halls"] if hall["connected"])


def _all_halls(snapshot: Facts) -> Iterator[tuple[Labels, Facts]]:
    return (((hall["name"],), hall) for hall in snapshot["halls"])


def _hall_links(snapshot: Facts) -> Iterator[tuple[Labels, Facts]]:
    for hall in snapshot["halls"]:
        if hall["link"]:
            # Over the socket the hall itself knows best what comes, and always what brings its voice.
            carrier = hall["carrier"] or hall["link"].get("carrier", "")
            yield (hall["name"],), {"used_kbps": hall["received_kbps"], **hall["link"], "carrier": carrier}


def _hall_carriers(snapshot: Facts) -> Iterator[tuple[Labels, Facts]]:
    for (name,), link in _hall_links(snapshot):
        for carrier in _CARRIERS:
            yield (name, carrier), {"in_use": link.get("carrier") == carrier}


def _hall_classes(snapshot: Facts) -> Iterator[tuple[Labels, Facts]]:
    for (name,), link in _hall_links(snapshot):
        for class_, sent_bytes in link.get("class_bytes", {}).items():
            yield (name, class_), {"bytes": sent_bytes}


def _publishers(snapshot: Facts) -> Iterator[tuple[Labels, Facts]]:
    return (((publisher["role"], publisher["language"]), publisher) for publisher in snapshot["publishers"])


def _sources(snapshot: Facts) -> Iterator[tuple[Labels, Facts]]:
    for publisher in snapshot["publishers"]:
        for source in publisher["sources"]:
            of = publisher["role"], publisher["language"]  # interpreters are told apart by nothing else
            yield (*of, source["kind"], source["codec"], source["rid"]), source


def _voices(snapshot: Facts) -> Iterator[tuple[Labels, Facts]]:
    return (((language,), voice) for language, voice in snapshot["voices"].items())


def _recorder(snapshot: Facts) -> Iterator[tuple[Labels, Facts]]:
    recorder = snapshot["recorder"]
    yield (), {**recorder, "failing": bool(recorder["trouble"])}


def _lecture(snapshot: Facts) -> Iterator[tuple[Labels, Facts]]:
    counts = {
        "publishers": sum(publisher["connected"] for publisher in snapshot["publishers"]),
        "halls": sum(hall["connected"] for hall in snapshot["halls"]),
        "players": len(snapshot["players"]),
        "heads": sum(hall["heads"] for hall in snapshot["halls"] if hall["connected"]),
    }
    yield (), {**snapshot["lecture"], **counts}


_PARTS = {
    "halls": _halls,
    "all halls": _all_halls,
    "hall links": _hall_links,
    "hall carriers": _hall_carriers,
    "hall classes": _hall_classes,
    "publishers": _publishers,
    "sources": _sources,
    "voices": _voices,
    "recorder": _recorder,
    "lecture": _lecture,
}

_HALL = ("lecture", "hall")
_CARRIERS = ("rtp", "socket")
_PUBLISHER = ("lecture", "role", "language")
_SOURCE = (*_PUBLISHER, "kind", "codec", "rid")

_FAMILIES = (
    _Family("lecture_time_seconds", "Lecture time.", ("lecture",), "lecture", "t_ms", 0.001),
    _Family("publishers", "Publishers that are connected.", ("lecture",), "lecture", "publishers"),
    _Family("halls", "Halls that are connected.", ("lecture",), "lecture", "halls"),
    _Family("players", "Standard (WHEP) players.", ("lecture",), "lecture", "players"),
    _Family("heads", "People in the connected halls, by their own count.", ("lecture",), "lecture", "heads"),
    _Family("publisher_silent_seconds", "Time since its last packet.", _PUBLISHER, "publishers", "silent_s"),
    _Family("publisher_rtt_seconds", "Round-trip time.", _PUBLISHER, "publishers", "rtt_ms", 0.001),
    _Family("source_kbps", "Rate of one stream of a publisher.", _SOURCE, "sources", "kbps"),
    _Family("source_fraction_lost", "Share lost on the way here, before repair.", _SOURCE, "sources", "fraction_lost"),
    _Family("source_jitter_seconds", "Interarrival jitter.", _SOURCE, "sources", "jitter_ms", 0.001),
    _Family("source_packets_given_up", "Lost packets that no repair brought.", _SOURCE, "sources", "given_up"),
    _Family("voice_recorded_seconds", "Lecture time up to which there is voice.", ("lecture", "language"), "voices",
            "recorded_end_ms", 0.001),
    _Family("voice_concealed_seconds", "Voice that was made up for lost packets.", ("lecture", "language"), "voices",
            "concealed_ms", 0.001),
    _Family("voice_missing_seconds", "Voice that the recording lacks and a copy may yet bring.",
            ("lecture", "language"), "voices", "missing_ms", 0.001),
    _Family("voice_repaired_seconds", "Voice of the recording that copies have brought.", ("lecture", "language"),
            "voices", "repaired_ms", 0.001),
    _Family("hall_connected", "1 while the hall's socket stands, 0 once it has gone.", _HALL, "all halls", "connected"),
    _Family("hall_silent_seconds", "Time since the hall was last heard.", _HALL, "all halls", "silent_s"),
    _Family("hall_heads", "People in the hall, by its own count.", _HALL, "halls", "heads"),
    _Family("hall_behind_seconds", "How far the hall's playout is behind lecture time.", _HALL, "halls", "behind_ms",
            0.001),
    _Family("hall_playout_delay_seconds", "Delay that the hall has chosen.", _HALL, "halls", "playout_delay_ms", 0.001),
    _Family("hall_fraction_lost", "Share of packets lost on the hall's link.", _HALL, "halls", "fraction_lost"),
    _Family("hall_rtt_seconds", "Round-trip time of the hall's link.", _HALL, "halls", "rtt_ms", 0.001),
    _Family("hall_received_kbps", "Rate at which the hall receives.", _HALL, "halls", "received_kbps"),
    _Family("hall_gaps", "Holes in the hall's voice still to be filled.", _HALL, "halls", "gaps"),
    _Family("hall_page", "Page on the projector.", _HALL, "halls", "page"),
    _Family("hall_page_due", "Page that belongs to what the hall hears now.", _HALL, "halls", "page_due"),
    _Family("hall_budget_kbps", "What the hall's link is taken to carry.", _HALL, "hall links", "budget_kbps"),
    _Family("hall_used_kbps", "Rate sent to the hall, headers included.", _HALL, "hall links", "used_kbps"),
    _Family("hall_queue_seconds", "Delay that stands on the hall's link.", _HALL, "hall links", "queue_ms", 0.001),
    _Family("hall_rung_kbps", "Voice rung that the hall is sent.", _HALL, "hall links", "rung"),
    _Family("hall_text_rung", "1 while the link is too thin for live voice.", _HALL, "hall links", "text"),
    _Family("hall_camera_kbps", "Camera rung that the hall is sent, 0 for none.", _HALL, "hall links", "camera_kbps"),
    _Family("hall_carrier", "1 for the carrier that is in use.", (*_HALL, "carrier"), "hall carriers", "in_use"),
    _Family("hall_sent_bytes", "Sent to the hall since it joined, by class of urgency.", (*_HALL, "class"),
            "hall classes", "bytes"),
    _Family("recorder_pending_bytes", "Received and not yet on disk.", ("lecture",), "recorder", "pending_bytes"),
    _Family("recorder_dropped_entries", "Entries that the disk did not take.", ("lecture",), "recorder",
            "dropped_entries"),
    _Family("recorder_failing", "1 while the recording cannot be written.", ("lecture",), "recorder", "failing"),
)  # fmt: skip


class RelayMetrics:
    """The metrics of one relay."""

    def __init__(self, relay: Relay, sockets: Sockets) -> None:
        self._relay = relay
        self._sockets = sockets

    async def render(self) -> bytes:
        """All metrics as text: read at once in the loop, written out in a thread, which takes milliseconds."""
        lectures = self._relay.directory.lectures()
        reading = _Reading(
            snapshots={lecture.lecture_id: lecture.snapshot() for lecture in lectures},
            live=sum(lecture.state == "live" for lecture in lectures),
            sockets=self._sockets.active,
            data_dir=self._relay.data_dir,
            storage=self._relay.librarian.storage,
            behind=self._relay.librarian.behind,
            waiting=keeper.waiting if (keeper := self._relay.librarian.keeper) is not None else 0,
        )
        return await asyncio.to_thread(reading.render)


@dataclass(frozen=True, slots=True, eq=False)
class _Reading(Collector):
    snapshots: dict[str, Facts]
    live: int
    sockets: int
    data_dir: Path
    storage: Storage | None
    behind: int
    waiting: int

    def render(self) -> bytes:
        # A registry per reading: nothing is shared between two readings, or between two relays in one process.
        registry = CollectorRegistry()
        registry.register(self)
        ProcessCollector(registry=registry)
        return generate_latest(registry)

    def describe(self) -> list[Metric]:
        return []  # else the registry collects once more to learn the names

    def collect(self) -> Iterator[Metric]:
        free_bytes = shutil.disk_usage(self.data_dir).free
        yield _gauge("sockets", "Control sockets that are open.", (), [((), self.sockets)])
        yield _gauge("lectures_live", "Lectures that are going on.", (), [((), self.live)])
        yield _gauge("disk_free_bytes", "Free space where the data folder lies.", (), [((), free_bytes)])
        yield _gauge("library_behind", "Recordings that the index does not know yet.", (), [((), self.behind)])
        yield _gauge("library_upload_waiting", "Recordings not yet in object storage.", (), [((), self.waiting)])
        if self.storage is not None:
            yield from _library(self.storage)
        for family in _FAMILIES:
            samples = (sample for name, facts in self.snapshots.items() for sample in family.samples(name, facts))
            yield _gauge(family.name, family.help, family.labels, samples)


def _library(storage: Storage) -> Iterator[Metric]:
    yield _gauge("library_recordings", "Recordings in the library.", (), [((), storage.recordings)])
    yield _gauge("library_bytes", "What they take on the disk.", (), [((), storage.file_bytes)])
    yield _gauge("library_recycled_bytes", "What lies in the recycle bin.", (), [((), storage.recycled_bytes)])
    yield _gauge("library_remote_bytes", "What lies in object storage.", (), [((), storage.remote_bytes)])
    yield _gauge("library_damaged", "Recordings whose check found damage.", (), [((), len(storage.damaged))])
    yield _gauge("library_missing", "Recordings whose file has gone.", (), [((), len(storage.missing))])


def _gauge(name: str, text: str, labels: Labels, samples: Iterable[Sample]) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(f"hallcast_{name}", text, labels=labels)
    for values, value in samples:
        gauge.add_metric(values, value)
    return gauge

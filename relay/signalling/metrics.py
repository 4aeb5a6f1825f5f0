"""What Prometheus is told, read from the lectures at the moment it asks."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from relay.app import Relay
from relay.signalling.sockets import Sockets


class RelayMetrics(Collector):
    """The metrics of one relay, in a registry of its own (two relays in one process don't meet)."""

    def __init__(self, relay: Relay, sockets: Sockets) -> None:
        self._relay = relay
        self._sockets = sockets
        self.registry = CollectorRegistry()
        self.registry.register(self)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def collect(self) -> Iterator[Metric]:
        """All metrics of ours."""
        yield GaugeMetricFamily("hallcast_sockets", "Control sockets that are open.", self._sockets.active)
        free = shutil.disk_usage(self._relay.data_dir).free
        yield GaugeMetricFamily("hallcast_disk_free_bytes", "Free space where the data folder lies.", free)

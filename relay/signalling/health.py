"""``/healthz`` (the process answers), ``/readyz`` (it can do its work) and ``/metrics``."""

from __future__ import annotations

import asyncio
import ipaddress
import tempfile
import time
from collections.abc import Callable

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from lecture.errors import HallcastError
from relay.app import Relay
from relay.signalling.http import PathRoute, bearer_token
from relay.signalling.metrics import RelayMetrics

READY_MAX_AGE_S = 1.0
"""``/readyz`` writes to the disk; asked more often than this it repeats its last answer."""


def routes(relay: Relay, metrics: RelayMetrics) -> list[PathRoute]:
    """The routes for those who watch over the relay."""
    watch = _Watch(relay, metrics)
    return [
        PathRoute("/healthz", watch.healthz),
        PathRoute("/readyz", watch.readyz),
        PathRoute("/metrics", watch.metrics),
    ]


class _Watch:
    def __init__(self, relay: Relay, metrics: RelayMetrics) -> None:
        self._relay = relay
        self._metrics = metrics
        self._networks = [ipaddress.ip_network(text) for text in relay.config.access.metrics_from]
        self._checking = asyncio.Lock()
        self._checked_at = float("-inf")
        self._checks: dict[str, str] = {}

    async def healthz(self, request: Request) -> Response:
        """The event loop turns."""
        return JSONResponse({"status": "ok"})

    async def readyz(self, request: Request) -> Response:
        """The data folder takes files and the catalogue can be read: 200, else 503 with what is wrong."""
        async with self._checking:
            if time.monotonic() - self._checked_at > READY_MAX_AGE_S:
                self._checks = await asyncio.to_thread(self._check)
                self._checked_at = time.monotonic()
        ready = all(result == "ok" for result in self._checks.values())
        return JSONResponse({"ready": ready, "checks": self._checks}, 200 if ready else 503)

    async def metrics(self, request: Request) -> Response:
        """For Prometheus: from the configured addresses, or with the staff token. Names lectures and halls."""
        if not self._is_near(request):
            self._relay.access.require_staff(bearer_token(request))
        return Response(await self._metrics.render(), media_type=CONTENT_TYPE_PLAIN_0_0_4)

    def _check(self) -> dict[str, str]:
        return {"data_folder": _result(self._write), "catalogue": _result(self._relay.catalogue.check)}

    def _write(self) -> None:
        with tempfile.TemporaryFile(dir=self._relay.data_dir) as file:
            file.write(b"ready?" * 1000)
            file.flush()

    def _is_near(self, request: Request) -> bool:
        try:
            address = ipaddress.ip_address(request.client.host if request.client else "")
        except ValueError:
            return False
        return any(address in network for network in self._networks)


def _result(check: Callable[[], None]) -> str:
    try:
        check()
    except HallcastError as error:
        return error.error_id
    except OSError:
        return "not_writable"
    return "ok"

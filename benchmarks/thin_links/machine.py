"""Was the machine quick enough? How long each part had to wait for a core, and what it used; also the relay's numbers.

A starved part loses sound without the link being to blame, so each result says how the machine was.
"""

from __future__ import annotations

import asyncio
import os
import platform
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

_LOOK_EVERY_S = 1.0
_METRICS_EVERY_S = 5.0
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
STARVED_SHARE = 0.10
"""A part that waits for a core for more than this share of a second was starved in that second."""


def description() -> str:
    """The machine, in one line."""
    cores = os.cpu_count()
    model = ""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    except OSError:
        model = platform.processor()
    tcp = Path("/proc/sys/net/ipv4/tcp_congestion_control")
    control = f", TCP {tcp.read_text(encoding='ascii').strip()}" if tcp.exists() else ""
    return f"{cores} cores, {model or platform.machine()}, {platform.system()} {platform.release()}{control}"


@dataclass
class _Use:
    cpu_s: float = 0.0
    waited_s: float = 0.0
    worst_share: float = 0.0
    starved_s: int = 0
    seconds: int = 0


@dataclass
class Watch:
    """Looks at processes once a second.

    :param parts: name to process id.
    """

    parts: dict[str, int]
    _uses: dict[str, _Use] = field(default_factory=dict)
    _began_s: float = field(default_factory=time.monotonic)
    _sent: list[tuple[float, dict[str, float]]] = field(default_factory=list)

    async def run(self, http: httpx.AsyncClient) -> None:
        """Look until cancelled; what the relay says that it sent, by class, is kept as well."""
        before = {name: _scheduled(pid) for name, pid in self.parts.items()}
        while True:
            began = time.monotonic()
            await asyncio.sleep(_LOOK_EVERY_S)
            seconds = time.monotonic() - began
            for name, pid in self.parts.items():
                now = _scheduled(pid)
                last, before[name] = before[name], now
                if now is None or last is None:
                    continue
                use = self._uses.setdefault(name, _Use())
                share = (now[1] - last[1]) / seconds
                use.cpu_s = cpu_s(pid) or use.cpu_s
                use.waited_s += now[1] - last[1]
                use.worst_share = max(use.worst_share, share)
                use.starved_s += share > STARVED_SHARE
                use.seconds += 1
            if not self._sent or time.monotonic() - self._sent[-1][0] >= _METRICS_EVERY_S:
                await self._read_metrics(http)

    async def _read_metrics(self, http: httpx.AsyncClient) -> None:
        try:
            text = (await http.get("/metrics", timeout=2.0)).text
        except httpx.HTTPError:
            return
        sent = re.findall(r'^hallcast_hall_sent_bytes(?:_total)?\{.*class="([^"]+)".*\} (\S+)$', text, re.MULTILINE)
        self._sent.append((time.monotonic(), {class_: float(value) for class_, value in sent}))

    def facts(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "description": description(),
            "load_1min": os.getloadavg()[0],
            "parts": {
                name: {
                    "cpu_s": round(use.cpu_s, 1),
                    "waited_s": round(use.waited_s, 2),
                    "worst_second_share": round(use.worst_share, 3),
                    "starved_s": use.starved_s,
                    "seconds": use.seconds,
                }
                for name, use in self._uses.items()
            },
            "sent": self._sent,
        }


def _scheduled(pid: int) -> tuple[float, float] | None:
    """Seconds that a process's main thread ran, and waited for a core (``/proc/<pid>/schedstat``)."""
    try:
        ran, waited, *_ = Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return None
    return int(ran) / 1e9, int(waited) / 1e9


def cpu_s(pid: int) -> float | None:
    """CPU seconds of all threads of a process, and of its children that have ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return None
    return sum(map(int, fields[11:15])) / _TICKS_PER_S

"""The emulated link: two network namespaces, a TUN device in each, and this process between them (root on Linux).

    python -m benchmarks.thin_links.forwarder --link C --seed 1 --log link.jsonl

The process is started in the relay's namespace; the hall's is one of its own, entered by
``nsenter --net=/proc/<pid>/ns/net``. Packets are read as the kernel sends them, given to the arithmetic of
:mod:`tests.network.link_model` and written to the other side when their time has come; the kernel shapes nothing.

Orders come as JSON lines on standard input: ``{"do": "apply"}`` gives the link its rate and losses (its delay it has
from the beginning), ``{"do": "begin"}`` starts what happens on it (outages and so on; with ``at``, the monotonic second
of the first word); end of input ends the process. The log has one line for every 100 ms.
"""

from __future__ import annotations

import argparse
import ctypes
import fcntl
import gc
import json
import os
import select
import struct
import subprocess
import sys
import time
from collections import Counter, deque
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from benchmarks.thin_links.links import LINKS, Change, Schedule
from tests.network.link_model import LinkDirection

RELAY_ADDRESS = "10.77.0.1"
HALL_ADDRESS = "10.77.0.2"
TICK_S = 0.1
_MTU = 1500
_CLONE_NEWNET = 0x40000000
_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_PRIORITY = 20


def new_network_namespace() -> None:
    """Put this process into an empty network namespace of its own, with a loopback.

    :raises OSError: without the right to.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    _ip("link", "set", "lo", "up")


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def _set(name: str, value: str) -> None:
    path = Path("/proc/sys/net") / name
    if path.exists():  # else there is no IPv6 to speak of
        path.write_text(value)


def _tun(name: str, address: str) -> int:
    """A TUN device in the present namespace; returns its file descriptor."""
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH", name.encode(), _IFF_TUN | _IFF_NO_PI))
    _set("ipv6/conf/all/disable_ipv6", "1")
    _ip("addr", "add", f"{address}/30", "dev", name)
    _ip("link", "set", name, "mtu", str(_MTU), "up")
    return fd


def kind_of(packet: bytes) -> str:
    """What a packet is, as far as an encrypted one shows: ``tcp``, ``rtp <payload type>``, ``rtcp``, ``dtls``,
    ``stun``, ``udp`` or ``other`` (RFC 7983 tells the uses of one UDP port apart)."""
    if len(packet) < 20 or packet[0] >> 4 != 4:
        return "other"
    if packet[9] == 6:
        return "tcp"
    if packet[9] != 17:
        return "other"
    return kind_of_udp(packet[(packet[0] & 15) * 4 + 8 :])


def kind_of_udp(data: bytes) -> str:
    """The same for what a UDP packet carries."""
    if len(data) < 2:
        return "udp"
    first = data[0]
    if 128 <= first <= 191:
        return "rtcp" if 192 <= data[1] <= 223 else f"rtp {data[1] & 127}"
    return "stun" if first < 4 else "dtls" if 20 <= first <= 63 else "udp"


@dataclass
class Way:
    """One direction: from one TUN device to the other.

    :ivar waiting: packets on their way, in order, with the time of their arrival.
    """

    source: int
    target: int
    direction: LinkDirection
    waiting: deque[tuple[float, bytes]] = field(default_factory=deque)
    offered: Counter[str] = field(default_factory=Counter)
    arrived_bytes: int = 0
    max_queue_ms: float = 0.0
    blocked_udp: int = 0
    late_ms: float = 0.0

    def take(self, packet: bytes, now: float, *, udp_blocked: bool) -> None:
        """A packet came."""
        kind = kind_of(packet)
        self.offered[kind] += len(packet)
        if udp_blocked and kind != "tcp" and packet[9] == 17:
            self.blocked_udp += 1
            return
        queue_ms = self.direction.queue_ms(now)
        arrival = self.direction.carry(now, len(packet))
        self.max_queue_ms = max(self.max_queue_ms, queue_ms)
        if arrival is not None:
            self.waiting.append((arrival, packet))

    def deliver(self, now: float) -> None:
        """Write all whose time has come."""
        while self.waiting and self.waiting[0][0] <= now:
            due, packet = self.waiting.popleft()
            self.late_ms = max(self.late_ms, (now - due) * 1000)
            self.arrived_bytes += len(packet)
            try:
                os.write(self.target, packet)
            except OSError:
                continue  # the device's queue is full or it is going away: lost, as on a wire

    def line(self, now: float) -> dict[str, object]:
        """What happened since the last line."""
        counters = self.direction.counters
        facts = {
            "offered": dict(self.offered),
            "arrived": self.arrived_bytes,
            "queue_ms": round(self.direction.queue_ms(now), 1),
            "max_queue_ms": round(self.max_queue_ms, 1),
            "lost": counters.lost,
            "dropped": counters.dropped,
            "blocked": counters.blocked + self.blocked_udp,
            "rate_kbps": self.direction.spec.rate_kbps,
        }
        counters.lost = counters.dropped = counters.blocked = self.blocked_udp = 0
        self.offered = Counter()
        self.arrived_bytes = 0
        self.max_queue_ms = 0.0
        return facts


class Forwarder:
    """Carries packets both ways until standard input ends."""

    def __init__(self, link_name: str, seed: int, relay_fd: int, hall_fd: int, log: IO[str], *, short: bool) -> None:
        link = LINKS[link_name]
        self._link = link.shortened() if short else link
        down, up = link.before_class()
        self._down = Way(relay_fd, hall_fd, LinkDirection(down, f"{seed} down"))
        self._up = Way(hall_fd, relay_fd, LinkDirection(up, f"{seed} up"))
        self._log = log
        self._udp_blocked = link.udp_blocked_from_s == 0
        self._changes: deque[Change] = deque()
        self._zero_s = 0.0

    def run(self) -> None:
        """See the class."""
        orders = sys.stdin.buffer.fileno()
        os.set_blocking(orders, False)
        ways = {self._down.source: self._down, self._up.source: self._up}
        text = b""
        tick_at = time.monotonic()
        while True:
            now = time.monotonic()
            for way in ways.values():
                way.deliver(now)
            self._change(now)
            if now >= tick_at:
                self._write_line(now)
                tick_at = max(tick_at + TICK_S, now - TICK_S)
            due = [way.waiting[0][0] for way in ways.values() if way.waiting]
            wake_at = min([tick_at, *due, *(self._zero_s + change.at_s for change in list(self._changes)[:1])])
            readable, _, _ = select.select([*ways, orders], [], [], max(0.0, wake_at - time.monotonic()))
            for fd in readable:
                if fd == orders:
                    piece = os.read(orders, 4096)
                    if not piece:
                        return
                    *lines, text = (text + piece).split(b"\n")
                    for line in lines:
                        self._obey(json.loads(line))
                else:
                    self._read(ways[fd])

    def _read(self, way: Way) -> None:
        while True:
            try:
                packet = os.read(way.source, 2048)
            except BlockingIOError:
                return
            way.take(packet, time.monotonic(), udp_blocked=self._udp_blocked)

    def _obey(self, order: dict[str, object]) -> None:
        match order:
            case {"do": "apply"}:
                self._down.direction.spec = self._link.down
                self._up.direction.spec = self._link.up
            case {"do": "begin", "at": float(at)}:
                self._zero_s = at
                self._changes.extend(Schedule.of(self._link).changes)

    def _change(self, now: float) -> None:
        while self._changes and self._zero_s + self._changes[0].at_s <= now:
            change = self._changes.popleft()
            for direction in (self._down.direction, self._up.direction):
                if change.rate_kbps is not None:
                    direction.spec = replace(direction.spec, rate_kbps=change.rate_kbps)
                if change.broken is not None:
                    direction.broken = change.broken
            if change.udp_blocked is not None:
                self._udp_blocked = change.udp_blocked

    def _write_line(self, now: float) -> None:
        late_ms = max(self._down.late_ms, self._up.late_ms)
        self._down.late_ms = self._up.late_ms = 0.0
        facts = {
            "t": round(now, 4),
            "down": self._down.line(now),
            "up": self._up.line(now),
            "late_ms": round(late_ms, 2),
        }
        self._log.write(json.dumps(facts, separators=(",", ":")) + "\n")


def main() -> None:
    """Make both ends, say so on standard output, forward."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--link", required=True, choices=LINKS)
    parser.add_argument("--short", action="store_true", help="the link as --quick has it")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log", type=Path, required=True)
    args = parser.parse_args()
    relay_fd = _tun("relay0", RELAY_ADDRESS)
    new_network_namespace()
    hall_fd = _tun("hall0", HALL_ADDRESS)
    try:
        # A packet that is late here would be the benchmark's fault, not the link's.
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(_PRIORITY))
        exact = True
    except PermissionError:
        exact = False
    gc.disable()
    with args.log.open("w", encoding="ascii") as log:
        print(json.dumps({"event": "ready", "pid": os.getpid(), "realtime": exact}), flush=True)
        Forwarder(args.link, args.seed, relay_fd, hall_fd, log, short=args.short).run()


if __name__ == "__main__":
    main()

"""How often an address may guess: a bounded table of token buckets. Pure; time is an argument."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict


class Attempts:
    """Counts failures per address. Each address may fail ``burst`` times in a row and gets ``per_minute`` back.

    At most ``max_addresses`` are remembered; beyond that the one that failed longest ago is forgotten, so that
    memory stays bounded whatever an attacker does.
    """

    def __init__(self, burst: int, per_minute: float, *, max_addresses: int = 10_000) -> None:
        self._burst = burst
        self._per_s = per_minute / 60
        self._max_addresses = max_addresses
        # Drop rule: the least recently failed address goes first.
        self._failures: OrderedDict[str, tuple[float, float]] = OrderedDict()  # address -> (failures, as of when)

    def wait_s(self, address: str, now: float) -> float:
        """Seconds until this address may try again, 0 if it may now.

        :param now: monotonic seconds.
        """
        excess = self._failed(_key(address), now) - (self._burst - 1)
        if excess <= 0:
            return 0.0
        return excess / self._per_s if self._per_s else 3600.0

    def failed(self, address: str, now: float) -> None:
        """Note a failure."""
        key = _key(address)
        self._failures[key] = (min(self._failed(key, now) + 1, float(self._burst)), now)
        self._failures.move_to_end(key)
        while len(self._failures) > self._max_addresses:
            self._failures.popitem(last=False)

    def _failed(self, key: str, now: float) -> float:
        failures, since = self._failures.get(key, (0.0, now))
        return max(0.0, failures - (now - since) * self._per_s)


def _key(address: str) -> str:
    """An IPv6 customer has a whole /64; IPv4 in IPv6 clothes is IPv4."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.IPv6Network((parsed, 64), strict=False).network_address)
    return str(parsed)

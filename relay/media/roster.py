"""The halls of a lecture as lecturer and staff see them: those connected, and those that were lately."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Protocol

from lecture.message_parts import HallStatus

REMEMBERED = 200
REPLACED_SILENCE_S = 5.0
"""A hall that has said nothing for so long (it reports every 2 s) is taken for a dead connection of the hall of the
same name that joins now; the same run of a hall's program is known by its instance at once. Two halls of one name that
are both alive are both served, the second as "name (2)"."""


class ConnectedHall(Protocol):
    """A hall's connection (:class:`relay.media.hall.HallConnection`), as the roster knows it."""

    name: str
    instance: str
    last_heard_s: float

    def status(self) -> HallStatus: ...

    def link(self) -> dict[str, Any]: ...

    def leave(self, reason: str) -> None: ...


class HallRoster:
    """Connected halls by name, and the last status of halls that have gone."""

    def __init__(self) -> None:
        self._halls: dict[str, ConnectedHall] = {}
        self._gone: OrderedDict[str, tuple[HallStatus, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._halls)

    def __iter__(self) -> Iterator[ConnectedHall]:
        return iter(list(self._halls.values()))

    def join(self, hall: ConnectedHall, wish: str, now: float) -> str:
        """Add a hall under the name it wishes, or one like it; returns the name."""
        base = wish.strip() or "hall"
        name, number = base, 1
        while (other := self._halls.get(name)) is not None:
            is_same = bool(hall.instance) and other.instance == hall.instance
            if is_same or now - other.last_heard_s > REPLACED_SILENCE_S:
                other.leave("replaced")
                break
            number += 1
            name = f"{base} ({number})"
        self._halls[name] = hall
        self._gone.pop(name, None)
        return name

    def part(self, hall: ConnectedHall) -> None:
        """The hall has gone."""
        if self._halls.get(hall.name) is not hall:
            return  # another connection has its name by now
        del self._halls[hall.name]
        self._gone[hall.name] = replace(hall.status(), connected=False), hall.last_heard_s
        self._gone.move_to_end(hall.name)
        if len(self._gone) > REMEMBERED:
            self._gone.popitem(last=False)

    def statuses(self) -> tuple[HallStatus, ...]:
        """All halls, connected ones first."""
        return tuple(status for status, _ in self.heard())

    def heard(self) -> tuple[tuple[HallStatus, float], ...]:
        """All halls, connected ones first, each with the loop time at which it was last heard."""
        return (*((hall.status(), hall.last_heard_s) for hall in self._halls.values()), *self._gone.values())

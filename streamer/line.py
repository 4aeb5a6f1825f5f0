"""The state of the line to the relay in plain words. Pure: ``now`` is an argument (monotonic seconds)."""

from __future__ import annotations

from collections.abc import Callable


class Line:
    """Both connections (media, control) as one line: down if either is. Says a sentence when that changes."""

    def __init__(self, parts: tuple[str, ...] = ("media", "control")) -> None:
        self._up = dict.fromkeys(parts, False)
        self._was_up = False
        self._down_since_s: float | None = None
        self._told_up: bool | None = None
        self.outages = 0
        self.outage_s = 0.0
        """Seconds that the line was down after it had been up."""

    @property
    def up(self) -> bool:
        """Whether everything is connected."""
        return all(self._up.values())

    def drop(self, part: str) -> None:
        """This connection is not needed any more: what becomes of it is no news."""
        self._up.pop(part, None)

    def set_up(self, part: str, now: float) -> str:
        """A connection stands; returns what to say, empty for nothing."""
        if part not in self._up:
            return ""
        self._up[part] = True
        if not self.up or self._told_up:
            return ""
        self._told_up = True
        if not self._was_up:
            self._was_up = True
            return "Connected to the relay."
        down_s = now - (self._down_since_s if self._down_since_s is not None else now)
        self.outage_s += down_s
        self._down_since_s = None
        return f"The line to the relay is back after {down_s:.0f} s."

    def set_down(self, part: str, why: str, now: float) -> str:
        """A connection is lost or could not be made; returns what to say, empty for nothing."""
        if part not in self._up:
            return ""
        self._up[part] = False
        if self._told_up is False:
            return ""
        self._told_up = False
        if not self._was_up:
            return f"No connection to the relay yet: {why} Trying again until there is one."
        self._down_since_s = now
        self.outages += 1
        return (
            f"The line to the relay is down: {why} The lecture is kept on this machine; trying again until it is back."
        )

    def close(self, now: float) -> None:
        """The end: an outage that still lasts is counted."""
        if self._down_since_s is not None:
            self.outage_s += now - self._down_since_s
            self._down_since_s = None


class LinePart:
    """One of the connections, as it tells of itself.

    :param changed: is told its name, and why it is down; None: it stands.
    """

    def __init__(self, name: str, changed: Callable[[str, str | None], None]) -> None:
        self._name = name
        self._changed = changed

    def up(self) -> None:
        """It stands."""
        self._changed(self._name, None)

    def down(self, why: str) -> None:
        """It is down."""
        self._changed(self._name, why)

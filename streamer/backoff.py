"""How long to wait before the next try. Pure: the caller brings the random number and does the waiting."""

from __future__ import annotations


class Backoff:
    """Waits that double up to a limit, varied by up to 30 % so that not everybody comes back at once."""

    def __init__(self, first_s: float = 0.5, longest_s: float = 10.0) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._next_s = first_s

    def next_s(self, chance: float, at_least_s: float | None = None) -> float:
        """Seconds to wait.

        :param chance: 0 to 1, from the caller's random numbers.
        :param at_least_s: what the relay asked for.
        """
        wait_s = min(self._longest_s, self._next_s * (0.7 + 0.6 * chance))
        self._next_s = min(self._next_s * 2, self._longest_s)
        return max(wait_s, at_least_s or 0.0)

    def reset(self) -> None:
        """It worked."""
        self._next_s = self._first_s

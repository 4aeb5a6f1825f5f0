"""How long to wait before the next try. Pure: the caller brings the random number and does the waiting."""

from __future__ import annotations


class Backoff:
    """Waits that double up to a limit, each varied by up to 30 % so that fifty halls do not knock at once.

    :param first_s: the first wait, in seconds.
    :param longest_s: none is longer, unless the relay asks for it.
    """

    def __init__(self, first_s: float = 0.5, longest_s: float = 10.0) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._next_s = first_s

    def next_s(self, chance: float, at_least_s: float | None = None) -> float:
        """How long to wait before the next try, in seconds.

        :param chance: 0 to 1, from the caller's random numbers.
        :param at_least_s: what the relay asked for.
        """
        wait_s = min(self._longest_s, self._next_s * (0.7 + 0.6 * chance))
        self._next_s = min(self._next_s * 2, self._longest_s)
        return max(wait_s, at_least_s or 0.0)

    def reset(self) -> None:
        """It worked: begin with short waits the next time."""
        self._next_s = self._first_s

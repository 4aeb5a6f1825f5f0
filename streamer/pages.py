"""Which page the lecturer is at. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class Pages:
    """The deck as the lecturer sees it.

    :ivar page: shown now, 0 before the first turn.
    :ivar page_count: None until the relay has opened the deck.
    :ivar titles: as far as they have come.
    """

    page: int = 0
    page_count: int | None = None
    titles: Mapping[int, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Title of the page shown now, empty if unknown."""
        return self.titles.get(self.page, "")

    def turn_to(self, page: int) -> bool:
        """Turn to ``page`` as near as the deck has one; False if that changes nothing."""
        page = max(1, page if self.page_count is None else min(page, self.page_count))
        if page == self.page:
            return False
        self.page = page
        return True

    def turn_by(self, pages: int) -> bool:
        """Turn forward or (negative) back; False if that changes nothing."""
        return self.turn_to(self.page + pages)

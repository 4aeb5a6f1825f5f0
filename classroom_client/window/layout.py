"""Where things are in the window. Pure arithmetic in pixels."""

from __future__ import annotations

from dataclasses import dataclass

_LEAST_BESIDE = 0.5
"""Share of the window that a page keeps at least when it makes room for a panel."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Everything that depends on the window's size.

    :param unit: height of a line of the strip's text; all other sizes follow from it.
    """

    width: int
    height: int

    @property
    def unit(self) -> int:
        return max(13, min(self.height // 45, self.width // 62))

    @property
    def strip(self) -> Box:
        """The strip at the bottom."""
        height = round(self.unit * 1.9)
        return Box(0, self.height - height, self.width, height)

    @property
    def stage(self) -> Box:
        """What is left for the page: the strip covers nothing of it."""
        return Box(0, 0, self.width, self.height - self.strip.height)

    def page(self, width: int, height: int) -> Box:
        """A page of this size, as large as the stage allows, in its middle."""
        return fit(width, height, self.stage)

    def page_beside(self, width: int, height: int, units: int) -> Box | None:
        """A page beside a panel of so many units at the right; None where that would leave too little of it."""
        stage, free = self.stage, self.width - (units + 2) * self.unit
        if free < self.width * _LEAST_BESIDE:
            return None
        return fit(width, height, Box(stage.x, stage.y, free, stage.height))

    def camera(self, width: int, height: int) -> Box:
        """The camera inset at its full size, in the lower right corner of the stage; the page may need it elsewhere."""
        stage, margin = self.stage, self.unit
        limit = Box(0, 0, round(stage.width * 0.2), round(stage.height * 0.28))
        size = fit(width, height, limit)
        return Box(stage.width - size.width - margin, stage.height - size.height - margin, size.width, size.height)


def fit(width: int, height: int, into: Box) -> Box:
    """The largest box of this shape in the middle of ``into``."""
    if width <= 0 or height <= 0:
        return Box(into.x, into.y, 0, 0)
    scale = min(into.width / width, into.height / height)
    fitted_width, fitted_height = max(1, round(width * scale)), max(1, round(height * scale))
    return Box(
        into.x + (into.width - fitted_width) // 2,
        into.y + (into.height - fitted_height) // 2,
        fitted_width,
        fitted_height,
    )

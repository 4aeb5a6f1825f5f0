"""The picture of a shared screen as its updates make it. Pure."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lecture.errors import ProtocolError
from lecture.screen import TILE, Mosaic, ScreenPosition, ScreenUpdate, grid_of

Pixels = NDArray[np.uint8]
"""RGB, shape (height, width, 3)."""
Mask = NDArray[np.bool_]
"""One value for each tile, shape (rows, columns)."""

Decode = Callable[[bytes, int, int], Pixels]
"""Decodes a WebP image of a width and height; ValueError if it is damaged (:func:`transport.webp.decode`)."""


class ScreenCanvas:
    """Applies updates of one sharing after another.

    :param decode: decodes mosaics.
    :ivar position: of the update that was applied last.
    """

    def __init__(self, decode: Decode) -> None:
        self.position = ScreenPosition()
        self._decode = decode
        self._padded: Pixels = np.zeros((0, 0, 3), np.uint8)

    @property
    def pixels(self) -> Pixels:
        """The picture; a view that changes with the next update."""
        return self._padded[: self.position.height, : self.position.width]

    @property
    def padded(self) -> Pixels:
        """The picture with whole tiles at the right and lower edge; a view as :attr:`pixels`."""
        return self._padded

    def apply(self, update: ScreenUpdate) -> Mask:
        """Apply an update that :attr:`position` takes; returns which tiles it has changed.

        An update with a damaged image changes nothing.

        :raises ProtocolError: ``screen_malformed``.
        """
        if not self.position.takes(update):
            text = f"Screen update {update.number} does not follow {self.position.number}."
            raise ProtocolError("screen_malformed", text)
        rows, columns = grid_of(update.width, update.height)
        images = [self._tiles_of(mosaic, rows, columns) for mosaic in update.mosaics]
        changed = np.zeros((rows, columns), np.bool_)
        if update.is_whole:
            self._padded = np.zeros((rows * TILE, columns * TILE, 3), np.uint8)
            changed[:] = True
        for copy in update.copies:
            right = copy.left + copy.width
            source = self._padded[copy.from_top : copy.from_top + copy.height, copy.left : right].copy()
            self._padded[copy.top : copy.top + copy.height, copy.left : right] = source
            tile_rows = slice(copy.top // TILE, -(-(copy.top + copy.height) // TILE))
            changed[tile_rows, copy.left // TILE : -(-right // TILE)] = True
        tiled = tiles_view(self._padded)
        for mosaic, tiles in zip(update.mosaics, images, strict=True):
            numbers = np.asarray(mosaic.tiles)
            tiled[numbers // columns, numbers % columns] = tiles
            changed.reshape(-1)[numbers] = True
        self.position = self.position.after(update)
        return changed

    def _tiles_of(self, mosaic: Mosaic, rows: int, columns: int) -> Pixels:
        """The mosaic's tiles, shape (count, TILE, TILE, 3).

        :param rows: of tiles in the whole picture, as ``columns``.
        """
        count = len(mosaic.tiles)
        if mosaic.columns:
            image = self._image(mosaic, -(-count // mosaic.columns), mosaic.columns)
            return image.reshape(-1, TILE, TILE, 3)[:count]
        mask = np.zeros((rows, columns), np.bool_)
        mask.reshape(-1)[np.asarray(mosaic.tiles)] = True
        mask = mask[np.ix_(mask.any(axis=1), mask.any(axis=0))]
        return self._image(mosaic, *mask.shape)[mask]

    def _image(self, mosaic: Mosaic, rows: int, columns: int) -> Pixels:
        """The image, shape (rows, columns, TILE, TILE, 3)."""
        try:
            return tiles_view(self._decode(mosaic.image, columns * TILE, rows * TILE))
        except ValueError as error:
            raise ProtocolError("screen_malformed", f"A mosaic cannot be decoded: {error}.") from error


def tiles_view(padded: Pixels) -> Pixels:
    """A view of whole tiles, shape (rows, columns, TILE, TILE, 3)."""
    height, width, _ = padded.shape
    return padded.reshape(height // TILE, TILE, width // TILE, TILE, 3).swapaxes(1, 2)

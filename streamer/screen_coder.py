"""Turns pictures of a shared screen into stills: what has changed, legible at once and in full when it rests. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lecture.screen import TILE, Copy, Mosaic, ScreenUpdate, pack_update
from lecture.screen_canvas import Mask, Pixels, ScreenCanvas, tiles_view
from lecture.screen_mosaic import mosaic_of, padded, quantised
from streamer.screen_motion import changed_tiles, find_scroll
from transport import webp

_PACKET_BYTES = 1_000
_PACKET_HEAD_BYTES = 84
"""What a thin link carries around each piece of an update: IP, UDP, SRTP, data payload, part."""
_KEPT = 2 / 3
"""What is sent in full leaves this share of a burst to the next change."""
_REFINED_EVERY_MS = 800
"""Of what comes to rest letter by letter several go together: each update costs a packet."""
_SCROLLS = 2
"""So many parts of the screen may scroll at a time, each by a distance of its own."""


@dataclass(frozen=True, slots=True)
class ScreenSettings:
    """How a screen is coded.

    :param kbps: mean rate on a hall's link that is not exceeded in the long run.
    :param burst_bytes: what may be sent at once after a time of rest; a screen full of text is about 20 kB.
    :param debt_bytes: how far changes (not their refinement) may go beyond that; then they wait.
    :param quiet_ms: what moves is sent when it has rested for so long, or after ``patience_ms``.
    :param rest_ms: a tile that has rested for so long may be sent in full.
    :param levels: colour levels of a channel at first; 4 are legible and cost half of 16.
    :param stark_levels: the same where black stands on white, or white on black, if more than ``soft_tiles`` change at
        once or the rate is overdrawn; 2 cost two thirds of 4, and letters lose their soft edges: some cannot be read.
    :param rest_levels: the same for what rests; 256 is lossless.
    :param tolerance: colours that differ by no more (of 255) have not changed: 0 for a screen, more for a film of one,
        whose coding has made noise of its own.
    :param update_bytes: largest update, so that the next change need not wait long behind it.
    """

    kbps: float = 11.0
    burst_bytes: int = 24_000
    debt_bytes: int = 40_000
    quiet_ms: int = 220
    patience_ms: int = 800
    rest_ms: int = 2000
    levels: int = 4
    stark_levels: int = 2
    soft_tiles: int = 300
    rest_levels: int = 256
    tolerance: int = 0
    update_bytes: int = 32_000
    rest_update_bytes: int = 4_000
    photo_quality: int = 25
    photo_rest_quality: int = 70


FILM = ScreenSettings(rest_levels=16, tolerance=40)
"""For a recorded film of a screen: coding noise is neither a change nor worth keeping."""


class ScreenCoder:
    """Codes one sharing, picture by picture. Give it a picture several times a second; what it returns goes to the
    relay in order.

    :param share: number of the sharing, drawn at random; not 0.
    """

    def __init__(self, share: int, settings: ScreenSettings | None = None) -> None:
        self.settings = settings or ScreenSettings()
        self._share = share
        self._number = 0
        self._canvas = ScreenCanvas(webp.decode)
        self._budget_bytes = float(self.settings.burst_bytes)
        self._budget_ms: float | None = None
        self._source: Pixels = np.zeros((0, 0, 3), np.uint8)
        self._size = (0, 0)
        self._is_anew = True
        # What the pixels of the canvas were made from.
        self._known: Pixels = self._source
        self._moved_ms = np.zeros((0, 0), np.float64)
        self._settled: Mask = np.zeros((0, 0), np.bool_)
        self._pending_ms: float | None = None
        self._moving_ms = 0.0
        self._rest_tile_bytes = 60.0
        self._refined_ms = float("-inf")

    @property
    def canvas(self) -> ScreenCanvas:
        """The picture as those who got all updates see it."""
        return self._canvas

    def picture(self, rgb: Pixels, now_ms: float) -> ScreenUpdate | None:
        """The screen at ``now_ms`` (rising); returns the next update, None while there is nothing to send or no rate
        to send it with.

        :param rgb: shape (height, width, 3); kept until the next call: do not write into it.
        """
        self._refill(now_ms)
        source = padded(rgb)
        is_first = self._is_anew or rgb.shape[:2] != self._size
        if is_first:
            self._begin(rgb, source, now_ms)
            stale: Mask = np.ones(self._settled.shape, np.bool_)
        else:
            if not np.array_equal(source, self._source):
                moved = changed_tiles(self._source, source, self.settings.tolerance)
                if moved.any():
                    self._moved_ms[moved] = now_ms
                    self._moving_ms = now_ms
            stale = changed_tiles(self._known, source, self.settings.tolerance)
        self._source = source
        self._settled &= ~stale
        if not stale.any():
            self._pending_ms = None
            return self._refined(now_ms, ~stale)
        if self._pending_ms is None:
            self._pending_ms = now_ms
        is_quiet = now_ms - self._moving_ms >= self.settings.quiet_ms
        is_due = is_first or is_quiet or now_ms - self._pending_ms >= self.settings.patience_ms
        if not is_due or self._budget_bytes <= -self.settings.debt_bytes:
            # Who types on and on never leaves a moment without changes: what rests beside them need not wait for one.
            return self._refined(now_ms, ~stale)
        self._pending_ms = None
        return self._coarse(stale, whole=is_first)

    def begin_anew(self) -> None:
        """The next update shall need nothing before it: the relay does not have what came before."""
        self._is_anew = True
        self._number += 1  # the relay may have ended the sharing with a number of its own

    def stop(self) -> ScreenUpdate | None:
        """The screen is no longer shared; None if nothing of it was ever sent."""
        if not self._number:
            return None
        return self._update((), (), whole=True, stop=True)

    def _begin(self, rgb: Pixels, source: Pixels, now_ms: float) -> None:
        self._is_anew = False
        height, width, _ = source.shape
        grid = height // TILE, width // TILE
        self._size = rgb.shape[0], rgb.shape[1]
        self._known = np.zeros_like(source)
        self._moved_ms = np.full(grid, now_ms)
        self._settled = np.zeros(grid, np.bool_)
        self._moving_ms = now_ms

    # Changes, at once

    def _coarse(self, stale: Mask, *, whole: bool) -> ScreenUpdate:
        """What has changed, in few colour levels."""
        copies: list[Copy] = []
        if not whole:
            for _ in range(_SCROLLS):
                found = find_scroll(self._known, self._source, stale, self.settings.tolerance)
                if not found:
                    break
                copies += found
                for copy in found:
                    self._scroll(copy)
                stale = changed_tiles(self._known, self._source, self.settings.tolerance)
                self._settled &= ~stale
        mosaics: tuple[Mosaic, ...] = ()
        if stale.any():
            settings = self.settings
            # Of a page the eye finds its way with hard letters; a word that is being typed is all there is to read.
            is_dear = np.count_nonzero(stale) > settings.soft_tiles or self._budget_bytes < 0
            stark = settings.stark_levels if is_dear else settings.levels
            drawn = _in_levels(self._source, stale, settings.levels, stark=stark)
            mosaics, stale = self._mosaics(stale, drawn, settings.photo_quality)
        update = self._update(tuple(copies), mosaics, whole=whole)
        self._sent(stale)
        return update

    def _scroll(self, copy: Copy) -> None:
        """What the copy does to the canvas happens to what we know of it."""
        columns = slice(copy.left, copy.left + copy.width)
        into, out_of = slice(copy.top, copy.top + copy.height), slice(copy.from_top, copy.from_top + copy.height)
        self._known[into, columns] = self._known[out_of, columns].copy()
        settled = np.repeat(self._settled, TILE, axis=0)
        cells = slice(copy.left // TILE, (copy.left + copy.width) // TILE)
        settled[into, cells] = settled[out_of, cells].copy()
        self._settled = np.logical_and.reduce(settled.reshape(-1, TILE, settled.shape[1]), axis=1)

    def _mosaics(self, mask: Mask, drawn: Pixels, quality: int) -> tuple[tuple[Mosaic, ...], Mask]:
        """Code tiles, or as many of them as fit an update; returns which.

        :param drawn: the picture as it is to look where it is no photograph.
        """
        photos = photo_tiles(self._source, mask)
        while True:
            parts = (
                (drawn, mask & ~photos, webp.encode),
                (self._source, mask & photos, lambda pixels: webp.encode(pixels, quality)),
            )
            mosaics = tuple(mosaic_of(picture, part, code) for picture, part, code in parts if part.any())
            size_bytes = sum(len(mosaic.image) for mosaic in mosaics)
            if size_bytes <= self.settings.update_bytes:
                return mosaics, mask
            count = np.count_nonzero(mask) * self.settings.update_bytes * 0.9 / size_bytes
            mask = _first_tiles(mask, max(1, int(count)))

    # What rests, in full

    def _refined(self, now_ms: float, current: Mask) -> ScreenUpdate | None:
        """Some of what has rested, as it is; only from what is left of the rate when a change could come any time.

        :param current: tiles that the canvas shows, as well as they were coded.
        """
        settings = self.settings
        spare_bytes = self._budget_bytes - settings.burst_bytes * _KEPT
        if spare_bytes < min(1000, settings.burst_bytes / 4) or now_ms < self._refined_ms + _REFINED_EVERY_MS:
            return None
        resting = current & ~self._settled & (now_ms - self._moved_ms >= settings.rest_ms)
        if not resting.any():
            return None
        self._refined_ms = now_ms
        size_bytes = min(spare_bytes, settings.rest_update_bytes)
        mask = _first_tiles(resting, max(1, int(size_bytes / self._rest_tile_bytes)))
        drawn = _in_levels(self._source, mask, settings.rest_levels, stark=settings.rest_levels)
        mosaics, mask = self._mosaics(mask, drawn, settings.photo_rest_quality)
        self._rest_tile_bytes = max(4.0, sum(len(mosaic.image) for mosaic in mosaics) / np.count_nonzero(mask))
        update = self._update((), mosaics, whole=False)
        self._sent(mask)
        self._settled |= mask
        return update

    def _sent(self, mask: Mask) -> None:
        """The canvas shows the source in these tiles, as well as they were coded."""
        known, source, shown = (tiles_view(each) for each in (self._known, self._source, self._canvas.padded))
        known[mask] = source[mask]
        self._settled[mask] = (shown[mask] == source[mask]).all(axis=(1, 2, 3))

    def _update(
        self, copies: tuple[Copy, ...], mosaics: tuple[Mosaic, ...], *, whole: bool, stop: bool = False
    ) -> ScreenUpdate:
        since = 0 if whole else self._number
        self._number += 1
        height, width = self._size
        update = ScreenUpdate(self._share, self._number, since, width, height, copies, mosaics, stop)
        self._canvas.apply(update)
        size_bytes = len(pack_update(update))
        self._budget_bytes -= size_bytes + _PACKET_HEAD_BYTES * -(-size_bytes // _PACKET_BYTES)
        return update

    def _refill(self, now_ms: float) -> None:
        if self._budget_ms is not None:
            earned_bytes = (now_ms - self._budget_ms) * self.settings.kbps / 8
            self._budget_bytes = min(self.settings.burst_bytes, self._budget_bytes + earned_bytes)
        self._budget_ms = now_ms


def photo_tiles(picture: Pixels, mask: Mask) -> Mask:
    """Which tiles of ``mask`` are parts of a photograph: in text and drawings a ground and an ink prevail."""
    tiles = tiles_view(picture)[mask][..., 1].reshape(-1, TILE * TILE)
    count = len(tiles)
    bins = (tiles >> 4).astype(np.intp) + 16 * np.arange(count)[:, None]
    histogram = np.bincount(bins.ravel(), minlength=16 * count).reshape(count, 16)
    prevailing = np.sort(histogram, axis=1)[:, -3:].sum(axis=1)
    photos: Mask = np.zeros(mask.shape, np.bool_)
    photos[mask] = prevailing < _PREVAILING * TILE * TILE
    # One such tile among text is a thick letter or an icon; a photograph has neighbours.
    around = np.pad(photos, 1)
    neighbours = sum(
        around[1 + down : around.shape[0] - 1 + down, 1 + right : around.shape[1] - 1 + right].astype(np.int8)
        for down in (-1, 0, 1)
        for right in (-1, 0, 1)
    )
    photos &= neighbours >= 5
    return photos


_PREVAILING = 0.65
_DARK, _LIGHT = 64, 192
_FAINTEST = 48
_FAINT_LEVELS = 16


def _in_levels(picture: Pixels, mask: Mask, levels: int, *, stark: int) -> Pixels:
    """The picture with the tiles of ``mask`` in so many levels a channel.

    :param stark: levels of tiles that have both very dark and very light pixels: their letters lose no more than their
        soft edges. Grey letters on grey would vanish between two levels; such tiles get more.
    """
    drawn = picture.copy()
    tiles = tiles_view(picture)[mask]
    few = quantised(tiles, levels)
    if levels < _FAINT_LEVELS:
        grey = tiles.mean(axis=3)
        darkest, lightest = grey.min(axis=(1, 2)), grey.max(axis=(1, 2))
        if stark != levels:
            is_stark = (darkest < _DARK) & (lightest > _LIGHT)
            few[is_stark] = quantised(tiles[is_stark], stark)
        is_faint = (lightest - darkest > _FAINTEST) & (few == few[:, :1, :1]).all(axis=(1, 2, 3))
        few[is_faint] = quantised(tiles[is_faint], _FAINT_LEVELS)
    tiles_view(drawn)[mask] = few
    return drawn


def _first_tiles(mask: Mask, count: int) -> Mask:
    first: Mask = np.zeros(mask.shape, np.bool_)
    first.reshape(-1)[np.flatnonzero(mask)[:count]] = True
    return first

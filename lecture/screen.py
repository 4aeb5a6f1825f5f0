"""A shared screen as stills: what one update says, and its bytes (docs/protocol.md, "Screen"). Pure.

A sharing has a picture of fixed size, cut into *tiles* of 16 x 16 pixels. An update turns the picture after update
``since`` (or any later one) into the picture after update ``number``: first parts of it are moved, then tiles are
replaced by those of *mosaics*, images in which the changed tiles stand side by side. An update with ``since`` 0 needs
nothing before it: it begins with a black picture.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from lecture.errors import ProtocolError

TILE = 16
"""Edge of a tile in pixels."""
MAX_EDGE = 4096
"""No picture is wider or higher, in pixels."""
MAX_UPDATE_BYTES = 120_000
"""No update is larger; coders stay far below."""
MAX_COPIES = 16
MAX_MOSAICS = 4
_WEBP = 3
"""The only type of image that mosaics have so far; the number is that of blobs in frames."""

_VERSION = 1
_STOP = 1
_COPY = 1
_MOSAIC = 2
_TIME = struct.Struct("!Q")
_HEAD = struct.Struct("!BBIIIHH")  # version, flags, share, number, since, width, height
_COPY_BODY = struct.Struct("!HHHHH")  # left, top, width, height, from_top
_MOSAIC_HEAD = struct.Struct("!BHHI")  # image type, columns, bytes of the tile list, bytes of the image


@dataclass(frozen=True, slots=True)
class Copy:
    """The rectangle at ``left``, ``top`` becomes what stood at ``left``, ``from_top``; in pixels, also of the hidden
    parts of tiles that reach beyond the picture's right or lower edge."""

    left: int
    top: int
    width: int
    height: int
    from_top: int


@dataclass(frozen=True, slots=True)
class Mosaic:
    """Changed tiles in one WebP image.

    :param columns: tiles in a row of the image; they fill it row by row, and its last row may have room for more.
        0: the image is the picture without the rows and columns of tiles in which nothing has changed, and each tile
        stands in it where it stands in the picture.
    :param tiles: numbers of the tiles (row by row from the top left corner of the picture, from 0), rising.
    """

    columns: int
    tiles: tuple[int, ...]
    image: bytes


@dataclass(frozen=True, slots=True)
class ScreenUpdate:
    """One step of a shared screen.

    :param share: which sharing; drawn at random when it begins.
    :param number: 1 and up, rising.
    :param since: needs the picture after this number or a later one below ``number``; 0: needs none.
    :param width: of the picture in pixels, as ``height``.
    :param stop: the screen is no longer shared.
    """

    share: int
    number: int
    since: int
    width: int
    height: int
    copies: tuple[Copy, ...] = ()
    mosaics: tuple[Mosaic, ...] = ()
    stop: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether it needs nothing before it."""
        return self.since == 0


@dataclass(frozen=True, slots=True)
class ScreenPosition:
    """Where somebody is in the row of updates.

    :param share: 0 before the first update.
    :param stopped: the sharing is over.
    """

    share: int = 0
    number: int = 0
    width: int = 0
    height: int = 0
    stopped: bool = False

    def takes(self, update: ScreenUpdate) -> bool:
        """Whether ``update`` is news and everything that it needs is here."""
        if update.share != self.share:
            return update.is_whole
        if update.number <= self.number or self.stopped:
            # After an end, which a relay may have set itself, a sharing may begin anew.
            return update.number >= self.number and update.is_whole and self.stopped != update.stop
        fits = (update.width, update.height) == (self.width, self.height)
        return update.is_whole or (update.since <= self.number and fits)

    def after(self, update: ScreenUpdate) -> ScreenPosition:
        """The place after an update that it takes."""
        return ScreenPosition(update.share, update.number, update.width, update.height, update.stop)


def grid_of(width: int, height: int) -> tuple[int, int]:
    """Rows and columns of tiles of a picture; those at the right and lower edge may reach beyond it."""
    return -(-height // TILE), -(-width // TILE)


def pack_update(update: ScreenUpdate) -> bytes:
    """Encode an update.

    :raises ValueError: if a number does not fit its field or the whole is too large.
    """
    flags = _STOP if update.stop else 0
    try:
        out = bytearray(
            _HEAD.pack(_VERSION, flags, update.share, update.number, update.since, update.width, update.height)
        )
        for copy in update.copies:
            out.append(_COPY)
            out += _COPY_BODY.pack(copy.left, copy.top, copy.width, copy.height, copy.from_top)
        for mosaic in update.mosaics:
            tiles = _pack_tiles(mosaic.tiles)
            out.append(_MOSAIC)
            out += _MOSAIC_HEAD.pack(_WEBP, mosaic.columns, len(tiles), len(mosaic.image))
            out += tiles + mosaic.image
    except struct.error as error:
        raise ValueError(f"screen update {update.number} does not fit its format: {error}") from error
    if len(out) > MAX_UPDATE_BYTES:
        raise ValueError(f"screen update of {len(out)} bytes is larger than {MAX_UPDATE_BYTES}")
    return bytes(out)


def parse_update(data: bytes) -> ScreenUpdate:
    """Decode an update; all places are inside the picture.

    :raises ProtocolError: ``screen_malformed``, ``version_unsupported``.
    """
    if len(data) > MAX_UPDATE_BYTES or len(data) < _HEAD.size:
        raise _malformed(f"{len(data)} bytes")
    version, flags, share, number, since, width, height = _HEAD.unpack_from(data)
    if version != _VERSION:
        raise ProtocolError("version_unsupported", f"Screen updates of version {version} are not supported.")
    stop = bool(flags & _STOP)
    if not since < number or not (0 < width <= MAX_EDGE and 0 < height <= MAX_EDGE):
        raise _malformed("a number is out of range")
    copies: list[Copy] = []
    mosaics: list[Mosaic] = []
    rows, columns = grid_of(width, height)
    at = _HEAD.size
    while at < len(data):
        section, at = data[at], at + 1
        if section == _COPY and not mosaics:
            copy, at = _parse_copy(data, at)
            if copy.left + copy.width > columns * TILE or max(copy.top, copy.from_top) + copy.height > rows * TILE:
                raise _malformed("a copy lies outside the picture")
            copies.append(copy)
        elif section == _MOSAIC:
            mosaic, at = _parse_mosaic(data, at, rows * columns)
            mosaics.append(mosaic)
        else:
            raise _malformed(f"section {section} where none such belongs")
        if len(copies) > MAX_COPIES or len(mosaics) > MAX_MOSAICS:
            raise _malformed("too many sections")
    return ScreenUpdate(share, number, since, width, height, tuple(copies), tuple(mosaics), stop)


def pack_timed(t_ms: int, update: bytes) -> bytes:
    """An update with its lecture time before it, as it goes to a hall in parts."""
    return _TIME.pack(t_ms) + update


def parse_timed(data: bytes) -> tuple[int, bytes]:
    """Lecture time and update.

    :raises ProtocolError: ``screen_malformed``.
    """
    if len(data) < _TIME.size:
        raise _malformed("cut short")
    (t_ms,) = _TIME.unpack_from(data)
    if t_ms >= 1 << 53:
        raise _malformed("a number is out of range")
    return t_ms, data[_TIME.size :]


MAX_TIMED_BYTES = MAX_UPDATE_BYTES + _TIME.size


def _parse_copy(data: bytes, at: int) -> tuple[Copy, int]:
    if at + _COPY_BODY.size > len(data):
        raise _malformed("cut short")
    return Copy(*_COPY_BODY.unpack_from(data, at)), at + _COPY_BODY.size


def _parse_mosaic(data: bytes, at: int, tile_count: int) -> tuple[Mosaic, int]:
    if at + _MOSAIC_HEAD.size > len(data):
        raise _malformed("cut short")
    type_number, columns, list_bytes, image_bytes = _MOSAIC_HEAD.unpack_from(data, at)
    tiles_at = at + _MOSAIC_HEAD.size
    image_at = tiles_at + list_bytes
    end = image_at + image_bytes
    if end > len(data):
        raise _malformed("cut short")
    if type_number != _WEBP:
        raise _malformed(f"image type {type_number}")
    tiles = _parse_tiles(data[tiles_at:image_at], tile_count)
    if not tiles or columns > MAX_EDGE // TILE:
        raise _malformed("a mosaic without tiles")
    return Mosaic(columns, tiles, data[image_at:end]), end


def _pack_tiles(tiles: tuple[int, ...]) -> bytes:
    """Runs: how many tiles are skipped, how many follow each other; each number as a varint."""
    out = bytearray()
    end = 0
    index = 0
    while index < len(tiles):
        first = index
        while index + 1 < len(tiles) and tiles[index + 1] == tiles[index] + 1:
            index += 1
        if tiles[first] < end:
            raise ValueError("the tiles of a mosaic must rise")
        _varint(out, tiles[first] - end)
        _varint(out, index - first + 1)
        end = tiles[index] + 1
        index += 1
    return bytes(out)


def _parse_tiles(data: bytes, tile_count: int) -> tuple[int, ...]:
    tiles: list[int] = []
    at, end = 0, 0
    while at < len(data):
        skipped, at = _read_varint(data, at)
        run, at = _read_varint(data, at)
        start, end = end + skipped, end + skipped + run
        if run == 0 or end > tile_count:
            raise _malformed("a tile lies outside the picture")
        tiles.extend(range(start, end))
    return tuple(tiles)


def _varint(out: bytearray, number: int) -> None:
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    number = 0
    for shift in (0, 7, 14):  # no picture has 2^21 tiles
        if at >= len(data):
            raise _malformed("cut short")
        byte, at = data[at], at + 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
    raise _malformed("a number is out of range")


def _malformed(reason: str) -> ProtocolError:
    return ProtocolError("screen_malformed", f"Malformed screen update: {reason}.")

"""The bytes of a screen update: what was packed comes back, and nothing that lies outside the picture gets in."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lecture.errors import ProtocolError
from lecture.screen import MAX_UPDATE_BYTES, Copy, Mosaic, ScreenUpdate, grid_of, pack_update, parse_update

WIDTH, HEIGHT = 200, 100  # 13 columns, 7 rows


def update(*, copies: tuple[Copy, ...] = (), mosaics: tuple[Mosaic, ...] = (), since: int = 4) -> ScreenUpdate:
    return ScreenUpdate(0xDEADBEEF, 5, since, WIDTH, HEIGHT, copies, mosaics)


TILES = st.sets(st.integers(0, 13 * 7 - 1), min_size=1).map(lambda tiles: tuple(sorted(tiles)))
MOSAICS = st.builds(Mosaic, st.integers(0, 256), TILES, st.binary(max_size=40))
COPIES = st.builds(Copy, st.integers(0, 8), st.integers(0, 12), st.integers(0, 200), st.integers(0, 100), st.just(3))


def test_a_picture_is_cut_into_whole_tiles() -> None:
    assert grid_of(WIDTH, HEIGHT) == (7, 13)
    assert grid_of(16, 16) == (1, 1)


@given(st.lists(COPIES, max_size=16), st.lists(MOSAICS, max_size=4), st.booleans(), st.integers(0, 4))
def test_what_was_packed_comes_back(copies: list[Copy], mosaics: list[Mosaic], stop: bool, since: int) -> None:
    made = ScreenUpdate(7, 5, since, WIDTH, HEIGHT, tuple(copies), tuple(mosaics), stop)
    assert parse_update(pack_update(made)) == made


@given(st.binary(max_size=200))
def test_any_bytes_are_an_update_or_refused(data: bytes) -> None:
    head = pack_update(update())
    for candidate in (data, head + data):
        try:
            parsed = parse_update(candidate)
        except ProtocolError:
            continue
        for copy in parsed.copies:
            assert copy.left + copy.width <= 13 * 16
            assert max(copy.top, copy.from_top) + copy.height <= 7 * 16
        for mosaic in parsed.mosaics:
            assert max(mosaic.tiles) < 13 * 7


@pytest.mark.parametrize(
    "bad",
    [
        update(copies=(Copy(0, 0, 13 * 16 + 1, 16, 16),)),
        update(copies=(Copy(0, 100, 16, 16, 0),)),
        update(copies=(Copy(0, 0, 16, 16, 100),)),
        update(copies=(Copy(0, 0, 1, 1, 1),) * 17),
        update(mosaics=(Mosaic(1, (13 * 7,), b"x"),)),
        update(mosaics=(Mosaic(257, (1,), b"x"),)),
        update(mosaics=(Mosaic(1, (), b"x"),)),
        update(mosaics=(Mosaic(1, (1,), b"x"),) * 5),
        update(since=5),
    ],
)
def test_what_lies_outside_is_refused(bad: ScreenUpdate) -> None:
    with pytest.raises(ProtocolError, match="Malformed screen update"):
        parse_update(pack_update(bad))


def test_a_huge_picture_is_refused() -> None:
    with pytest.raises(ProtocolError, match="out of range"):
        parse_update(struct.pack("!BBIIIHH", 1, 0, 1, 1, 0, 5000, 100))


def test_a_cut_short_update_is_refused() -> None:
    data = pack_update(update(copies=(Copy(0, 0, 16, 16, 16),), mosaics=(Mosaic(1, (1, 2, 5), b"image"),)))
    whole = {len(pack_update(update())), len(pack_update(update(copies=(Copy(0, 0, 16, 16, 16),)))), len(data)}
    for length in range(len(data)):
        if length not in whole:
            with pytest.raises(ProtocolError):
                parse_update(data[:length])


def test_another_version_is_refused() -> None:
    with pytest.raises(ProtocolError) as caught:
        parse_update(b"\x02" + pack_update(update())[1:])
    assert caught.value.error_id == "version_unsupported"


def test_what_does_not_fit_is_not_packed() -> None:
    with pytest.raises(ValueError, match="larger"):
        pack_update(update(mosaics=(Mosaic(1, (1,), bytes(MAX_UPDATE_BYTES)),)))
    with pytest.raises(ValueError, match="rise"):
        pack_update(update(mosaics=(Mosaic(1, (2, 1), b""),)))
    with pytest.raises(ValueError, match="format"):
        pack_update(update(copies=(Copy(0, 70_000, 1, 1, 0),)))

"""The lecture file in a hall: copies of the relay's entries, and blobs that come in pieces."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lecture.errors import LectureFileError
from lecture.file import LectureFile
from tests.unit.lecture.file_kit import VOICE, turn, voice

# Copies of the relay's log


def test_an_entry_of_the_relay_is_kept_once(path: Path) -> None:
    with LectureFile.create(path) as file:
        first = file.append(turn(0, 1), origin_seq=700)
        assert first is not None
        assert first.seq == 1
        assert file.append(turn(0, 1), origin_seq=700) is None
        file.commit()
        assert file.append(turn(0, 1), origin_seq=700) is None
        assert file.append(turn(5, 2), origin_seq=None) is not None
    with LectureFile.open(path) as file:
        assert file.append(turn(0, 1), origin_seq=700) is None
        assert file.append(turn(9, 3), origin_seq=701) is not None
        assert [entry.t_ms for entry in file.read()] == [0, 5, 9]


def test_resuming_goes_by_events_not_by_media(path: Path) -> None:
    with LectureFile.create(path) as file:
        file.add_track(VOICE)
        assert file.last_origin_seq() == 0
        file.append(turn(0, 1), origin_seq=5)
        file.append(turn(0, 2), origin_seq=3)
        file.append(voice(0), origin_seq=900)
        file.append(turn(0, 3))
        assert file.last_origin_seq() == 5
    with LectureFile.open(path) as file, LectureFile.open(path, readonly=True) as reader:
        assert file.last_origin_seq() == reader.last_origin_seq() == 5


# Blobs

PAGE = bytes(range(256)) * 40
DIGEST = hashlib.sha256(PAGE).hexdigest()
PIECES = [(at, PAGE[at : at + 1000]) for at in range(0, len(PAGE), 1000)]


def test_blobs_are_kept_once_by_their_digest(path: Path) -> None:
    with LectureFile.create(path) as file:
        assert file.get_blob(DIGEST) is None
        assert file.put_blob(PAGE, "image/avif") == DIGEST
        pending = file.get_blob(DIGEST)
        assert file.blob_sizes() == [(DIGEST, len(PAGE))]
        assert file.put_blob(PAGE, "image/avif") == DIGEST
        file.commit()
        assert file.put_blob(PAGE, "image/avif") == DIGEST
        assert file.pending_bytes == 0
        assert file.blob_sizes() == [(DIGEST, len(PAGE))]
    with LectureFile.open(path, readonly=True) as file:
        blob = file.get_blob(DIGEST)
        assert blob is not None
        assert blob == pending
        assert (blob.media_type, blob.data) == ("image/avif", PAGE)


def test_a_blob_may_come_in_pieces_over_several_lives(path: Path) -> None:
    LectureFile.create(path).close()
    for life in range(4):
        with LectureFile.open(path) as file:
            have = dict(file.partial_blobs()).get(DIGEST, 0)
            assert have == life * 2000
            if life == 3:
                break
            assert not file.put_blob_part(DIGEST, "image/avif", have, len(PAGE), PAGE[have : have + 1000])
            file.commit()
            assert not file.put_blob_part(DIGEST, "image/avif", have + 1000, len(PAGE), PAGE[have + 1000 : have + 2000])
    with LectureFile.open(path) as file:
        assert file.put_blob_part(DIGEST, "image/avif", 6000, len(PAGE), PAGE[6000:])
        assert file.partial_blobs() == []
    with LectureFile.open(path, readonly=True) as file:
        blob = file.get_blob(DIGEST)
        assert blob is not None
        assert blob.data == PAGE
        assert file.partial_blobs() == []
        assert file.verify().ok


@given(st.permutations(PIECES), st.lists(st.sampled_from(PIECES), max_size=3))
def test_pieces_may_come_in_any_order_and_twice(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[tuple[int, bytes]], again: list[tuple[int, bytes]]
) -> None:
    with LectureFile.create(tmp_path_factory.mktemp("pieces") / "x.lecture") as file:
        results = [file.put_blob_part(DIGEST, "image/avif", at, len(PAGE), data) for at, data in again + pieces]
        assert results[-1]
        blob = file.get_blob(DIGEST)
        assert blob is not None
        assert blob.data == PAGE
        assert file.put_blob_part(DIGEST, "image/avif", 0, len(PAGE), PAGE[:10])


def test_a_blob_that_is_not_what_it_says_is_forgotten(path: Path) -> None:
    with LectureFile.create(path) as file:
        file.put_blob_part(DIGEST, "image/avif", 0, len(PAGE), b"\0" * 5000)
        file.commit()
        with pytest.raises(LectureFileError) as caught:
            file.put_blob_part(DIGEST, "image/avif", 5000, len(PAGE), PAGE[5000:])
        assert caught.value.error_id == "blob_damaged"
        assert file.partial_blobs() == []
        # It begins anew before the disk has forgotten the wrong pieces.
        file.put_blob_part(DIGEST, "image/avif", 0, len(PAGE), PAGE[:100])
    with LectureFile.open(path) as file:
        assert file.partial_blobs() == [(DIGEST, 100)]
        assert file.put_blob_part(DIGEST, "image/avif", 100, len(PAGE), PAGE[100:])


@pytest.mark.parametrize(
    ("media_type", "offset", "total"),
    [
        ("image/avif", len(PAGE) - 5, len(PAGE)),
        ("image/avif", -1, len(PAGE)),
        ("image/avif", 0, len(PAGE) + 1),
        ("image/png", 0, len(PAGE)),
    ],
)
def test_a_piece_that_does_not_fit_is_refused(file: LectureFile, media_type: str, offset: int, total: int) -> None:
    file.put_blob_part(DIGEST, "image/avif", 0, len(PAGE), PAGE[:1000])
    with pytest.raises(LectureFileError) as caught:
        file.put_blob_part(DIGEST, media_type, offset, total, b"0123456789")
    assert caught.value.error_id == "blob_refused"
    assert file.partial_blobs() == [(DIGEST, 1000)]


def test_a_relay_cannot_fill_our_memory_with_pieces(file: LectureFile) -> None:
    with pytest.raises(LectureFileError) as caught:
        file.put_blob_part(DIGEST, "image/avif", 0, 2**40, b"x")
    assert caught.value.error_id == "blob_refused"
    for n in range(4):
        file.put_blob_part(f"{n:064x}", "image/avif", 0, 16 * 2**20, b"x")
    with pytest.raises(LectureFileError, match="blob_refused"):
        file.put_blob_part(f"{4:064x}", "image/avif", 0, 16 * 2**20, b"x")

"""Payloads of entries."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lecture.entries import (
    EVENT_KINDS,
    MEDIA_KINDS,
    EncodedFrame,
    Entry,
    Kind,
    pack_event,
    pack_frames,
    unpack_event,
    unpack_frames,
)

T_MS = 1_000_000
frames = st.builds(
    EncodedFrame,
    st.integers(T_MS, T_MS + 0xFFFF),
    st.integers(0, 0xFFFF),
    st.binary(max_size=100),
    st.integers(0, 255),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.lists(frames, max_size=8))
def test_frames_survive_packing(some: list[EncodedFrame]) -> None:
    assert list(unpack_frames(Entry(Kind.VOICE, T_MS, pack_frames(T_MS, some)))) == some


@given(st.lists(frames, min_size=1, max_size=4), st.data())
def test_a_media_entry_that_is_cut_short_is_refused_or_shorter(some: list[EncodedFrame], data: st.DataObject) -> None:
    whole = pack_frames(T_MS, some)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    try:
        got = list(unpack_frames(Entry(Kind.VOICE, T_MS, cut)))
    except ValueError:
        return
    assert got == some[: len(got)]
    assert len(got) < len(some)


@pytest.mark.parametrize("t_ms", [T_MS - 1, T_MS + 0x10000])
def test_a_frame_far_from_its_entry_is_refused(t_ms: int) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        pack_frames(T_MS, [EncodedFrame(t_ms, 60, b"")])


@given(st.dictionaries(st.text(), json_values, max_size=5))
def test_fields_survive_packing(fields: dict[str, Any]) -> None:
    try:
        payload = pack_event(fields)
    except UnicodeEncodeError:  # half a surrogate pair, which no text of a person has
        return
    assert unpack_event(Entry(Kind.MARK, 0, payload)) == fields


@pytest.mark.parametrize("payload", [b"", b"[]", b"1", b"{", b"\xff"])
def test_an_event_that_is_no_object_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        unpack_event(Entry(Kind.MARK, 0, payload))


def test_each_kind_is_media_or_event() -> None:
    assert set(Kind) == MEDIA_KINDS | EVENT_KINDS
    assert not MEDIA_KINDS & EVENT_KINDS

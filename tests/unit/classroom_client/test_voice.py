"""What a hall loads of its file for playing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from classroom_client.voice import VoiceBuffer
from lecture.log import Span
from lecture.tracks import VOICE_FRAME_MS

PLACES = st.integers(0, 40)


@given(
    st.lists(st.tuples(st.integers(0, 2400), st.integers(1, 600)), max_size=4),
    st.sets(PLACES, max_size=20),
    st.tuples(PLACES, st.integers(0, 59)),
    st.integers(1, 1500),
)
def test_the_first_stretch_that_is_in_the_file_and_not_in_memory_is_loaded(
    kept: list[tuple[int, int]], in_memory: set[int], place: tuple[int, int], ahead_ms: int
) -> None:
    voice = VoiceBuffer()
    for start_ms, length_ms in kept:
        voice.mark_kept(Span(start_ms, start_ms + length_ms))
    for number in in_memory:
        voice.load(number * VOICE_FRAME_MS, b"voice")
    position_ms = place[0] * VOICE_FRAME_MS + place[1] // 30 * 30
    grid = range(position_ms, position_ms + ahead_ms, VOICE_FRAME_MS)
    lacking = [voice.have.contains(at) and voice.get(at) is None for at in grid]
    if True not in lacking:
        assert voice.to_load(position_ms, ahead_ms) is None
        return
    first = lacking.index(True)
    end_ms = next(
        (at for at, one in zip(grid[first:], lacking[first:], strict=True) if not one), position_ms + ahead_ms
    )
    assert voice.to_load(position_ms, ahead_ms) == Span(grid[first], end_ms)

"""What a lecture that is opened again knows of itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from lecture import message_parts as parts
from lecture import messages as m
from lecture.entries import EncodedFrame, Entry, Kind, pack_event, pack_frames
from lecture.file import LectureFile
from lecture.message_parts import LectureState
from lecture.wire import ChunkFrame, parse_frame
from relay.adaptation.pacer import Class
from relay.media.hall_outbox import HallOutbox
from relay.media.settings import HallSettings, LectureInfo, MediaSettings
from relay.media.stage import Stage
from transport.network import NetworkConfig

VOICE_MS, LENGTH_MS = 60_000, 200_000


def stage_on(file: LectureFile) -> Stage:
    return Stage("x", LectureInfo("X"), file, NetworkConfig(), MediaSettings(), HallSettings())


def lecture_that_fell_silent(path: Path, state: LectureState) -> LectureFile:
    """A minute of voice, then pages only."""
    with LectureFile.create(path, {"state": state}) as file:
        tracks = stage_on(file).voices["en"].recorded_tracks
        for t_ms in range(0, VOICE_MS, 480):
            frames = [EncodedFrame(t_ms + n * 60, 60, b"voice") for n in range(8)]
            for track_id in tracks.values():
                file.append(Entry(Kind.VOICE, t_ms, pack_frames(t_ms, frames), track_id, 480))
        file.append(Entry(Kind.MARK, LENGTH_MS, pack_event({"text": "the last question"})))
    return LectureFile.open(path)


async def test_a_lecture_that_ended_in_silence_still_has_its_voice_when_it_is_opened_again(tmp_path: Path) -> None:
    with lecture_that_fell_silent(tmp_path / "x.lecture", "ended") as file:
        stage = stage_on(file)
        assert stage.edge_ms("en") == LENGTH_MS
        hello = m.HallHello(m.PROTOCOL_VERSION, token="t", have=parts.Have())
        outbox = HallOutbox(stage, hello)
        outbox.want(m.Want("en", 0, 12_000))
        outbox.want(m.Want("en", VOICE_MS, LENGTH_MS))
        times, filled = [], []
        while (item := outbox.next(Class.CATCH_UP, 1000, 0.0)) is not None:
            if isinstance(item, bytes):
                frame = parse_frame(item)
                assert isinstance(frame, ChunkFrame)
                times.append(frame.entry.t_ms)
            else:
                filled.append(item)
        assert times == list(range(0, 12_000, 480))
        assert filled == [m.Filled("en", 0, 12_000), m.Filled("en", VOICE_MS, LENGTH_MS)]


@pytest.mark.parametrize("state", ["live", "ended"])
async def test_a_restarted_relay_knows_how_far_the_voice_reaches(tmp_path: Path, state: LectureState) -> None:
    with lecture_that_fell_silent(tmp_path / "x.lecture", state) as file:
        assert stage_on(file).recorded_end_ms("en") == VOICE_MS

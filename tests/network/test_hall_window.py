"""``hallcast join`` as people start it: with a window (on SDL's dummy drivers) and without."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from classroom_client.camera_queue import CodedPicture
from classroom_client.player import Piece
from classroom_client.timeline import What
from classroom_client.window.pictures import CameraDecoder
from tests.network import parts
from tests.network.hall_kit import Class, lecture_hall, seat
from tests.network.media_camera_kit import CameraPublisher
from tests.network.media_kit import VoicePublisher, until

pytestmark = [pytest.mark.realtime, pytest.mark.timeout(120)]


@pytest.fixture
def no_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setenv("SDL_AUDIODRIVER", "dummy")


def words(room: Class, folder: Path, *more: str) -> list[str | Path]:
    url, code = room.relay.server.local_url, room.relay.hall_code
    return ["join", "--relay", url, "--code", code, "--name", "Hall 3", "--keep", folder, "--json", *more]


@pytest.mark.usefixtures("no_display")
async def test_window_shows_plays_and_hands_over_its_receipt(tmp_path: Path) -> None:
    async with lecture_hall(tmp_path) as room, parts.part(*words(room, tmp_path, "--windowed")) as hall:
        await hall.event(lambda event: event.get("link") == "up")
        async with VoicePublisher.publishing(room.lecture):
            room.lecture.turn(room.deck, 2)
            await hall.named("page")
            await hall.event(lambda event: event.get("voice_heard_ms", 0) > 3000)
        await room.lecture.end()
        receipt = await hall.named("receipt")
        hall.process.send_signal(signal.SIGTERM)  # the window stays a while for people to read that it has ended
        assert await hall.process.wait() == 0
    assert receipt["complete"]
    assert receipt["voice_heard_ms"] == receipt["voice_sent_ms"] > 3000
    assert (receipt["pages_shown"], receipt["pages_turned"]) == (1, 1)


async def test_hall_that_is_stopped_says_goodbye_and_tells_so_by_its_status(tmp_path: Path) -> None:
    async with lecture_hall(tmp_path) as room, parts.part(*words(room, tmp_path, "--headless")) as hall:
        async with VoicePublisher.publishing(room.lecture):
            await hall.event(lambda event: event.get("voice_heard_ms", 0) > 1000)
            hall.process.send_signal(signal.SIGTERM)
            receipt = await hall.named("receipt")
            assert await hall.process.wait() == 1
        assert not receipt["ended"]
        receipts = room.lecture.log.read(kinds=[11])
        assert len(receipts) == 1


@pytest.mark.skipif(os.name == "nt", reason="there is always a display on Windows")
async def test_without_a_display_the_window_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SDL_VIDEODRIVER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    async with parts.part("join", "--relay", "http://127.0.0.1:9", "--code", "A", "--keep", tmp_path, "--json") as hall:
        refused = await hall.event(lambda event: "error" in event)
        assert refused["error"]["id"] == "no_display"
        assert await hall.process.wait() == 2


async def test_camera_is_seen_with_the_voice_that_belongs_to_it(tmp_path: Path) -> None:
    async with lecture_hall(tmp_path) as room, seat(room, tmp_path / "hall", report_interval_s=0.3) as one:
        hall = one.hall
        hall.camera.open()
        due: list[tuple[int, CodedPicture]] = []
        decoder = CameraDecoder(hall.camera, lambda: hall.heard_ms, lambda width, height: (width, height))

        def look() -> bool:
            heard_ms = hall.heard_ms
            if heard_ms is not None:
                pictures = hall.camera.due(heard_ms)
                due.extend((heard_ms, picture) for picture in pictures)
                decoder._decode(pictures)
            return len(due) > 20

        async with CameraPublisher.publishing(room.lecture):
            await until(look, "the camera comes with the voice", timeout_s=60)
        await room.lecture.end()
        await one.receipt()
    assert decoder.latest is not None
    assert (decoder.latest.width, decoder.latest.height) == (320, 240)
    assert max(decoder.latest.rgb) > 200
    late_ms = sorted(heard_ms - picture.frame.t_ms for heard_ms, picture in due)
    assert 0 <= late_ms[len(late_ms) // 2] < 500


@pytest.mark.usefixtures("no_display")
def test_loudspeaker_takes_sound_at_its_own_pace_and_is_missed_when_gone() -> None:
    import numpy as np

    from classroom_client.window.sound import Loudspeaker

    ticks = iter(range(0, 1_000_000, 10))
    speaker = Loudspeaker(clock=lambda: next(ticks))
    assert not speaker.silent
    speaker.write(Piece(What.VOICE, 0, 60, 1.0, np.zeros(48_000, np.int16)))
    assert speaker.queued_samples(0.0) > 24_000
    speaker.close()
    assert speaker.silent
    assert speaker.queued_samples(0.0) >= 0

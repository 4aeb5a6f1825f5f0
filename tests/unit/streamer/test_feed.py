"""What the lecturer is told of voice and camera."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.feed import Feed
from streamer.options import StreamOptions
from tests.network.parts import SAMPLES


@pytest.mark.parametrize("camera", ["none", str(SAMPLES / "camera.webm")], ids=["no camera", "a camera"])
async def test_that_the_camera_gives_way_is_told_to_who_has_one(tmp_path: Path, camera: str) -> None:
    said: list[str] = []
    options = StreamOptions(
        relay="http://127.0.0.1",
        lecture="waves",
        token="",
        voice=str(SAMPLES / "voice.opus"),
        camera=camera,
        keep=tmp_path,
    )
    feed = await Feed.open(options, on_voice=lambda packet: None, on_picture=lambda picture: None, say=said.append)
    try:
        feed.share_camera(0.5)
        assert said == []
        feed.share_camera(0.0)
    finally:
        feed.close()
    assert said == ([] if camera == "none" else ["The line is too thin for the camera: the voice goes alone."])

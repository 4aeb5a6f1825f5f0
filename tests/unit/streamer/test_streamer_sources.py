"""Sources of voice and camera: what they are called, what comes out of them."""

from __future__ import annotations

import asyncio
import io
import math
import shutil
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest

from streamer import feed
from streamer.address import RelayAddress
from streamer.camera_pump import CameraEncoder
from streamer.camera_source import CameraSource, fit
from streamer.devices import Source, camera_source, screen_source, voice_source
from streamer.errors import StreamError
from streamer.options import StreamOptions
from streamer.upload import read_pdf
from streamer.voice_frames import FRAME_SAMPLES
from streamer.voice_pump import level_db
from streamer.voice_source import AvVoice, RawVoice, open_voice
from transport.address import AddressError

SAMPLES = Path(__file__).resolve().parents[3] / "samples"


@pytest.mark.parametrize(
    ("text", "platform", "file", "kind"),
    [
        ("mic", "linux", "default", "alsa"),
        ("mic:hw:1", "linux", "hw:1", "alsa"),
        ("mic", "darwin", ":default", "avfoundation"),
        ("mic:Headset", "win32", "audio=Headset", "dshow"),
        ("alsa:plughw:1,0", "linux", "plughw:1,0", "alsa"),
        ("talk.wav", "linux", "talk.wav", ""),
        ("C:\\talk.wav", "win32", "C:\\talk.wav", ""),
    ],
)
def test_names_of_voices(text: str, platform: str, file: str, kind: str) -> None:
    source = voice_source(text, platform)
    assert (source.file, source.format, source.live) == (file, kind, bool(kind))


def test_names_of_cameras() -> None:
    device = camera_source("/dev/video2", "linux")
    assert (device.file, device.format, device.options["video_size"]) == ("/dev/video2", "v4l2", "640x480")
    assert camera_source("camera:FaceTime", "darwin").file == "FaceTime"
    assert camera_source("clip.mp4", "linux") == Source("clip.mp4")


@pytest.mark.parametrize(
    ("text", "platform", "file", "kind"),
    [
        ("display", "linux", ":7.0", "x11grab"),
        ("display", "win32", "desktop", "gdigrab"),
        ("display", "darwin", "Capture screen 0:none", "avfoundation"),
        (":99.0", "linux", ":99.0", "x11grab"),
        ("host:0", "linux", "host:0", "x11grab"),
        ("gdigrab:title=Editor", "win32", "title=Editor", "gdigrab"),
        ("demo.mp4", "linux", "demo.mp4", ""),
        ("C:\\demo.mp4", "win32", "C:\\demo.mp4", ""),
    ],
)
def test_names_of_screens(text: str, platform: str, file: str, kind: str) -> None:
    source = screen_source(text, platform, display=":7.0")
    assert (source.file, source.format, source.live) == (file, kind, bool(kind))


def test_a_sound_file_becomes_whole_frames_of_mono(tmp_path: Path) -> None:
    rate, seconds = 22_050, 1.01
    wave = (8000 * np.sin(2 * np.pi * 440 * np.arange(int(rate * seconds)) / rate)).astype(np.int16)
    path = tmp_path / "tone.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=rate, layout="stereo")
        frame = av.AudioFrame.from_ndarray(np.repeat(wave, 2).reshape(1, -1), format="s16", layout="stereo")
        frame.sample_rate = rate
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    voice = AvVoice(str(path))
    frames = list(voice.frames())
    voice.close()
    assert voice.duration_ms == pytest.approx(1010, abs=2)
    assert {frame.shape for frame in frames} == {(FRAME_SAMPLES,)}
    assert len(frames) == math.ceil(seconds * 50)
    assert not frames[-1][-100:].any()
    assert level_db(np.concatenate(frames[5:45])) == pytest.approx(
        20 * math.log10(8000 / 32768 / math.sqrt(2)), abs=0.5
    )


def test_raw_samples_end_with_a_filled_frame() -> None:
    frames = list(RawVoice(io.BytesIO(b"\x01\x02" * (FRAME_SAMPLES + 10) + b"\x07")).frames())
    assert [frame.shape for frame in frames] == [(FRAME_SAMPLES,)] * 2
    assert frames[0][0] == 0x0201
    assert frames[1][9] == 0x0201
    assert not frames[1][10:].any()


def recorder(folder: Path, script: str) -> None:
    """A recorder of this name, for the search path."""
    command = folder / "arecord"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)


@pytest.mark.skipif(sys.platform != "linux", reason="recorders of Linux")
def test_a_microphone_is_heard_through_the_systems_recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder(tmp_path, 'case "$*" in *--device=hw:1*) exec /bin/cat /dev/zero;; esac')
    monkeypatch.setenv("PATH", str(tmp_path))
    voice = open_voice("mic:hw:1")
    frames = voice.frames()
    assert voice.live
    assert next(frames).shape == next(frames).shape == (FRAME_SAMPLES,)
    voice.close()


@pytest.mark.skipif(sys.platform != "linux", reason="recorders of Linux")
def test_a_microphone_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder(tmp_path, "echo 'audio open error: Device or resource busy' >&2; exit 1")
    monkeypatch.setenv("PATH", str(tmp_path))
    voice = open_voice("mic")
    with pytest.raises(StreamError, match="Device or resource busy"):
        list(voice.frames())
    voice.close()


@pytest.mark.skipif(sys.platform != "linux", reason="recorders of Linux")
async def test_a_microphone_that_gives_nothing_is_told_and_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a sound server does that hangs: no end, no error, no sample."""
    first = tmp_path / "first"
    recorder(tmp_path, f"if mkdir {first}; then dd if=/dev/zero bs=1920 count=5; exec sleep 1000; fi; cat /dev/zero")
    for command in ("mkdir", "dd", "sleep", "cat"):
        (tmp_path / command).symlink_to(shutil.which(command) or "")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(feed, "LOOK_S", 0.05)
    monkeypatch.setattr(feed, "REOPEN_S", 0.0)
    said: list[str] = []
    levels: list[float] = []
    again = asyncio.Event()

    def say(text: str) -> None:
        said.append(text)
        levels.append(given.level_db)
        if "again" in text and len(said) > 1:
            again.set()

    options = StreamOptions(relay="http://127.0.0.1", lecture="a", token="t", voice="mic", keep=tmp_path)
    given = await feed.Feed.open(options, on_voice=lambda packet: None, on_picture=lambda picture: None, say=say)
    given.level_db = -20.0
    giving = asyncio.create_task(given.give_voice(time.monotonic()))
    async with asyncio.timeout(20):
        await again.wait()
    giving.cancel()
    await asyncio.gather(giving, return_exceptions=True)
    assert said == ["The microphone gives nothing. Trying to open it again.", "The microphone works again."]
    assert levels[0] == feed.NO_LEVEL_DB


def test_silence_has_a_level() -> None:
    assert level_db(np.zeros(960, np.int16)) == -96.0
    assert level_db(np.full(960, 32767, np.int16)) == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("what", ["missing.wav", "deck"])
def test_a_voice_that_cannot_be_read_is_refused(what: str, tmp_path: Path) -> None:
    path = tmp_path / what
    if what == "deck":
        path.write_bytes((SAMPLES / "deck.pdf").read_bytes())
    with pytest.raises(StreamError) as error:
        AvVoice(str(path))
    assert error.value.error_id == "voice_unreadable"


def test_a_film_without_sound_is_no_voice_and_a_sound_no_film() -> None:
    with pytest.raises(StreamError, match="no sound"):
        AvVoice(str(SAMPLES / "camera.webm"))
    with pytest.raises(StreamError, match="no picture"):
        CameraSource(str(SAMPLES / "voice.opus"))


@pytest.mark.parametrize(
    ("size", "fitted"),
    [
        ((1920, 1080), (640, 360)),
        ((640, 480), (640, 480)),
        ((320, 240), (320, 240)),
        ((1080, 1920), (270, 480)),
        ((3, 3), (2, 2)),
    ],
)
def test_pictures_fit_without_growing(size: tuple[int, int], fitted: tuple[int, int]) -> None:
    assert fit(*size) == fitted


def test_a_keyframe_comes_when_it_is_asked_for() -> None:
    encoder = CameraEncoder(160, 120, 100_000)
    kinds = []
    for number in range(20):
        picture = av.VideoFrame.from_ndarray(np.full((240, 320, 3), 5 * number, np.uint8), format="rgb24")
        coded = encoder.encode(picture, 67 * number, keyframe=number == 12)
        assert coded is not None
        assert coded.at_ms == 67 * number
        # RFC 7741: the first bit of a VP8 frame is 0 in keyframes.
        assert coded.keyframe == (coded.data[0] & 1 == 0)
        kinds.append(coded.keyframe)
    assert [number for number, keyframe in enumerate(kinds) if keyframe] == [0, 12]


def test_slides_must_be_a_pdf(tmp_path: Path) -> None:
    assert read_pdf(SAMPLES / "deck.pdf").startswith(b"%PDF-")
    with pytest.raises(StreamError) as error:
        read_pdf(tmp_path / "missing.pdf")
    assert error.value.error_id == "slides_unreadable"
    with pytest.raises(StreamError) as error:
        read_pdf(SAMPLES / "voice.opus")
    assert error.value.error_id == "deck_not_pdf"


def test_addresses_of_a_relay() -> None:
    address = RelayAddress.parse("https://relay.example.org/hallcast/", "a b")
    assert address.whip("ko") == "https://relay.example.org/hallcast/whip/a%20b?language=ko"
    assert address.socket == "wss://relay.example.org/hallcast/ws/lecturer/a%20b"
    assert address.deck() == "https://relay.example.org/hallcast/lectures/a%20b/deck"
    assert RelayAddress.parse("relay.example.org:8443", "x").base == "https://relay.example.org:8443"
    assert RelayAddress.parse("http://127.0.0.1:8400", "x").is_loopback
    assert RelayAddress.parse("http://localhost", "x").is_loopback
    assert not address.is_loopback


@pytest.mark.parametrize("url", ["", "ftp://relay", "http://", "http://host:port", "http://[::1"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(AddressError) as error:
        RelayAddress.parse(url, "x")
    assert error.value.error_id == "relay_url_malformed"

"""A lecture published by FFmpeg is heard in a hall and recorded with its camera."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import httpx
import pytest

from recordings.library import Library
from tests import sound
from tests.network import parts
from tests.network.relays import self_signed
from tests.network.test_whole_lecture import join_words

pytestmark = pytest.mark.timeout(120)


async def test_a_lecture_published_by_ffmpeg_is_heard_and_recorded(tmp_path: Path) -> None:
    voice = sound.cut(parts.SAMPLES / "voice.opus", 1, 15, tmp_path / "voice.wav")
    # FFmpeg with GnuTLS makes itself a certificate on P-224, a curve that OpenSSL 4 no longer takes in TLS.
    certificate, key = self_signed(tmp_path)
    data, hall_folder = tmp_path / "data", tmp_path / "hall"
    hall_folder.mkdir()
    async with parts.relay(data) as (_, url):
        handout = await parts.create_lecture(url, data)
        lecture = str(handout["lecture"])
        async with parts.part(*join_words(url, str(handout["hall_code"]), hall_folder)) as hall:
            await hall.event(lambda event: event.get("event") == "progress" and event["link"] == "up")
            words = [str(handout["urls"]["whip"]), str(handout["lecturer_token"]), voice, certificate, key]
            publisher = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.interop.ffmpeg_publisher", *map(str, words)
            )
            try:
                assert await asyncio.wait_for(publisher.wait(), 60) == 0
            finally:
                if publisher.returncode is None:
                    publisher.kill()
                    await publisher.wait()
            token = (data / "staff.token").read_text().strip()
            async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
                ended = await http.post(f"/api/lectures/{lecture}/end", headers={"Authorization": f"Bearer {token}"})
            assert ended.is_success, ended.text
            receipt = await hall.named("receipt", 60)
        assert receipt["voice_sent_ms"] >= 14_000
        assert receipt["voice_heard_ms"] >= 0.995 * receipt["voice_sent_ms"]
        assert sound.likeness(sound.load(voice), sound.heard_in_hall(hall_folder / "heard.wav")) > 0.85
        assert sound.even_share(hall_folder / "heard.wav") > 0.5
        assert json.loads(Library(data / "lectures", tmp_path / "cache").manifest(lecture).read_bytes())["camera"]

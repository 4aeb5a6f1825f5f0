"""Our streamer publishes, and a player that knows nothing of Hallcast, only WHEP, hears and sees it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import sound
from tests.interop.browser import Browser, until
from tests.network import parts
from tests.network.test_whole_lecture import stream_words

pytestmark = pytest.mark.timeout(180)

PLAY = """async ([url, token]) => {
  const peer = new RTCPeerConnection();
  peer.addTransceiver('audio', {direction: 'recvonly'});
  peer.addTransceiver('video', {direction: 'recvonly'});
  const video = document.body.appendChild(document.createElement('video'));
  video.id = 'whep';
  video.muted = true;
  video.srcObject = new MediaStream();
  peer.ontrack = ({track}) => video.srcObject.addTrack(track);
  await peer.setLocalDescription();
  await new Promise((done) => {
    if (peer.iceGatheringState === 'complete') done();
    peer.onicegatheringstatechange = () => peer.iceGatheringState === 'complete' && done();
  });
  const answer = await fetch(url, {
    method: 'POST',
    headers: {'Content-Type': 'application/sdp', Authorization: `Bearer ${token}`},
    body: peer.localDescription.sdp,
  });
  if (answer.status !== 201) throw new Error(`${answer.status} ${await answer.text()}`);
  await peer.setRemoteDescription({type: 'answer', sdp: await answer.text()});
  video.play();
  return answer.headers.get('Location');
}"""

PICTURE = """() => {
  const video = document.getElementById('whep');
  const canvas = document.createElement('canvas');
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  if (!canvas.width) return 0;
  const context = canvas.getContext('2d');
  context.drawImage(video, 0, 0);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
  return pixels.reduce((sum, value) => sum + value, 0) / pixels.length;
}"""


async def test_a_standard_player_hears_and_sees_our_streamer(browser: Browser, tmp_path: Path) -> None:
    material = parts.short_lecture(tmp_path / "material", seconds=40, pages=2)
    data = tmp_path / "data"
    async with parts.relay(data) as (_, url):
        handout = await parts.create_lecture(url, data)
        async with parts.part(*stream_words(url, handout, material, tmp_path / "lecturer")) as lecturer:
            await lecturer.named("page", 60)
            player = await browser.open(f"{url}/hall")
            session = await player.page.evaluate(PLAY, [handout["urls"]["whep"], handout["lecturer_token"]])
            assert session

            async def plays() -> bool:
                return await player.stat("inbound video", "framesDecoded") > 10

            await until(plays, "pictures decoded", 40)
            heard = await player.listen(8)
            assert sound.mean_likeness(sound.load(material.voice), heard) > 0.8
            assert await player.stat("inbound audio", "totalSamplesReceived") > 5 * 48_000
            # The drawn lecturer stands before a light wall; alpha alone would give 64.
            assert await player.page.evaluate(PICTURE) > 100

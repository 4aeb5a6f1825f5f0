"""The repair of the relay's recording from this machine's copy: beside the live voice, and after the last word."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx

from lecture.lecturer_messages import Repair
from streamer.address import RelayAddress
from streamer.copy_source import CopySource
from streamer.line import Line
from streamer.publisher import Publisher
from streamer.repair import Recording, RepairClient
from streamer.spare_rate import SpareRate

STAY_QUIET_S = 1.0
WATCH_EVERY_S = 0.5


class OwnRepair:
    """One lecture's repair. :meth:`run` and :meth:`watch` are tasks of the streamer.

    :ivar missing_ms: what the recording lacks of this voice, as the relay said last.
    :ivar repaired_ms: what it has from copies.
    """

    def __init__(
        self,
        address: RelayAddress,
        token: str,
        source: CopySource,
        *,
        http: httpx.AsyncClient,
        line: Line,
        publisher: Publisher,
    ) -> None:
        self.missing_ms = self.repaired_ms = 0
        self._line = line
        self._publisher = publisher
        self._spare = SpareRate()
        self._client = RepairClient(
            address,
            token,
            source,
            http=http,
            rate=self._spare,
            camera_fits=lambda: publisher.camera_share == 1.0,
            on_recording=self.recording_is,
        )

    def recording_is(self, recording: Recording | Repair) -> None:
        """The relay says how its recording is."""
        self.missing_ms, self.repaired_ms = recording.missing_ms, recording.repaired_ms

    async def run(self) -> None:
        """Send what is wanted, for ever."""
        await self._client.run()

    async def watch(self) -> None:
        """Let it be known how the live voice fares, for ever: repair takes only what that leaves."""
        while True:
            rtt_s, fraction_lost = self._publisher.rtt_s, self._publisher.fraction_lost
            now = asyncio.get_running_loop().time()
            self._spare.observe(now, rtt_s=rtt_s, fraction_lost=fraction_lost, up=self._line.up)
            await asyncio.sleep(WATCH_EVERY_S)

    async def stay(self, leave: asyncio.Event, say: Callable[[str], None]) -> None:
        """After the last word: wait until the recording has what this machine has of it, or ``leave`` is set."""
        self._client.hurry()
        waits = [asyncio.create_task(event.wait()) for event in (self._client.rested, leave)]
        try:
            done, _ = await asyncio.wait(waits, timeout=STAY_QUIET_S, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                say("The recording is being repaired from this machine's copy. Ctrl-C leaves; it can go on later.")
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if self.missing_ms:
            say(f"The recording still lacks {self.missing_ms / 1000:.0f} s.")
        elif self._client.lacks_pictures:
            say("The recorded voice is whole; pictures are still missing. `hallcast repair` brings them.")
        elif self.repaired_ms:
            say(f"The recording is whole: {self.repaired_ms / 1000:.0f} s were repaired.")

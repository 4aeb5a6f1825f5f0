"""A hall's window behind an emulated thin link, for the pictures: python -m scripts.thin_hall_window RELAY CODE FOLDER

Prints what ``hallcast join --json`` prints. Lines on stdin: ``break`` and ``mend`` the link, ``key l`` presses a key.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from pathlib import Path

import pygame

from classroom_client.settings import HallSettings
from classroom_client.telling import Teller
from classroom_client.texts import Texts
from classroom_client.window.app import run_window
from tests.network.link import LinkSpec, Loss, LossyLink
from transport.network import NetworkConfig

LOSS = Loss.bursts(0.05, 3)
DOWN = LinkSpec(rate_kbps=100, delay_ms=300, loss=LOSS)
UP = LinkSpec(rate_kbps=64, delay_ms=300, loss=LOSS)


class Link(threading.Thread):
    """Runs the link in a loop of its own; the window wants the main thread."""

    def __init__(self, relay_port: int) -> None:
        super().__init__(name="link", daemon=True)
        self.ready = threading.Event()
        self.link: LossyLink
        self.port = 0
        self._relay_port = relay_port

    def run(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        orders = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
        async with LossyLink(seed=3, down=DOWN, up=UP) as link:
            self.link = link
            self.port = await link.tcp("127.0.0.1", self._relay_port)
            self.ready.set()
            while line := (await orders.readline()).decode().split():
                match line:
                    case ["break"]:
                        link.break_now()
                    case ["mend"]:
                        link.mend()
                    case ["key", key]:
                        pygame.event.post(pygame.Event(pygame.KEYDOWN, key=ord(key), unicode=key))


def main(relay_url: str, code: str, folder: str) -> None:
    """Join, and show the window until the lecture is over or the process is stopped."""
    thread = Link(int(relay_url.rsplit(":", 1)[1]))
    thread.start()
    thread.ready.wait()
    settings = HallSettings(
        relay_url=f"http://127.0.0.1:{thread.port}",
        code=code,
        keep=Path(folder),
        name="Busan",
        heads=42,
        network=thread.link.near(NetworkConfig(addresses=("127.0.0.1",))),
    )
    texts = Texts("en")
    run_window(settings, Teller(texts, as_json=True), texts=texts, windowed=False, dump_pages=None)


if __name__ == "__main__":
    main(*sys.argv[1:])

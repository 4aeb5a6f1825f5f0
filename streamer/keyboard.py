"""The terminal's keys, one by one, while nothing is echoed."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

POLL_S = 0.05
_MAX_BYTES = 64

if sys.platform == "win32":
    import msvcrt

    _NAMED = {"Q": b"\x1b[6~", "I": b"\x1b[5~", "M": b"\x1b[C", "K": b"\x1b[D", "H": b"\x1b[A", "P": b"\x1b[B"}

    @asynccontextmanager
    async def keyboard(on_keys: Callable[[bytes], None]) -> AsyncIterator[None]:
        """Call ``on_keys`` with what is typed (bytes of an ECMA-48 terminal), in the event loop."""

        async def poll() -> None:
            while True:
                while msvcrt.kbhit():
                    char = msvcrt.getwch()
                    on_keys(_NAMED.get(msvcrt.getwch(), b"") if char in ("\0", "\xe0") else char.encode())
                await asyncio.sleep(POLL_S)

        task = asyncio.create_task(poll())
        try:
            yield
        finally:
            task.cancel()

else:
    import termios
    import tty

    @asynccontextmanager
    async def keyboard(on_keys: Callable[[bytes], None]) -> AsyncIterator[None]:
        """Call ``on_keys`` with what is typed (bytes of an ECMA-48 terminal), in the event loop."""
        loop, stdin = asyncio.get_running_loop(), sys.stdin.fileno()
        before = termios.tcgetattr(stdin)

        def ready() -> None:
            data = os.read(stdin, _MAX_BYTES)
            if data:
                on_keys(data)
            else:
                loop.remove_reader(stdin)  # the terminal has gone

        tty.setcbreak(stdin, termios.TCSADRAIN)
        loop.add_reader(stdin, ready)
        try:
            yield
        finally:
            loop.remove_reader(stdin)
            termios.tcsetattr(stdin, termios.TCSADRAIN, before)

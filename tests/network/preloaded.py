"""``hallcast`` processes that need not import everything anew: a process that has done so forks one for each command.

Importing is half of what most of them would cost, and a browser test starts two. As by
:func:`hallcast.processes.running` each has a session, this process's environment and niceness of the moment, its output
in a pipe, an exit status and an end by ``kill -9``. Not as there: Python started and the modules were imported in the
environment of the first that was asked for, and standard error is as it was then; the working folder is the
repository's; the parent is a process that only waits. (test_relay_command and the demonstration start theirs as users
do.)
"""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from hallcast.processes import stop

SERVER = """
import json, os, signal, socket, sys
from contextlib import suppress

from hallcast.cli import main
import classroom_client.cli, classroom_client.engine, relay.serve, streamer.cli, streamer.engine
from tests.scheduling import be_nice

line = socket.socket(fileno=int(sys.argv[1]))
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
while True:
    asked, fds, _, _ = socket.recv_fds(line, 1_000_000, 2)
    if not asked:
        sys.exit()
    if os.fork():
        for fd in fds:
            os.close(fd)
        continue
    # Who waits for the command, and tells its number and how it ended.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    line.close()
    out, told = fds
    pid = os.fork()
    if pid:
        os.close(out)
        os.write(told, b"%d\\n" % pid)
        os.write(told, b"%d\\n" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        os._exit(0)
    os.close(told)
    os.setsid()
    os.dup2(out, 1)
    os.close(out)
    given = json.loads(asked)
    os.environ.clear()
    os.environ.update(given["environment"])
    with suppress(OSError):  # a container may forbid it
        be_nice(given["nice"])
    sys.argv = ["hallcast", *given["words"]]
    sys.exit(main())
"""


class Process:
    """As :class:`asyncio.subprocess.Process`, as far as tests need it.

    :ivar stdout: what it prints.
    :ivar returncode: None while it runs; below 0 for the signal that ended it.
    """

    def __init__(self, pid: int, stdout: asyncio.StreamReader, ended: asyncio.StreamReader) -> None:
        self.pid = pid
        self.stdout = stdout
        self.returncode: int | None = None
        self._waiting = asyncio.create_task(self._wait(ended))

    async def wait(self) -> int:
        """Its exit status."""
        return await asyncio.shield(self._waiting)

    def send_signal(self, number: int) -> None:
        """Does nothing once it has ended."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    async def _wait(self, ended: asyncio.StreamReader) -> int:
        self.returncode = int(await ended.readline())
        return self.returncode


class Server:
    """The process that forks the others; ends with this one."""

    def __init__(self) -> None:
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", SERVER, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                cwd=Path(__file__).parents[2],
                start_new_session=True,
            )
        atexit.register(self.stop)

    def ask(self, words: list[str], out: int, told: int) -> None:
        """Have a command run; ``out`` is its standard output, ``told`` where its number and its end are told."""
        given = {"words": words, "environment": dict(os.environ), "nice": os.getpriority(os.PRIO_PROCESS, 0)}
        socket.send_fds(self._line, [json.dumps(given).encode()], [out, told])

    def stop(self) -> None:
        """End it; what it has forked goes on."""
        self._line.close()
        self._process.wait()


_server: list[Server] = []


@asynccontextmanager
async def running(*words: str | Path) -> AsyncIterator[Process]:
    """As :func:`hallcast.processes.running`: stopped (politely, then firmly) on leaving."""
    if not _server:
        _server.append(Server())
    out, their_out = os.pipe()
    ended, their_ended = os.pipe()
    try:
        _server[0].ask([str(word) for word in words], their_out, their_ended)
    finally:
        os.close(their_out)
        os.close(their_ended)
    async with _read(out) as stdout, _read(ended) as told:
        process = Process(int(await told.readline()), stdout, told)
        try:
            yield process
        finally:
            await stop(process)


@asynccontextmanager
async def _read(fd: int) -> AsyncIterator[asyncio.StreamReader]:
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    pipe = os.fdopen(fd, "rb", buffering=0)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, pipe)
    try:
        yield reader
    finally:
        transport.close()

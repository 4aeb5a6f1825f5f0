"""The benchmark's link between two network namespaces: does it carry as slowly and as late as it says?"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from benchmarks.thin_links.forwarder import HALL_ADDRESS, RELAY_ADDRESS

pytestmark = [
    pytest.mark.realtime,
    pytest.mark.skipif(
        sys.platform != "linux"
        or os.geteuid() != 0
        or not os.access("/dev/net/tun", os.R_OK | os.W_OK)
        or not all(shutil.which(tool) for tool in ("ip", "unshare", "nsenter")),
        reason="needs root on Linux",
    ),
]

_ECHO = f"""
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("{RELAY_ADDRESS}", 4000))
print("ready", flush=True)
while True:
    s.sendto(*s.recvfrom(2000))
"""
_ASK = f"""
import json, socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("{HALL_ADDRESS}", 0))
s.settimeout(4)
began = time.monotonic()
for number in range(int(sys.argv[1])):
    s.sendto(bytes(972), ("{RELAY_ADDRESS}", 4000))
trips = []
try:
    while True:
        s.recv(2000)
        trips.append(time.monotonic() - began)
except TimeoutError:
    print(json.dumps(trips))
"""


@contextmanager
def started(*words: str, stdin: int = subprocess.DEVNULL) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(words, stdin=stdin, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()


def inside(pid: int, *words: str) -> tuple[str, ...]:
    return ("nsenter", f"--net=/proc/{pid}/ns/net", *words)


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_the_link_has_its_rate_its_delay_and_its_queue(tmp_path: Path) -> None:
    python, log = sys.executable, tmp_path / "link.jsonl"
    with ExitStack() as stack:
        holder = stack.enter_context(started("unshare", "--net", "sh", "-c", "echo there; exec sleep 100"))
        assert said(holder)
        forward = inside(holder.pid, python, "-m", "benchmarks.thin_links.forwarder", "--link", "A", "--log", str(log))
        forwarder = stack.enter_context(started(*forward, stdin=subprocess.PIPE))
        hall_pid = json.loads(said(forwarder))["pid"]
        assert said(stack.enter_context(started(*inside(holder.pid, python, "-c", _ECHO)))) == "ready\n"

        def ask(count: int) -> list[float]:
            done = subprocess.run(inside(hall_pid, python, "-c", _ASK, str(count)), capture_output=True, check=True)
            return [float(value) for value in json.loads(done.stdout)]

        assert ask(5) == pytest.approx([0.6] * 5, abs=0.1)  # the link is long before it is thin
        assert forwarder.stdin is not None
        forwarder.stdin.write(json.dumps({"do": "apply"}) + "\n")
        forwarder.stdin.flush()
        trips = ask(20)
        forwarder.stdin.close()
        assert forwarder.wait(10) == 0
    # 1000 bytes take 250 ms up (32 kbit/s) and 125 ms down (64 kbit/s), 300 ms each way beside.
    assert trips[0] == pytest.approx(0.975, abs=0.06)
    # A queue of one second holds four of them; what comes back is as far apart as the uplink spread it.
    assert len(trips) == 4
    apart = [later - sooner for sooner, later in itertools.pairwise(trips)]
    assert apart == pytest.approx([0.25] * 3, abs=0.06)
    ticks = [json.loads(line) for line in log.read_text().splitlines()]
    assert sum(tick["up"]["dropped"] for tick in ticks) == 16
    assert sum(sum(tick["down"]["offered"].values()) for tick in ticks) == 9 * 1000

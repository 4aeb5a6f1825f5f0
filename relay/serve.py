"""``hallcast relay``: run a relay until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Callable

from lecture.errors import HallcastError
from lecture.json_line import print_json
from relay.app import Relay
from relay.config import RelayConfig, load_config
from relay.signalling.server import RelayServer

log = logging.getLogger("hallcast.relay")

MAX_FILES = 65_536


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT; returns 0.

    :raises HallcastError: the configuration, the data folder or the address cannot be used.
    """
    overrides = {
        "server.host": args.host,
        "server.port": args.port,
        "server.public_url": args.public_url,
        "data.folder": args.data,
        "log.level": args.log_level,
    }
    config = load_config(args.config, overrides)
    _set_up_logging(config)
    _allow_many_files()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(config, as_json=args.json))
    return 0


def _allow_many_files() -> None:
    """Each hall takes two descriptors; many systems give a process 1,024 unless it asks for what it may have."""
    try:
        import resource
    except ImportError:
        return  # Windows has no such limit
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_FILES if most == resource.RLIM_INFINITY else min(most, MAX_FILES)
    if allowed != resource.RLIM_INFINITY and allowed < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


async def _serve(config: RelayConfig, *, as_json: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with Relay(config) as relay, RelayServer(relay) as server:
        if as_json:
            print_json(_ready(relay, server))
        else:
            print(_greeting(relay, server), flush=True)
        await stop.wait()
        log.info("stopping; live lectures go on when the relay is started again")


def _ready(relay: Relay, server: RelayServer) -> dict[str, object]:
    return {
        "event": "ready",
        "url": server.url,
        "local_url": server.local_url,
        "port": server.port,
        "data": str(relay.data_dir),
        "staff_token_file": str(relay.staff_token_path),
    }


def _greeting(relay: Relay, server: RelayServer) -> str:
    config = relay.config
    ports = config.network.udp_ports
    lines = [
        f"Hallcast relay at {server.url}",
        f"  halls      {server.url}/hall",
        f"  library    {server.url}/library",
        f"  data       {relay.data_dir.resolve()}",
        f"  media      UDP ports {f'{ports[0]}-{ports[1]}' if ports else 'as the system chooses'}",
        f"  staff      token in {relay.staff_token_path}; plan a lecture with: hallcast lectures create TITLE",
    ]
    if not server.url.startswith("https:") and not config.server.trusted_proxies:
        lines.append("  no TLS     browsers give a microphone only to https pages and to localhost (docs/operating.md)")
    return "\n".join([*lines, "Ctrl-C stops it."])


def _set_up_logging(config: RelayConfig) -> None:
    logging.basicConfig(
        level=logging.WARNING,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        force=True,
    )
    logging.getLogger("hallcast").setLevel(config.log.level.upper())


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ModuleNotFoundError as error:
        if sys.platform == "win32":
            return asyncio.new_event_loop
        raise HallcastError("extra_missing", "uvloop is not installed: pip install 'hallcast[relay]'.") from error
    return uvloop.new_event_loop

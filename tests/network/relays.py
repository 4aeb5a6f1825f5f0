"""A whole relay in this process, on loopback with a port of its own, for the tests of this folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from relay.app import LectureHandout, Relay
from relay.config import RelayConfig
from relay.signalling.server import RelayServer
from transport import sdp
from transport.network import NetworkConfig
from transport.peer import Peer

LOOPBACK = NetworkConfig(addresses=("127.0.0.1",), connect_timeout_s=10)
SDP = {"Content-Type": "application/sdp"}
FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}


@dataclass
class Served:
    """A relay that is being served, with one planned lecture in English and Korean."""

    relay: Relay
    server: RelayServer
    http: httpx.AsyncClient
    lecture: LectureHandout

    @property
    def lecture_id(self) -> str:
        return self.lecture.lecture_id

    @property
    def staff_token(self) -> str:
        return self.relay.staff_token_path.read_text().strip()

    @property
    def hall_code(self) -> str:
        return self.lecture.record.hall_code

    @property
    def hall_token(self) -> str:
        return self.relay.tokens.hall(self.lecture_id, self.hall_code)

    @property
    def staff(self) -> dict[str, str]:
        """Headers of staff."""
        return bearer(self.staff_token)

    @property
    def lecturer(self) -> dict[str, str]:
        """Headers of the lecturer."""
        return bearer(self.lecture.lecturer_token)

    def socket(self, path: str, **options: Any) -> connect:
        """Connect a WebSocket to a path."""
        url = self.server.local_url.replace("http", "ws", 1) + path
        return connect(url, proxy=None, max_size=None, **options)


def bearer(token: str) -> dict[str, str]:
    """The header of a bearer token."""
    return {"Authorization": f"Bearer {token}"}


def config_for(data: Path, /, **sections: dict[str, Any]) -> RelayConfig:
    """A configuration for loopback; ``limits={"requests": 1}`` changes what it names."""
    config = RelayConfig()
    sections.setdefault("server", {}).update({"host": "127.0.0.1", "port": 0})
    sections.setdefault("network", {}).update({"addresses": ("127.0.0.1",), "udp_ports": ()})
    sections.setdefault("data", {}).update({"folder": str(data)})
    return replace(config, **{name: replace(getattr(config, name), **keys) for name, keys in sections.items()})


@asynccontextmanager
async def served(data: Path, /, **sections: dict[str, Any]) -> AsyncIterator[Served]:
    """Serve a relay (again, if the folder was served before); see :func:`config_for`."""
    async with Relay(config_for(data, **sections)) as relay, RelayServer(relay) as server:
        record = relay.catalogue.get("waves")
        if record is None:
            lecture = await relay.create_lecture("Waves", lecture_id="waves", languages=("en", "ko"))
        else:
            lecture = relay.handout(record)
        async with httpx.AsyncClient(base_url=server.local_url, trust_env=False, timeout=20) as http:
            yield Served(relay, server, http, lecture)


@asynccontextmanager
async def publisher_offer() -> AsyncIterator[str]:
    """A real publisher's offer, while its sockets are open."""
    async with await Peer.create(LOOPBACK, controlling=True) as peer:
        yield sdp.make_offer(sdp.publisher_media(), peer.local)


@asynccontextmanager
async def player_offer() -> AsyncIterator[str]:
    """A standard player's offer."""
    async with await Peer.create(LOOPBACK, controlling=True) as peer:
        yield sdp.make_offer(sdp.hall_media(voice=("opus",)), peer.local)


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 and its key, as PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(pem))
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(secret)
    return folder / "certificate.pem", folder / "key.pem"


async def closed_with(socket: ClientConnection) -> tuple[int | None, list[str | bytes]]:
    """Read a socket to its end: its close code, and what came before."""
    said: list[str | bytes] = []
    try:
        while True:
            said.append(await asyncio.wait_for(socket.recv(), 10))
    except ConnectionClosed:
        return socket.close_code, said

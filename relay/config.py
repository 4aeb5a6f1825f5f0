"""The relay's configuration. ``configs/relay.toml`` is its manual and holds these defaults, by test."""

from __future__ import annotations

import ipaddress
import os
import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lecture.errors import HallcastError
from recordings.retention import LibrarySettings
from relay.exports import ExportSettings
from relay.media.settings import HallSettings, MediaSettings
from relay.toml_fields import read_section
from transport.network import IceServer, NetworkConfig


class ConfigError(HallcastError):
    """The configuration cannot be used (``config_invalid``, ``config_unreadable``)."""


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """``[server]``: where the relay listens, and for whom.

    :param public_url: how others reach the relay, ``https://relay.example.org``; empty: as each asked for it.
    :param tls_certificate: PEM file with the certificate chain; empty for plain HTTP.
    :param trusted_proxies: addresses or networks whose ``X-Forwarded-For`` and ``-Proto`` are believed.
    :param cors_origins: web origins whose pages may publish and play here; ``*`` for all.
    """

    host: str = "0.0.0.0"
    port: int = 8080
    public_url: str = ""
    tls_certificate: str = ""
    tls_key: str = ""
    trusted_proxies: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ("*",)


@dataclass(frozen=True, slots=True)
class DataConfig:
    """``[data]``: the folder that holds everything the relay keeps.

    :param catalogue_url: a PostgreSQL database for the catalogue; empty: a SQLite file in the folder.
    """

    folder: str = "data"
    catalogue_url: str = ""


@dataclass(frozen=True, slots=True)
class NetworkSection:
    """``[network]``: media by UDP. See :class:`transport.network.NetworkConfig`."""

    addresses: tuple[str, ...] = ()
    public_addresses: tuple[str, ...] = ()
    udp_ports: tuple[int, ...] = (50000, 59999)
    connect_timeout_s: float = 20.0
    consent_timeout_s: float = 30.0
    ice_servers: tuple[IceServer, ...] = ()


@dataclass(frozen=True, slots=True)
class AccessConfig:
    """``[access]``: who gets in.

    :param hall_code_days: a hall code admits new halls for this long after the planned time (or its making).
    :param join_failures: wrong hall codes that one address may try in a row.
    :param join_failures_per_minute: how many of these it gets back each minute.
    :param library_open: whether recordings may be replayed without a token.
    :param metrics_from: addresses or networks that may read ``/metrics`` without the staff token.
    """

    hall_code_days: float = 30.0
    join_failures: int = 20
    join_failures_per_minute: float = 6.0
    library_open: bool = True
    metrics_from: tuple[str, ...] = ("127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class LimitsConfig:
    """``[limits]``: what one client, and all together, may cost.

    :param sdp_bytes: largest SDP, ICE fragment or JSON body.
    :param message_bytes: largest message on a socket.
    :param hello_timeout_s: a socket's first message must come within this time.
    :param send_timeout_s: a socket that takes nothing for this long is closed.
    :param request_timeout_s: a request's head, and each further piece of its body, must come within this time.
    :param requests: HTTP requests at the same time; more are told to come back (503).
    :param sockets: WebSockets at the same time; more are closed with 1013.
    :param deck_uploads: decks being uploaded at the same time.
    """

    sdp_bytes: int = 65_536
    message_bytes: int = 131_072
    hello_timeout_s: float = 5.0
    send_timeout_s: float = 30.0
    request_timeout_s: float = 20.0
    requests: int = 256
    sockets: int = 2_000
    deck_uploads: int = 4


@dataclass(frozen=True, slots=True)
class LogConfig:
    """``[log]``: what the relay writes to standard error.

    :param level: ``debug``, ``info``, ``warning`` or ``error``.
    :param access: whether each HTTP request is noted.
    """

    level: str = "info"
    access: bool = True


@dataclass(frozen=True, slots=True)
class RelayConfig:
    """All of it."""

    server: ServerConfig = ServerConfig()
    data: DataConfig = DataConfig()
    network: NetworkSection = NetworkSection()
    access: AccessConfig = AccessConfig()
    limits: LimitsConfig = LimitsConfig()
    media: MediaSettings = field(default_factory=MediaSettings)
    halls: HallSettings = field(default_factory=HallSettings)
    library: LibrarySettings = field(default_factory=LibrarySettings)
    exports: ExportSettings = field(default_factory=ExportSettings)
    log: LogConfig = LogConfig()

    @property
    def data_dir(self) -> Path:
        """The data folder."""
        return Path(self.data.folder)

    def network_config(self) -> NetworkConfig:
        """What the transport needs to know."""
        section = self.network
        return NetworkConfig(
            addresses=section.addresses,
            public_addresses=section.public_addresses,
            udp_ports=(section.udp_ports[0], section.udp_ports[1]) if section.udp_ports else None,
            connect_timeout_s=section.connect_timeout_s,
            consent_timeout_s=section.consent_timeout_s,
            ice_servers=section.ice_servers,
        )

    def problems(self) -> list[str]:
        """What is wrong with the values, in plain words; empty if nothing is."""
        server, network = self.server, self.network
        found = []
        if not 0 <= server.port <= 65535:
            found.append("server.port must be 0 to 65535")
        if bool(server.tls_certificate) != bool(server.tls_key):
            found.append("server.tls_certificate and server.tls_key go together")
        if server.public_url and urlsplit(server.public_url).scheme not in ("http", "https"):
            found.append("server.public_url must begin with http:// or https://")
        if network.udp_ports and not (
            len(network.udp_ports) == 2 and 1024 <= network.udp_ports[0] <= network.udp_ports[1] <= 65535
        ):
            found.append("network.udp_ports must be two ports in order, from 1024 to 65535, or []")
        if not self.data.folder:
            found.append("data.folder must not be empty")
        if self.data.catalogue_url and urlsplit(self.data.catalogue_url).scheme not in ("postgresql", "postgres"):
            found.append("data.catalogue_url must begin with postgresql://")
        if self.log.level not in ("debug", "info", "warning", "error"):
            found.append('log.level must be "debug", "info", "warning" or "error"')
        for key, values in (
            ("server.trusted_proxies", server.trusted_proxies),
            ("access.metrics_from", self.access.metrics_from),
        ):
            found += [f"{key}: {value!r} is no address or network" for value in values if not _is_network(value)]
        for key, values in (
            ("network.addresses", network.addresses),
            ("network.public_addresses", network.public_addresses),
        ):
            found += [f"{key}: {value!r} is no IP address" for value in values if not _is_address(value)]
        return found


def load_config(path: Path | None, overrides: dict[str, Any] | None = None) -> RelayConfig:
    """Read a configuration file; None gives the defaults.

    :param overrides: dotted keys (``server.port``) that win over the file, for command-line options; None is skipped.
    :raises ConfigError: ``config_unreadable``; ``config_invalid`` with every problem named.
    """
    table: dict[str, Any] = {}
    if path is not None:
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(
                "config_unreadable", f"{path} cannot be read: {os.strerror(error.errno or 0)}."
            ) from error
        except ValueError as error:
            raise ConfigError("config_invalid", f"{path} is not TOML: {error}.") from error
    problems: list[str] = []
    config = read_section(RelayConfig, table, "", problems)
    for key, value in (overrides or {}).items():
        if value is not None:
            section, _, name = key.partition(".")
            config = replace(config, **{section: replace(getattr(config, section), **{name: value})})
    problems += config.problems()
    if problems:
        raise ConfigError("config_invalid", f"{path or 'The configuration'}: {'; '.join(problems)}.")
    return config


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True

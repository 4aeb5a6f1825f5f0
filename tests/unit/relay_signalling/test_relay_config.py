from __future__ import annotations

import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from relay.config import ConfigError, RelayConfig, load_config
from transport.network import IceServer, NetworkConfig

MANUAL = Path(__file__).parents[3] / "configs" / "relay.toml"


def load(tmp_path: Path, text: str, **overrides: Any) -> RelayConfig:
    path = tmp_path / "relay.toml"
    path.write_text(text, encoding="utf-8")
    return load_config(path, {key.replace("__", "."): value for key, value in overrides.items()})


def test_the_manual_holds_the_defaults() -> None:
    assert load_config(MANUAL) == RelayConfig() == load_config(None)


def test_the_manual_names_every_setting_and_explains_it() -> None:
    table = tomllib.loads(MANUAL.read_text(encoding="utf-8"))
    for section in fields(RelayConfig):
        known = {field.name for field in fields(getattr(RelayConfig(), section.name))}
        assert set(table[section.name]) == known
    assert MANUAL.read_text(encoding="utf-8").count("# ") > len(known)


def test_a_file_changes_what_it_names_and_options_win(tmp_path: Path) -> None:
    config = load(tmp_path, "[server]\nport = 99\n[limits]\nhello_timeout_s = 2\n[media]\nmax_halls = 3\n")
    assert (config.server.port, config.limits.hello_timeout_s, config.media.max_halls) == (99, 2.0, 3)
    assert config.server.host == RelayConfig().server.host
    config = load(tmp_path, "[server]\nport = 99\n", server__port=0, data__folder=None)
    assert (config.server.port, config.data.folder) == (0, "data")


def test_network_settings_reach_the_transport(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        '[network]\naddresses = ["127.0.0.1"]\nudp_ports = [40000, 40010]\npublic_addresses = ["203.0.113.7"]\n'
        '[[network.ice_servers]]\nurls = ["stun:stun.example.org"]\nusername = "u"\ncredential = "c"\n',
    )
    server = IceServer(("stun:stun.example.org",), "u", "c")
    assert config.network.ice_servers == (server,)
    network = config.network_config()
    assert network.addresses == ("127.0.0.1",)
    assert network.udp_ports == (40000, 40010)
    assert network.public_addresses == ("203.0.113.7",)
    assert load(tmp_path, "[network]\nudp_ports = []\n").network_config().udp_ports is None
    assert isinstance(network, NetworkConfig)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[server]\nprot = 1\n", ["'server.prot'", "did you mean 'port'"]),
        ("[sevrer]\nport = 1\n", ["'sevrer'", "did you mean 'server'"]),
        ("[server]\nzzz = 1\n", ["'server.zzz'", "known here", "tls_key"]),
        ("colour = 1\n", ["'colour'", "known here"]),
        ('[server]\nport = "80"\n', ["server.port must be a whole number"]),
        ("[server]\nport = true\n", ["server.port must be a whole number"]),
        ("[server]\nport = 80.5\n", ["server.port must be a whole number"]),
        ("[server]\nport = 70000\n", ["server.port must be 0 to 65535"]),
        ("[server]\nport = -1\n", ["server.port must be a number from 0 up"]),
        ("[limits]\nhello_timeout_s = nan\n", ["limits.hello_timeout_s must be a number"]),
        ("[access]\nlibrary_open = 1\n", ["access.library_open must be true or false"]),
        ("[server]\nhost = 1\n", ["server.host must be a text"]),
        ('[server]\ntls_certificate = "a.pem"\n', ["go together"]),
        ('[server]\npublic_url = "relay.example.org"\n', ["http:// or https://"]),
        ('[server]\ntrusted_proxies = ["my proxy"]\n', ["server.trusted_proxies", "my proxy"]),
        ('[server]\ntrusted_proxies = "127.0.0.1"\n', ["server.trusted_proxies must be a list"]),
        ("[server]\ntrusted_proxies = [1]\n", ["server.trusted_proxies must be a text"]),
        ("[network]\nudp_ports = [9, 8]\n", ["udp_ports"]),
        ("[network]\nudp_ports = [50000]\n", ["udp_ports"]),
        ('[network]\naddresses = ["eth0"]\n', ["network.addresses", "eth0"]),
        ('[[network.ice_servers]]\nusername = "u"\n', ["urls"]),
        ("[[network.ice_servers]]\nurl = 1\nurls = []\n", ["ice_servers[0].url", "did you mean 'urls'"]),
        ("network.ice_servers = [1]\n", ["must be a table"]),
        ("server = 1\n", ["server must be a table"]),
        ('[data]\nfolder = ""\n', ["data.folder"]),
        ('[data]\ncatalogue_url = "mysql://x"\n', ["data.catalogue_url must begin with postgresql://"]),
        ("[library]\nkeep_days = -1\n", ["library.keep_days must be a number from 0 up"]),
        ('[log]\nlevel = "loud"\n', ["log.level"]),
        ("[server\n", ["is not TOML"]),
    ],
)
def test_mistakes_are_pointed_out(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert caught.value.error_id == "config_invalid"
    for word in words:
        assert word in caught.value.text


def test_all_mistakes_are_pointed_out_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, "[server]\nprot = 1\nhots = 2\n[log]\nlevel = 3\n")
    assert caught.value.text.count("must be") + caught.value.text.count("did you mean") == 3


@pytest.mark.parametrize("name", ["missing.toml", "."])
def test_a_file_that_cannot_be_read_is_said_so(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / name)
    assert caught.value.error_id == "config_unreadable"

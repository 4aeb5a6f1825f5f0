"""Addresses of relays as people type them."""

from __future__ import annotations

import pytest

from transport.address import AddressError, is_loopback, relay_url


@pytest.mark.parametrize(
    ("typed", "whole"),
    [
        ("relay.example", "https://relay.example"),
        (" relay.example:8443/ ", "https://relay.example:8443"),
        ("https://relay.example/hallcast/", "https://relay.example/hallcast"),
        ("http://relay.example", "http://relay.example"),
        ("localhost:8080", "http://localhost:8080"),
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_an_address_is_made_whole(typed: str, whole: str) -> None:
    assert relay_url(typed) == whole


@pytest.mark.parametrize("typed", ["", "ftp://relay", "http://", "http://host:port", "http://[::1", "http://host:0"])
def test_what_is_no_address_is_refused(typed: str) -> None:
    with pytest.raises(AddressError) as error:
        relay_url(typed)
    assert error.value.error_id == "relay_url_malformed"


def test_this_machine_is_known_by_all_its_names() -> None:
    assert all(is_loopback(f"http://{host}:8080/x") for host in ("localhost", "127.0.0.1", "127.3.2.1", "[::1]"))
    assert not any(is_loopback(url) for url in ("https://relay.example", "http://10.0.0.1", "http://[::1", ""))

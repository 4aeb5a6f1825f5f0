"""HTTP clients and the environment's proxy."""

from __future__ import annotations

import pytest

from lecture.errors import HallcastError
from transport.http_client import blocking_http_client, http_client


@pytest.mark.parametrize("proxy", ["socks://127.0.0.1:9", "socks5://127.0.0.1:9", "http://proxy:port"])
def test_a_proxy_that_cannot_be_used_is_told_in_words(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    for make in (http_client, blocking_http_client):
        with pytest.raises(HallcastError) as refused:
            make("https://relay.example.org")
        assert refused.value.error_id == "proxy_unusable"


def test_a_relay_on_this_machine_needs_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:9")
    blocking_http_client("http://127.0.0.1:8080").close()

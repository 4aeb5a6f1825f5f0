"""Trickled candidates (RFC 8840)."""

from __future__ import annotations

import pytest

from transport.errors import SdpError
from transport.sdp import Fragment, build_fragment, parse_fragment

CANDIDATE = "candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1"


def test_as_browsers_clients_write_it() -> None:
    text = (
        "a=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:EsAw\r\n"
        f"a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\na={CANDIDATE}\r\na=end-of-candidates\r\n"
    )
    assert parse_fragment(text) == Fragment((CANDIDATE,), "EsAw", "P2uYro0UCOQ4zxjKXaWCBui1", True, "0")


@pytest.mark.parametrize("line_end", ["\r\n", "\n"])
def test_with_credentials_first(line_end: str) -> None:
    text = line_end.join(["a=ice-ufrag:EsAw", "a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1", "m=audio 9 RTP/AVP 0", "a=mid:0"])
    assert parse_fragment(text) == Fragment((), "EsAw", "P2uYro0UCOQ4zxjKXaWCBui1", False, "0")


@pytest.mark.parametrize(
    "fragment",
    [
        Fragment((CANDIDATE,), "EsAw", "x" * 24, True, "audio0"),
        Fragment((CANDIDATE,), mid="0"),
        Fragment(end=True, mid="0"),
    ],
)
def test_what_is_built_can_be_read(fragment: Fragment) -> None:
    assert parse_fragment(build_fragment(fragment)) == fragment


def test_bounds_and_garbage() -> None:
    assert parse_fragment("") == Fragment()
    flood = "".join(f"a=candidate:1 1 udp 1 192.0.2.1 {port} typ host\r\n" for port in range(500))
    assert len(parse_fragment(flood).candidates) == 50
    for text, error_id in [
        ("{}", "sdp_malformed"),
        ("a=mid:\x07", "sdp_malformed"),
        ("a=x\n" * 20_000, "sdp_too_large"),
    ]:
        with pytest.raises(SdpError) as caught:
            parse_fragment(text)
        assert caught.value.error_id == error_id

"""Transport-wide feedback as bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport import rtcp
from transport.rtcp_feedback import MAX_STATUSES
from transport.rtp import MalformedPacket

HEAD = "8fcd" + "{words:04x}" + "00000001" + "00000002"


def packet(body: str) -> bytes:
    return bytes.fromhex(HEAD.format(words=2 + len(body) // 8) + body)


def feedback(*arrivals: int | None, base: int = 5, reference: int = 7, count: int = 9) -> rtcp.TransportFeedback:
    return rtcp.TransportFeedback(1, 2, base, count, reference, arrivals)


@pytest.mark.parametrize(
    ("body", "parsed"),
    [
        # A run of two small deltas.
        ("0005" + "0002" + "000007" + "09" + "2002" + "04" + "10", feedback(4, 20)),
        # A vector of one-bit statuses: received, lost, received; what lies beyond the count says nothing.
        ("0005" + "0003" + "000007" + "09" + "ac00" + "0a" + "01", feedback(10, None, 11)),
        # A vector of two-bit statuses: small, large (-2), lost, large (300).
        ("0005" + "0004" + "000007" + "09" + "d880" + "0a" + "fffe" + "012c" + "00", feedback(10, 8, None, 308)),
        # A run of lost ones and one received; all numbers at their largest.
        (
            "ffff" + "0004" + "ffffff" + "ff" + "0003" + "2001" + "00" + "000000",
            feedback(None, None, None, 0, base=0xFFFF, reference=0xFFFFFF, count=0xFF),
        ),
    ],
)
def test_the_formats_of_the_draft(body: str, parsed: rtcp.TransportFeedback) -> None:
    assert rtcp.parse(packet(body)) == [parsed]
    assert rtcp.parse(rtcp.build(parsed)) == [parsed]


ARRIVALS = st.lists(
    st.one_of(st.none(), st.integers(0, 255), st.integers(-(1 << 15), (1 << 15) - 1)), min_size=1, max_size=400
)


@given(ARRIVALS, st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFF), st.integers(0, 0xFF))
def test_what_is_built_is_parsed(deltas: list[int | None], base: int, reference: int, count: int) -> None:
    ticks = 0
    arrivals: list[int | None] = []
    for delta in deltas:
        ticks += delta or 0
        arrivals.append(None if delta is None else ticks)
    before = feedback(*arrivals, base=base, reference=reference, count=count)
    data = rtcp.build(before, rtcp.ReceiverReport(3))
    assert rtcp.parse(data) == [before, rtcp.ReceiverReport(3)]


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 40)), min_size=1, max_size=20))
def test_runs_are_short(runs: list[tuple[bool, int]]) -> None:
    """Two bytes for each run at most, or for fourteen packets."""
    arrivals = [0 if there else None for there, length in runs for _ in range(length)]
    received = sum(ticks is not None for ticks in arrivals)
    size = len(rtcp.build(feedback(*arrivals)))
    assert size <= 20 + 2 * min(2 * len(runs), len(arrivals) // 14 + 1 + len(runs)) + received + 3


@pytest.mark.parametrize(
    "arrivals", [(), (0,) * (MAX_STATUSES + 1), (0, 1 << 15), (0, -(1 << 15) - 1)], ids=["none", "many", "far", "back"]
)
def test_what_does_not_fit(arrivals: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="feedback"):
        rtcp.build(feedback(*arrivals))


@pytest.mark.parametrize(
    "body",
    [
        "",
        "0005" + "0000" + "000007" + "09",  # no packet
        "0005" + "ffff" + "000007" + "09" + "1fff" * 8,  # more packets than anybody sends
        "0005" + "0002" + "000007" + "09" + "2000" + "0000",  # empty run
        "0005" + "0002" + "000007" + "09" + "6002" + "0000",  # reserved status
        "0005" + "0004" + "000007" + "09" + "2004" + "0000",  # two times are missing
        "0005" + "0002" + "000007" + "09" + "4002" + "0000",  # and one of two bytes
        "0005" + "0040" + "000007" + "09" + "2001" + "2001",  # chunks for two of 64
    ],
)
def test_malformed(body: str) -> None:
    with pytest.raises(MalformedPacket):
        rtcp.parse(packet(body))


@given(st.binary(max_size=200))
def test_any_bytes(body: bytes) -> None:
    body += bytes(-len(body) % 4)
    head = bytes.fromhex("8fcd") + (len(body) // 4).to_bytes(2, "big")
    try:
        (found,) = rtcp.parse(head + body)
    except MalformedPacket:
        return
    assert isinstance(found, rtcp.TransportFeedback)
    assert len(found.arrivals) <= MAX_STATUSES


@given(ARRIVALS, st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=6))
def test_any_damage(deltas: list[int | None], damage: list[tuple[int, int]]) -> None:
    arrivals = tuple(None if delta is None else delta // 2 for delta in deltas)
    data = bytearray(rtcp.build(feedback(*arrivals)))
    for at, value in damage:
        data[at % len(data)] = value
    try:
        rtcp.parse(bytes(data))
    except MalformedPacket:
        return

"""A peer is given up when it has not answered for the whole consent time, and never because it is far away.

Consent times are shortened to let the tests end; the round trip of 800 ms is not: it is longer than the 0.5 s in which
aioice wants its answer.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from tests.network.link import LinkSpec, Loss, LossyLink
from tests.network.peers import LOOPBACK, pair, rtp_packet, until

QUICK = replace(LOOPBACK, consent_interval_s=0.3, consent_timeout_s=2.0, connect_timeout_s=20)
FAR_AWAY = LinkSpec(delay_ms=400)


async def test_a_long_round_trip_is_no_loss_of_consent() -> None:
    async with (
        LossyLink(seed=1, down=FAR_AWAY, up=FAR_AWAY) as link,
        pair(near=link.near(QUICK), far=QUICK) as (near, far),
    ):
        # Twice the consent time: without answers that count it would be over.
        await asyncio.sleep(2 * QUICK.consent_timeout_s)
        near.peer.send_rtp(rtp_packet(1))
        await until(lambda: far.rtp)
        assert near.closed == far.closed == []
        for end in (near, far):
            assert end.peer.rtt_s == pytest.approx(0.8, abs=0.15)


async def test_lost_checks_and_short_outages_are_no_loss_of_consent() -> None:
    lossy = LinkSpec(delay_ms=100, loss=Loss.bursts(0.2, 4))
    async with (
        LossyLink(seed=2, down=lossy, up=lossy) as link,
        pair(near=link.near(QUICK), far=QUICK) as (near, far),
    ):
        link.down_for(1.0)
        await asyncio.sleep(4.0)
        assert near.closed == far.closed == []


async def test_silence_for_the_consent_time_ends_the_connection_on_both_sides() -> None:
    async with LossyLink(seed=3) as link, pair(near=link.near(QUICK), far=QUICK) as (near, far):
        await until(lambda: near.peer.rtt_s is not None and far.peer.rtt_s is not None)
        link.break_now()
        began = asyncio.get_running_loop().time()
        await until(lambda: near.closed and far.closed)
        took_s = asyncio.get_running_loop().time() - began
        assert near.closed == far.closed == ["consent_expired"]
        assert QUICK.consent_timeout_s - 0.5 < took_s < QUICK.consent_timeout_s + 1
        assert not near.peer.connected
        sent = near.peer.packets_sent
        near.peer.send_rtp(rtp_packet(1))
        assert near.peer.packets_sent == sent


@pytest.mark.slow
async def test_a_long_round_trip_with_loss_for_longer_than_aioice_would_live() -> None:
    """With real consent times; aioice 0.13 gives up after 33 to 37 s."""
    spec = LinkSpec(delay_ms=400, loss=Loss.random(0.05))
    network = replace(LOOPBACK, connect_timeout_s=20)
    async with LossyLink(seed=4, down=spec, up=spec) as link, pair(near=link.near(network), far=network) as (near, far):
        await asyncio.sleep(45)
        assert near.closed == far.closed == []
        near.peer.send_rtp(rtp_packet(1))
        near.peer.send_rtp(rtp_packet(2))
        await until(lambda: far.rtp)

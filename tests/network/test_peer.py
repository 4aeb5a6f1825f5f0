"""Two peers over real loopback sockets."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import uvloop
from aioice import Candidate, Connection
from aiortc import RTCCertificate

from tests.network.peers import LOOPBACK, End, need_ipv6, pair, rtp_packet, until
from transport import sdp
from transport.errors import TransportError
from transport.network import NetworkConfig
from transport.peer import MAX_PACKET_BYTES, Peer


@pytest.fixture(autouse=True)
async def _nothing_left() -> AsyncIterator[None]:
    """Every test leaves no task behind; sockets left open are ResourceWarnings, which are errors."""
    before = asyncio.all_tasks()
    yield
    await until(lambda: not (asyncio.all_tasks() - before - {asyncio.current_task()}), timeout_s=3)


async def exchange() -> None:
    async with pair() as (near, far):
        sent = [rtp_packet(number, bytes([number]) * 700) for number in range(30)]
        for packet in sent:
            near.peer.send_rtp(packet)
            far.peer.send_rtp(bytearray(packet))
        report = b"\x80\xc9\x00\x01\x00\x00\x00\x07"
        near.peer.send_rtcp(report)
        await until(lambda: len(far.rtp) == 30 and len(near.rtp) == 30 and far.rtcp)
        assert far.rtp == near.rtp == sent
        assert far.rtcp == [report]
        assert near.peer.packets_sent == 31
        assert near.peer.bytes_sent == far.peer.bytes_received > sum(map(len, sent))
        assert near.peer.remote_address == ("127.0.0.1", int(far.peer.local.candidates[0].split()[5]))
        await until(lambda: near.peer.rtt_s is not None)
        assert near.peer.rtt_s is not None
        assert 0 <= near.peer.rtt_s < 0.5
    assert not near.peer.connected
    near.peer.send_rtp(sent[0])
    assert near.peer.packets_sent == 31


async def test_rtp_and_rtcp_arrive_as_sent() -> None:
    await exchange()


@pytest.mark.parametrize("setup", ["actpass", "active"])
async def test_what_is_sent_as_soon_as_one_side_is_ready_is_heard_by_the_other(setup: sdp.Setup) -> None:
    """Whoever is through with the handshake first may speak at once."""
    spec = sdp.publisher_media()
    async with await Peer.create(LOOPBACK, controlling=True) as a, await Peer.create(LOOPBACK, controlling=False) as b:
        near, far = End(a), End(b)
        offer = sdp.parse_offer(sdp.make_offer(spec, a.local).replace("a=setup:actpass", f"a=setup:{setup}"))
        answer, _ = sdp.make_answer(offer, sdp.AnswerPolicy(), b.local)
        remote, _ = sdp.parse_answer(spec, answer)
        sent = [rtp_packet(number) for number in range(20)]

        async def speak(end: End, other: sdp.RemoteTransport) -> None:
            await end.peer.connect(other)
            for packet in sent:
                end.peer.send_rtp(bytearray(packet))

        await asyncio.gather(speak(near, remote), speak(far, offer.transport))
        await until(lambda: near.rtp == sent and far.rtp == sent)


async def test_over_ipv6() -> None:
    need_ipv6()
    network = replace(LOOPBACK, addresses=("::1",))
    async with pair(network, network) as (near, far):
        near.peer.send_rtp(rtp_packet(1))
        await until(lambda: far.rtp)
        assert near.peer.remote_address is not None
        assert near.peer.remote_address[0] == "::1"


def test_rtp_and_rtcp_arrive_on_uvloop() -> None:
    uvloop.run(exchange())


async def test_a_packet_sent_again_is_received_once() -> None:
    async with pair() as (near, far):
        for number in (1, 1, 2):
            near.peer.send_rtp(rtp_packet(number))
        await until(lambda: len(far.rtp) == 2 and far.peer.packets_rejected == 1)


async def test_a_packet_too_long_is_an_error_of_the_caller() -> None:
    async with pair() as (near, _):
        with pytest.raises(ValueError, match="longer than"):
            near.peer.send_rtp(rtp_packet(1, bytes(MAX_PACKET_BYTES)))
        near.peer.send_rtcp(bytes(MAX_PACKET_BYTES + 1))
        assert near.peer.packets_dropped == 1, "how long feedback gets is not for the caller to say"


async def test_who_says_goodbye_is_gone_at_once() -> None:
    async with pair() as (near, far):
        await near.peer.close()
        await until(lambda: far.closed)
        assert far.closed == ["closed_by_peer"]
        assert near.closed == []
        assert not far.peer.connected


async def test_datagrams_from_strangers_do_no_harm() -> None:
    rng = random.Random(11)
    stun = bytes.fromhex("000100182112a442") + bytes(12)
    attributes = [
        b"\x00\x24\x00\x01\x00\x00\x00\x00",
        b"\x00\x06\x00\x04\xff\xff\xff\xff",
        b"\x80\x29\x00\x02\x00\x00\x00\x00",
    ]
    async with pair() as (near, far):
        assert near.peer.remote_address is not None
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for _ in range(300):
                stranger.sendto(rng.randbytes(rng.randrange(0, 200)), near.peer.remote_address)
            for attribute in attributes:
                data = stun[:2] + len(attribute).to_bytes(2, "big") + stun[4:] + attribute
                stranger.sendto(data, near.peer.remote_address)
            near.peer.send_rtp(rtp_packet(1))
            await until(lambda: far.rtp)
        assert far.rtp == [rtp_packet(1)]
        assert far.peer.packets_rejected > 0
        assert far.closed == []


@pytest.mark.parametrize("setup", ["actpass", "active", "passive"])
async def test_each_dtls_role_that_an_offerer_can_want(setup: sdp.Setup) -> None:
    async with (
        await Peer.create(LOOPBACK, controlling=True) as a,
        await Peer.create(LOOPBACK, controlling=False) as b,
    ):
        spec = sdp.publisher_media()
        text = sdp.make_offer(spec, a.local).replace("a=setup:actpass", f"a=setup:{setup}")
        offer = sdp.parse_offer(text)
        answer, _ = sdp.make_answer(offer, sdp.AnswerPolicy(), b.local)
        remote, _ = sdp.parse_answer(spec, answer)
        assert remote.setup == ("passive" if setup == "active" else "active")
        await asyncio.gather(a.connect(remote), b.connect(offer.transport))
        assert a.connected
        assert b.connected


async def test_a_certificate_other_than_announced_is_refused() -> None:
    async with (
        await Peer.create(LOOPBACK, controlling=True, certificate=RTCCertificate.generateCertificate()) as a,
        await Peer.create(LOOPBACK, controlling=False) as b,
    ):
        assert a.local.fingerprints != b.local.fingerprints
        forged = replace(remote_of(a), fingerprints=b.local.fingerprints)
        results = await asyncio.gather(
            a.connect(remote_of(b, setup="passive")), b.connect(forged), return_exceptions=True
        )
        assert isinstance(results[1], TransportError)
        assert results[1].error_id == "dtls_failed"
        assert not b.connected


async def test_nobody_there() -> None:
    async with await Peer.create(replace(LOOPBACK, connect_timeout_s=0.3), controlling=True) as peer:
        remote = sdp.RemoteTransport("abcd", "x" * 22, peer.local.fingerprints, candidates=())
        with pytest.raises(TransportError, match="no path") as caught:
            await peer.connect(remote)
        assert caught.value.error_id == "connect_timeout"


async def test_somebody_there_who_speaks_no_dtls() -> None:
    async with await Peer.create(replace(LOOPBACK, connect_timeout_s=1), controlling=True) as peer:
        mute = Connection(ice_controlling=False)
        try:
            await mute.gather_candidates()
            mute.remote_username, mute.remote_password = peer.local.ufrag, peer.local.pwd
            await mute.add_remote_candidate(Candidate.from_sdp(peer.local.candidates[0].removeprefix("candidate:")))
            await mute.add_remote_candidate(None)
            remote = sdp.RemoteTransport(
                mute.local_username,
                mute.local_password,
                peer.local.fingerprints,
                candidates=tuple(f"candidate:{entry.to_sdp()}" for entry in mute.local_candidates),
            )
            results = await asyncio.gather(mute.connect(), peer.connect(remote), return_exceptions=True)
        finally:
            await mute.close()
    assert isinstance(results[1], TransportError)
    assert results[1].error_id == "connect_timeout"
    assert "DTLS" in results[1].text


async def test_closing_ends_a_connect_under_way() -> None:
    peer = await Peer.create(LOOPBACK, controlling=True)
    connecting = asyncio.create_task(peer.connect(sdp.RemoteTransport("abcd", "x" * 22, peer.local.fingerprints)))
    await asyncio.sleep(0)
    await asyncio.gather(peer.close(), peer.close())
    with pytest.raises(TransportError) as caught:
        await connecting
    assert caught.value.error_id == "closed"
    with pytest.raises(TransportError, match="closed"):
        await peer.connect(sdp.RemoteTransport("abcd", "x" * 22, peer.local.fingerprints))


async def test_candidates_may_come_later_and_useless_ones_do_no_harm() -> None:
    async with (
        await Peer.create(LOOPBACK, controlling=True) as a,
        await Peer.create(LOOPBACK, controlling=False) as b,
    ):
        near, far = End(a), End(b)
        useless = (
            "candidate:1 1 udp 2122 0b5ab2a6-3d17-4a06-8a5f-3c4d3d7b6a11.local 50000 typ host",
            "candidate:1 1 tcp 2122 127.0.0.1 9 typ host tcptype active",
            "candidate:1 2 udp 2122 127.0.0.1 50000 typ host",
            "candidate:1 1 udp 2122 127.0.0.1 70000 typ host",
            "candidate:garbage",
            "",
        )
        connecting = asyncio.gather(
            a.connect(replace(remote_of(b), candidates=useless)),
            b.connect(replace(remote_of(a, setup="active"), candidates=useless)),
        )
        for candidate in (*useless, None, *b.local.candidates):
            await a.add_candidate(candidate)
        await connecting
        near.peer.send_rtp(rtp_packet(1))
        await until(lambda: far.rtp)


async def test_a_flood_of_candidates_is_cut_off() -> None:
    async with await Peer.create(LOOPBACK, controlling=False) as peer:
        for port in range(1000, 2000):
            await peer.add_candidate(f"candidate:1 1 udp 1 127.0.0.1 {port} typ host")
        assert len(peer._connection.remote_candidates) <= 50


async def test_ports_come_from_the_range_and_run_out_with_a_clear_error() -> None:
    first = free_ports(2)
    network = replace(LOOPBACK, udp_ports=(first, first + 1))
    async with (
        await Peer.create(network, controlling=True) as a,
        await Peer.create(network, controlling=True) as b,
    ):
        ports = {int(peer.local.candidates[0].split()[5]) for peer in (a, b)}
        assert ports == {first, first + 1}
        with pytest.raises(TransportError, match=f"from {first} to {first + 1}") as caught:
            await Peer.create(network, controlling=True)
        assert caught.value.error_id == "udp_ports_exhausted"
    async with await Peer.create(network, controlling=True):
        pass


async def test_a_public_address_is_announced_beside_our_own() -> None:
    network = replace(LOOPBACK, public_addresses=("203.0.113.7", "2001:db8::7"))
    async with await Peer.create(network, controlling=False) as peer:
        addresses = [candidate.split()[4:6] for candidate in peer.local.candidates]
    port = addresses[0][1]
    assert addresses == [["203.0.113.7", port], ["127.0.0.1", port]]


async def test_an_address_that_is_not_ours() -> None:
    with pytest.raises(TransportError) as caught:
        await Peer.create(NetworkConfig(addresses=("192.0.2.250",)), controlling=True)
    assert caught.value.error_id == "no_address"


async def test_peers_of_one_process_share_a_certificate() -> None:
    async with (
        await Peer.create(LOOPBACK, controlling=True) as a,
        await Peer.create(LOOPBACK, controlling=False) as b,
    ):
        assert a.local.fingerprints == b.local.fingerprints


def remote_of(peer: Peer, setup: sdp.Setup = "actpass") -> sdp.RemoteTransport:
    local = peer.local
    return sdp.RemoteTransport(local.ufrag, local.pwd, local.fingerprints, setup, local.candidates)


def free_ports(count: int) -> int:
    """The first of ``count`` neighbouring UDP ports that are free now."""
    for first in random.Random().sample(range(20000, 30000), 200):
        sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
        try:
            for offset, sock in enumerate(sockets):
                sock.bind(("127.0.0.1", first + offset))
        except OSError:
            continue
        else:
            return first
        finally:
            for sock in sockets:
                sock.close()
    raise RuntimeError("no free ports")

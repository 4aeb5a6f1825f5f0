"""A publisher's packets sorted into sources."""

from __future__ import annotations

from relay.media.ingest import Ingest, Source
from transport import rtcp, rtp
from transport.receive import ReceivedPacket
from transport.sdp import MID, REPAIRED_RID, RID, Codec, NegotiatedMedia

VOICE = NegotiatedMedia("0", "audio", "recvonly", Codec(111, "opus", 48_000, 2), feedback=frozenset({"nack"}), ssrc=1)
CAMERA = NegotiatedMedia("1", "video", "recvonly", Codec(96, "VP8", 90_000), 97, feedback=frozenset({"nack"}), ssrc=2)
SIMULCAST = NegotiatedMedia(
    "1",
    "video",
    "recvonly",
    Codec(96, "VP8", 90_000),
    97,
    extensions={MID: 4, RID: 10, REPAIRED_RID: 11},
    rids=("q", "h", "f"),
    feedback=frozenset({"nack"}),
    ssrc=2,
)


class Desk:
    """An ingest and what came out of it."""

    def __init__(self, *media: NegotiatedMedia) -> None:
        self.packets: list[tuple[Source, ReceivedPacket]] = []
        self.reports: list[Source] = []
        self.ingest = Ingest(
            list(media), 1.0, lambda s, p, _: self.packets.append((s, p)), lambda s, _: self.reports.append(s)
        )

    def send(
        self, payload_type: int, ssrc: int, seq: int, payload: bytes = b"x", ext: dict[int, bytes] | None = None
    ) -> None:
        packet = rtp.RtpPacket(payload_type, False, seq, seq * 960, ssrc, payload, ext or {})
        self.ingest.push_rtp(rtp.build(packet), 0.01 * seq)


def test_sources_are_known_by_their_payload_type() -> None:
    desk = Desk(VOICE, CAMERA)
    desk.send(111, 1000, 1)
    desk.send(96, 2000, 1)
    desk.send(111, 1000, 2)
    kinds = [source.media.kind for source, _ in desk.packets]
    assert kinds == ["audio", "video", "audio"]
    assert [len(desk.ingest.of_kind(kind)) for kind in ("audio", "video")] == [1, 1]


def test_what_nobody_agreed_on_is_counted_and_dropped() -> None:
    desk = Desk(VOICE)
    desk.send(96, 2000, 1)
    desk.ingest.push_rtp(b"\x80", 0.0)
    desk.ingest.push_rtcp(b"\x80\xc8", 0.0)
    assert desk.packets == []
    assert desk.ingest.malformed == 3


def test_simulcast_layers_are_told_apart_by_their_rid() -> None:
    desk = Desk(VOICE, SIMULCAST)
    for number, rid in enumerate(("q", "h", "f")):
        desk.send(96, 2000 + number, 1, ext={10: rid.encode()})
    desk.send(96, 2001, 2)  # the rid may be left out once the SSRC is known
    desk.send(96, 9999, 1)  # unknown and without a rid
    assert [source.rid for source, _ in desk.packets] == ["q", "h", "f", "h"]
    assert desk.ingest.malformed == 1


def test_a_retransmission_finds_its_layer() -> None:
    desk = Desk(VOICE, SIMULCAST)
    for rid, ssrc in ((b"q", 2000), (b"h", 2001)):
        desk.send(96, ssrc, 1, ext={10: rid})
        desk.send(96, ssrc, 3)
    desk.send(97, 7777, 1, payload=(2).to_bytes(2, "big") + b"again", ext={11: b"h"})
    source, packet = desk.packets[-1]
    assert (source.rid, packet.payload, packet.retransmitted) == ("h", b"again", True)


def test_retransmissions_on_ever_new_ssrcs_fill_no_memory() -> None:
    desk = Desk(VOICE, CAMERA)
    desk.send(96, 2000, 1)
    for number in range(100):
        desk.send(97, 7000 + number, number, payload=(number + 2).to_bytes(2, "big") + b"again")
    assert len(desk.packets) == 101
    assert len(desk.ingest._by_ssrc) == 2


def test_a_publisher_that_changes_its_ssrc_goes_on() -> None:
    desk = Desk(VOICE)
    desk.send(111, 1000, 1)
    desk.send(111, 1234, 500)
    assert len(desk.ingest.sources) == 1
    assert desk.packets[0][0] is not desk.packets[1][0]


def test_lost_packets_are_asked_for_and_reports_answered() -> None:
    desk = Desk(VOICE)
    for seq in (1, 2, 5):
        desk.send(111, 1000, seq)
    desk.ingest.push_rtcp(rtcp.build(rtcp.SenderReport(1000, rtcp.ntp_of(1.0), 960, 3, 300)), 0.06)
    assert len(desk.reports) == 1
    sent = [packet for now in (0.2, 1.2) for data in desk.ingest.poll(now, 0.5) for packet in rtcp.parse(data)]
    assert [p.sequence_numbers for p in sent if isinstance(p, rtcp.Nack)] == [(3, 4)]
    assert any(isinstance(p, rtcp.ReceiverReport) and p.reports for p in sent)

"""A subscriber's camera: which feed it takes, changes at keyframes, and what is dropped."""

from __future__ import annotations

from relay.media.camera_rungs import SOURCE_KBPS, Feed
from relay.media.camera_sender import KEYFRAME_QUEUE_S, QUEUE_S, CameraSender
from transport import rtp
from transport.receive import ReceivedPacket
from transport.rtcp import Nack, Pli
from transport.sdp import Codec, MediaFormat, NegotiatedMedia
from transport.video_vp8 import parse_descriptor

AV1, AV1_RTX, VP8, VP8_RTX = 100, 101, 96, 97
THIN, MIDDLE = Feed("av1", 15), Feed("av1", 40)


class Line:
    """A sender with its wire: open, or with no room for more."""

    def __init__(self, *codecs: str) -> None:
        types = {"av1": (AV1, AV1_RTX), "vp8": (VP8, VP8_RTX), "h264": (102, 103)}
        formats = [MediaFormat(Codec(types[name][0], name.upper(), 90_000), types[name][1]) for name in codecs]
        media = NegotiatedMedia(
            "1", "video", "sendonly", formats[0].codec, formats[0].rtx_payload_type, ssrc=7, rtx_ssrc=8,
            also=tuple(formats[1:]),
        )  # fmt: skip
        self.sent: list[rtp.RtpPacket] = []
        self.open = True
        self.sender = CameraSender(media, self._send, lambda now: self.open)
        self._upstream = 500

    def _send(self, packet: bytearray, now: float) -> None:
        self.sent.append(rtp.parse(bytes(packet)))

    def made(self, feed: Feed, t_ms: int, *, keyframe: bool = False, packets: int = 1, now: float = 0.0) -> None:
        payloads = tuple(f"{feed.kbps}:{t_ms}:{n}".encode() for n in range(packets))
        self.sender.send_picture(feed, payloads, t_ms * 90, keyframe, now)

    def source(self, t_ms: int, *, keyframe: bool = False, packets: int = 1, now: float = 0.0) -> None:
        for number in range(packets):
            payload = b"\x90\x80\x80\x05" + (b"\0" if keyframe else b"\1") + f"source:{t_ms}:{number}".encode()
            packet = ReceivedPacket(self._upstream, t_ms * 90, number == packets - 1, payload)
            self._upstream += 1
            self.sender.forward(packet, "vp8", t_ms * 90, keyframe and number == 0, now)

    @property
    def texts(self) -> list[str]:
        return [bytes(p.payload[5:] if p.payload_type == VP8 else p.payload).decode() for p in self.sent]


def test_the_highest_feed_within_the_rate_is_wanted() -> None:
    line = Line("av1", "vp8")
    sender = line.sender
    sender.source_is("vp8", 200)
    wanted = []
    for kbps in (0, 14, 15, 39, 40, 100, 229, 230, 1000):
        sender.turn(0)
        sender.turn(kbps)
        wanted.append(sender.wanted)
    source = Feed("vp8", SOURCE_KBPS)
    ninety = Feed("av1", 90)
    assert wanted == [None, None, THIN, THIN, MIDDLE, ninety, ninety, source, source]
    sender.turn(210)
    assert sender.wanted == source, "what is there already is kept as long as there is room for it"
    sender.turn(190)
    assert sender.wanted == ninety
    assert sender.rungs_kbps == (15, 40, 90, 230)


def test_a_source_that_takes_less_than_a_rung_goes_untouched() -> None:
    line = Line("av1", "vp8")
    line.sender.source_is("vp8", 30)
    line.sender.turn(40)
    assert line.sender.wanted == Feed("vp8", SOURCE_KBPS)
    assert line.sender.rungs_kbps == (15, 35)


def test_rungs_are_av1_where_it_is_taken_else_vp8_else_none() -> None:
    for codecs, made in ((("h264", "vp8", "av1"), "av1"), (("h264", "vp8"), "vp8"), (("h264",), "")):
        sender = Line(*codecs).sender
        sender.source_is("h264", 300)
        sender.turn(40)
        assert sender.wanted == (Feed(made, 40) if made else None)
        assert sender.rungs_kbps == ((15, 40, 90, 345) if made else (345,))


def test_a_camera_begins_with_a_keyframe_and_changes_over_at_one_without_a_break() -> None:
    line = Line("av1", "vp8")
    line.sender.source_is("vp8", 300)
    line.sender.turn(15)
    line.made(THIN, 0)
    assert line.sent == []
    assert line.sender.waits_for_keyframe
    line.made(THIN, 250, keyframe=True, packets=2)
    assert not line.sender.waits_for_keyframe
    line.sender.turn(40)
    line.made(THIN, 500)
    line.made(MIDDLE, 500)
    assert line.sender.waits_for_keyframe, "the change to a better one waits for its keyframe"
    line.made(THIN, 750)
    line.made(MIDDLE, 750, keyframe=True)
    line.made(THIN, 1000)
    line.sender.turn(400)
    line.source(990, keyframe=True, packets=2)
    line.made(MIDDLE, 1000)
    line.source(1056)
    assert line.texts == [
        "15:250:0", "15:250:1", "15:500:0", "15:750:0", "40:750:0", "source:990:0", "source:990:1", "source:1056:0",
    ]  # fmt: skip
    numbers = [packet.sequence_number for packet in line.sent]
    assert [(n - numbers[0]) & 0xFFFF for n in numbers] == list(range(8))
    times = [packet.timestamp for packet in line.sent]
    assert times == sorted(times)
    assert times[4] == times[3] + 1, "no time is sent twice"
    assert [packet.payload_type for packet in line.sent] == [AV1] * 5 + [VP8] * 3


def test_less_than_now_stops_at_once() -> None:
    line = Line("av1")
    line.sender.turn(40)
    line.made(MIDDLE, 0, keyframe=True)
    line.sender.turn(15)
    line.made(MIDDLE, 200)
    line.sender.turn(0)
    line.made(MIDDLE, 400)
    line.made(THIN, 400, keyframe=True)
    assert line.texts == ["40:0:0"]
    assert line.sender.feed is None
    assert line.sender.kbps == 0


def test_what_waited_too_long_is_dropped_until_the_next_keyframe_and_leaves_no_hole() -> None:
    line = Line("av1")
    sender = line.sender
    sender.turn(15)
    line.made(THIN, 0, keyframe=True)
    line.open = False
    line.made(THIN, 250, now=0.25)
    line.made(THIN, 500, now=0.5)
    assert sender.waiting_packets == 2
    line.open = True
    sender.pump(0.3 + QUEUE_S)
    assert sender.waiting_packets == 0
    assert sender.waits_for_keyframe
    line.made(THIN, 1500, now=1.5)
    line.made(THIN, 1750, keyframe=True, now=1.75)
    assert line.texts == ["15:0:0", "15:1750:0"]
    assert line.sent[1].sequence_number == (line.sent[0].sequence_number + 1) & 0xFFFF
    assert sender.dropped_packets == 2


def test_a_picture_that_has_begun_goes_out_whole_and_a_keyframe_may_take_longer() -> None:
    line = Line("av1")
    sender = line.sender
    sender.turn(15)
    line.open = False
    line.made(THIN, 0, keyframe=True, packets=3)
    line.made(THIN, 250, now=0.25)
    assert sender.next_packet(QUEUE_S + 0.1) is not None
    late = KEYFRAME_QUEUE_S + 0.1
    rest = [sender.next_packet(late), sender.next_packet(late), sender.next_packet(late)]
    assert [packet is not None for packet in rest] == [True, True, False]
    assert rtp.parse(bytes(rest[1] or b"")).marker
    assert sender.waits_for_keyframe


def test_retransmissions_keep_the_format_that_the_packet_had() -> None:
    line = Line("av1", "vp8")
    line.sender.source_is("vp8", 100)
    line.sender.turn(15)
    line.made(THIN, 0, keyframe=True)
    line.sender.turn(200)
    line.source(100, keyframe=True)
    numbers = tuple(packet.sequence_number for packet in line.sent)
    again = line.sender.stream.handle_rtcp([Nack(1, 7, numbers)], 5.0)
    assert [rtp.parse(bytes(packet)).payload_type for packet in again] == [AV1_RTX, VP8_RTX]


def test_vp8_picture_ids_go_on_over_changes() -> None:
    line = Line("vp8")
    line.sender.source_is("vp8", 100)
    line.sender.turn(200)
    line.source(0, keyframe=True)
    line.sender.turn(15)
    feed = Feed("vp8", 15)
    for t_ms, picture_id in ((250, 0x1234), (500, 0x1235)):
        payload = b"\x90\x80" + (0x8000 | picture_id).to_bytes(2, "big") + b"\0picture"
        line.sender.send_picture(feed, (payload,), t_ms * 90, t_ms == 250, 0.0)
    ids = []
    for packet in line.sent:
        at = parse_descriptor(bytes(packet.payload)).picture_id_at
        ids.append(int.from_bytes(packet.payload[at : at + 2], "big") & 0x7FFF)
    assert ids[1:] == [ids[0] + 1, ids[0] + 2]


def test_retransmissions_wait_for_room_and_go_first() -> None:
    line = Line("av1")
    line.sender.turn(15)
    line.made(THIN, 0, keyframe=True)
    line.open = False
    line.made(THIN, 250, now=4.8)
    line.sender.handle_rtcp([Nack(1, 7, (line.sent[0].sequence_number,)), Pli(1, 7)], 5.0)
    assert line.sender.waiting_packets == 2
    assert line.sender.waits_for_keyframe
    line.open = True
    line.sender.pump(5.2)
    assert [packet.payload_type for packet in line.sent] == [AV1, AV1_RTX, AV1]


def test_packets_that_others_dropped_are_not_sent_again() -> None:
    line = Line("av1")
    line.sender.turn(15)
    line.made(THIN, 0, keyframe=True)
    line.sender.restart()
    assert line.sender.waits_for_keyframe
    number = line.sent[0].sequence_number
    assert line.sender.stream.handle_rtcp([Nack(1, 7, (number,))], 5.0) == []


def test_a_keyframe_that_has_just_gone_out_answers_those_who_asked_before_it_came() -> None:
    line = Line("av1")
    sender = line.sender
    sender.turn(15)
    line.made(THIN, 0, keyframe=True, now=10.0)
    sender.keyframe_asked(10.6)
    assert not sender.waits_for_keyframe
    sender.keyframe_asked(11.2)
    assert sender.waits_for_keyframe
    line.made(THIN, 1500, keyframe=True, now=11.5)
    assert not sender.waits_for_keyframe

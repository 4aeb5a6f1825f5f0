"""A video section with several formats, between which its one source changes."""

from __future__ import annotations

from tests.unit.transport.sdp_samples import LOCAL, offer_names, offer_text
from transport import rtp
from transport.receive import ReceiveStream
from transport.rtcp import Nack
from transport.sdp import AnswerPolicy, NegotiatedMedia, hall_media, make_answer, make_offer, parse_answer, parse_offer
from transport.send import SendStream

POLICY = AnswerPolicy(
    direction="sendonly",
    audio_codecs=("hallcast-voice", "opus"),
    video_codecs=("AV1", "VP8", "H264", "VP9"),
    max_video_codecs=4,
)


def agreed(policy: AnswerPolicy = POLICY) -> tuple[NegotiatedMedia, NegotiatedMedia]:
    """The camera as relay and hall have it after offer and answer."""
    spec = hall_media(camera_codecs=("VP8", "H264", "AV1"))
    answer, ours = make_answer(parse_offer(make_offer(spec, LOCAL)), policy, LOCAL)
    _, theirs = parse_answer(spec, answer)
    return ours[1], theirs[1]


def test_all_that_both_know_is_agreed_on_in_the_answerers_order() -> None:
    ours, theirs = agreed()
    assert [item.codec.name for item in ours.formats] == ["AV1", "VP8", "H264"]
    assert ours.formats == theirs.formats
    assert all(item.rtx_payload_type == item.codec.payload_type + 1 for item in ours.formats)
    assert theirs.remote_ssrcs == (ours.ssrc,)
    assert theirs.remote_rtx_ssrcs == {ours.ssrc: ours.rtx_ssrc}


def test_one_codec_is_agreed_on_where_no_more_are_asked_for() -> None:
    ours, theirs = agreed(AnswerPolicy(direction="sendonly", audio_codecs=("opus",)))
    assert [item.codec.name for item in ours.formats] == [item.codec.name for item in theirs.formats] == ["VP8"]


def test_a_browser_that_plays_gets_each_codec_once_with_its_retransmissions() -> None:
    players = [name for name in offer_names() if name.endswith("_play")]
    assert players
    for name in players:
        answer, media = make_answer(parse_offer(offer_text(name)), POLICY, LOCAL)
        video = next(item for item in media if item.kind == "video")
        names = [item.codec.name.upper() for item in video.formats]
        assert len(names) == len(set(names))
        for item in video.formats:
            assert f"a=rtpmap:{item.codec.payload_type} {item.codec.rtpmap}\r\n" in answer
            if item.rtx_payload_type is not None:
                assert f"a=fmtp:{item.rtx_payload_type} apt={item.codec.payload_type}\r\n" in answer


def test_a_source_changes_its_format_and_lost_packets_come_again_in_the_format_they_had() -> None:
    ours, theirs = agreed()
    sender = SendStream.negotiated(ours)
    receiver = ReceiveStream.negotiated(theirs, ours.ssrc, deadline_s=3.0)
    first, second = ours.formats[:2]
    packets = [sender.send(b"one", 0, True, 0.0), sender.send(b"two", 1, True, 0.1)]
    sender.switch_format(second.codec.payload_type, second.rtx_payload_type)
    packets += [sender.send(b"three", 2, True, 0.2), sender.send(b"four", 3, True, 0.3)]
    got = [received for n in (0, 3) for received in receiver.push(bytes(packets[n]), n / 10)]
    lost = tuple(rtp.parse(bytes(packets[n])).sequence_number for n in (1, 2))
    again = sender.handle_rtcp([Nack(1, ours.ssrc, lost)], 2.0)
    assert [rtp.parse(bytes(packet)).payload_type for packet in again] == [
        first.rtx_payload_type,
        second.rtx_payload_type,
    ]
    got += [received for packet in again for received in receiver.push(bytes(packet), 2.1)]
    got.sort(key=lambda received: received.extended_seq)
    assert [(received.payload, received.payload_type) for received in got] == [
        (b"one", first.codec.payload_type),
        (b"two", first.codec.payload_type),
        (b"three", second.codec.payload_type),
        (b"four", second.codec.payload_type),
    ]


def test_what_was_not_agreed_on_is_dropped() -> None:
    _, theirs = agreed()
    receiver = ReceiveStream.negotiated(theirs, 5, deadline_s=3.0)
    foreign = SendStream(5, 98, 90_000)
    assert receiver.push(bytes(foreign.send(b"x", 0, True, 0.0)), 0.0) == []
    assert receiver.stats.foreign == 1


def test_forgotten_packets_are_not_sent_again() -> None:
    sender = SendStream(5, 98, 90_000)
    number = rtp.parse(bytes(sender.send(b"x", 0, True, 0.0))).sequence_number
    sender.forget()
    assert sender.handle_rtcp([Nack(1, 5, (number,))], 2.0) == []
    assert sender.stats.not_in_ring == 1

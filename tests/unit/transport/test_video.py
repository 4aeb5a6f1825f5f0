"""Coded video through RTP and back, with real frames of every codec."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lecture.entries import EncodedFrame, Flag
from tests.unit.transport.coded_video import KEYFRAME_EVERY, decoded, encoded, obus, packetise_av1, packets, payloads
from transport import video, video_av1, video_h264, video_vp8, video_vp9
from transport.receive import ReceivedPacket
from transport.rtp import MalformedPacket
from transport.video import FrameAssembler, Packetiser, Vp8Continuity, starts_keyframe

FRAME = 6000
"""One frame's step of the timestamp; the tests use its number as lecture time."""

CODECS = ["vp8", "h264", "vp9", "av1"]


def assemble(codec: str, stream: list[ReceivedPacket]) -> tuple[list[EncodedFrame], FrameAssembler]:
    assembler = FrameAssembler(codec)
    return [frame for packet in stream for frame in assembler.push(packet, packet.timestamp_ext // FRAME)], assembler


def same(codec: str, got: bytes, sent: bytes) -> bool:
    if codec == "h264":
        skipped = (video_h264.ACCESS_UNIT_DELIMITER, video_h264.FILLER)
        return video_h264.split_annex_b(got) == [
            unit for unit in video_h264.split_annex_b(sent) if unit[0] & 0x1F not in skipped
        ]
    return obus(got) == obus(sent) if codec == "av1" else got == sent


@pytest.mark.parametrize("codec", CODECS)
def test_a_stream_comes_out_as_it_went_in_and_decodes(codec: str) -> None:
    frames, assembler = assemble(codec, packets(codec))
    sent = encoded(codec)
    assert [frame.t_ms for frame in frames] == list(range(len(sent)))
    assert all(same(codec, frame.data, data) for frame, (data, _) in zip(frames, sent, strict=True))
    assert [bool(frame.flags & Flag.KEYFRAME) for frame in frames] == [keyframe for _, keyframe in sent]
    assert decoded(codec, [frame.data for frame in frames]) == len(sent)
    assert not assembler.wants_keyframe
    assert assembler.dropped_frames == 0


@pytest.mark.parametrize("codec", CODECS)
def test_keyframes_are_known_by_their_first_packet(codec: str) -> None:
    stream = packets(codec)
    keyframes = {n * FRAME for n, (_, keyframe) in enumerate(encoded(codec)) if keyframe}
    found = [packet.timestamp_ext for packet in stream if starts_keyframe(codec, packet.payload)]
    first = [
        packet
        for packet, before in zip(stream, [None, *stream], strict=False)
        if before is None or before.timestamp_ext != packet.timestamp_ext
    ]
    assert len(keyframes) == 3
    assert set(found) == keyframes
    assert {packet.timestamp_ext for packet in first if starts_keyframe(codec, packet.payload)} == keyframes


@pytest.mark.parametrize("codec", CODECS)
def test_after_a_loss_frames_wait_for_the_next_keyframe(codec: str) -> None:
    stream = packets(codec)
    lost = next(n for n, packet in enumerate(stream) if packet.timestamp_ext == 3 * FRAME)
    assembler = FrameAssembler(codec)
    frames = []
    for packet in stream[:lost] + stream[lost + 1 :]:
        frames += assembler.push(packet, packet.timestamp_ext // FRAME)
        broken = packet.timestamp_ext >= 3 * FRAME and frames[-1].t_ms == 2
        assert assembler.wants_keyframe == (broken or not frames)
    assert [frame.t_ms for frame in frames] == [0, 1, 2, *range(KEYFRAME_EVERY, 24)]
    assert assembler.dropped_frames in (KEYFRAME_EVERY - 3, KEYFRAME_EVERY - 4)  # the frame lost whole goes unseen
    assert decoded(codec, [frame.data for frame in frames]) == len(frames)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("which", [0, 1, -1])
def test_a_keyframe_with_a_hole_is_no_keyframe(codec: str, which: int) -> None:
    stream = packets(codec)
    of_key = [packet for packet in stream if packet.timestamp_ext == KEYFRAME_EVERY * FRAME]
    assert len(of_key) > 3
    stream.remove(of_key[which])
    frames, _ = assemble(codec, stream)
    assert [frame.t_ms for frame in frames] == [*range(KEYFRAME_EVERY), *range(2 * KEYFRAME_EVERY, 24)]


@pytest.mark.parametrize("codec", CODECS)
@given(lost=st.sets(st.integers(0, 300), max_size=40))
def test_whatever_is_lost_what_comes_out_is_whole(codec: str, lost: set[int]) -> None:
    stream = [packet for n, packet in enumerate(packets(codec)) if n not in lost]
    frames, _ = assemble(codec, stream)
    sent = encoded(codec)
    previous = -1
    for frame in frames:
        n = frame.t_ms
        assert same(codec, frame.data, sent[n][0])
        assert n == previous + 1 or frame.flags & Flag.KEYFRAME
        previous = n


@pytest.mark.parametrize("codec", CODECS)
def test_a_stream_joined_in_the_middle_begins_at_a_keyframe(codec: str) -> None:
    stream = [packet for packet in packets(codec) if packet.timestamp_ext >= 3 * FRAME][1:]
    frames, _ = assemble(codec, stream)
    assert frames[0].t_ms == KEYFRAME_EVERY
    assert frames[0].flags & Flag.KEYFRAME


@pytest.mark.parametrize("codec", CODECS)
def test_padding_between_packets_is_no_loss_and_missing_markers_do_no_harm(codec: str) -> None:
    stream: list[ReceivedPacket] = []
    for packet in packets(codec):
        for payload in (packet.payload, b""):
            stream.append(ReceivedPacket(70_000 + len(stream), packet.timestamp_ext, False, payload))
    frames, _ = assemble(codec, stream)
    assert len(frames) == 23  # the last one has nothing after it that ends it


def test_a_frame_that_was_cut_short_is_dropped_where_markers_are_known_to_be_set() -> None:
    stream = packets("av1")
    last = max(n for n, packet in enumerate(stream) if packet.timestamp_ext == 3 * FRAME)
    cut = stream[:last] + [
        ReceivedPacket(packet.extended_seq - 1, packet.timestamp_ext, packet.marker, packet.payload)
        for packet in stream[last + 1 :]
    ]
    assembler = FrameAssembler("av1", marked=True)
    shown = [frame.t_ms for packet in cut for frame in assembler.push(packet, packet.timestamp_ext // FRAME)]
    assert shown == [0, 1, 2, *range(KEYFRAME_EVERY, 24)]


def test_a_frame_beyond_the_bound_is_dropped() -> None:
    assembler = FrameAssembler("vp8", max_frame_bytes=300)
    frames = [frame for packet in packets("vp8") for frame in assembler.push(packet, 0)]
    assert frames == []
    assert assembler.wants_keyframe


@pytest.mark.parametrize("size", [60, 200, 1150, 60_000])
@pytest.mark.parametrize("codec", ["vp8", "h264", "av1"])
def test_payloads_keep_to_their_size(codec: str, size: int) -> None:
    packetiser = Packetiser(codec, max_payload_bytes=size)
    for frame, _ in encoded(codec):
        assert max(map(len, packetiser.packetise(frame))) <= size
    stream = packets(codec, size=size)
    assert len(assemble(codec, stream)[0]) == 24


def test_codecs_without_support_are_refused_or_never_keyframes() -> None:
    assert not starts_keyframe("h265", b"\x26\x01")
    for make in (lambda: FrameAssembler("h265"), lambda: Packetiser("vp9")):
        with pytest.raises(ValueError, match=r"h265|vp9"):
            make()


@pytest.mark.parametrize("codec", CODECS)
@given(data=st.binary(max_size=60), markers=st.lists(st.booleans(), max_size=6))
def test_any_bytes_do_no_harm(codec: str, data: bytes, markers: list[bool]) -> None:
    starts_keyframe(codec, data)
    assembler = FrameAssembler(codec)
    for n, marker in enumerate(markers):
        assembler.push(ReceivedPacket(n, n // 2, marker, data[n:]), n)
    whole = packets(codec)[0].payload
    starts_keyframe(codec, whole[: len(data)])


def test_vp8_picture_ids_count_frames() -> None:
    packetiser = Packetiser("vp8", max_payload_bytes=500)
    ids = []
    for frame, _ in encoded("vp8"):
        found = {int.from_bytes(payload[2:4], "big") & 0x7FFF for payload in packetiser.packetise(frame)}
        assert len(found) == 1
        ids += found
    assert [(after - before) % 32768 for before, after in itertools.pairwise(ids)] == [1] * 23


def vp8(picture: int, tl0: int, *, short: bool = False) -> bytes:
    ids = bytes((picture & 0x7F,)) if short else (0x8000 | picture).to_bytes(2, "big")
    return b"\x90\xe0" + ids + bytes((tl0 & 0xFF, 0x20)) + b"\x00frame"


@pytest.mark.parametrize("start", [0, 32_760])
def test_vp8_ids_go_on_when_the_source_changes(start: int) -> None:
    continuity = Vp8Continuity()
    first = [vp8((start + n) % 32768, 250 + n) for n in range(10)]
    assert [continuity.rewrite(payload) for payload in first] == first
    continuity.switch_source()
    second = [vp8((12_345 + n) % 32768, 7 + n) for n in range(10)]
    assert [continuity.rewrite(payload) for payload in second] == [
        vp8((start + 10 + n) % 32768, 250 + 10 + n) for n in range(10)
    ]
    late = vp8((12_345 + 3) % 32768, 7 + 3)
    assert continuity.rewrite(late) == vp8((start + 13) % 32768, 250 + 13)
    continuity.switch_source()
    assert continuity.rewrite(vp8(5, 5)) == vp8((start + 20) % 32768, 250 + 20)


def test_vp8_short_ids_are_moved_as_well_and_payloads_without_ids_left_alone() -> None:
    continuity = Vp8Continuity()
    continuity.rewrite(vp8(126, 1, short=True))
    continuity.switch_source()
    assert continuity.rewrite(vp8(5, 9, short=True)) == vp8(127, 2, short=True)
    assert continuity.rewrite(vp8(6, 10, short=True)) == vp8(0, 3, short=True)
    bare = b"\x10\x00frame"
    assert continuity.rewrite(bare) is bare


@pytest.mark.parametrize("payload", [b"", b"\x90", b"\x90\x80", b"\x90\x80\x80", b"\x90\xf0\x80\x01\x02", b"\x10"])
def test_vp8_descriptors_cut_short_are_refused(payload: bytes) -> None:
    with pytest.raises(MalformedPacket):
        video_vp8.parse_descriptor(payload)


def test_vp8_frames_begin_with_the_first_partition_only() -> None:
    assert [video_vp8.starts_keyframe(head + b"\x00x") for head in (b"\x10", b"\x11", b"\x00")] == [True, False, False]
    assert not video_vp8.starts_keyframe(b"\x10\x01x")


def test_vp9_descriptors_of_every_kind() -> None:
    flexible = b"\xf8\x81\x02" + b"\x22" + b"\x03\x05\x06" + b"data"  # I P L F B; layer 1; three distances
    found = video_vp9.parse_descriptor(flexible)
    assert (found.size, found.spatial_layer, found.predicted, found.starts_frame) == (7, 1, True, True)
    fixed = b"\xa8\x01" + b"\x00\x07" + b"data"  # short id, layer indices with tl0
    assert video_vp9.parse_descriptor(fixed).size == 4
    assert video_vp9.starts_keyframe(fixed)
    assert not video_vp9.starts_keyframe(flexible)
    with pytest.raises(MalformedPacket):
        video_vp9.parse_descriptor(b"\x02\x1f\x00")


def test_h264_forms_turn_into_each_other() -> None:
    units = [b"\x67\x42\xc0\x1fab", b"\x68\xce", b"\x65data", b"\x41x"]
    annex_b = b"\0\0\1" + units[0] + b"\0\0\0\1" + units[1] + b"\0\0\1" + units[2] + b"\0\0\0\1" + units[3] + b"\0"
    assert video_h264.split(annex_b) == units
    avcc = b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)
    assert video_h264.split(avcc) == units
    assert video_h264.split(video_h264.to_annex_b(units)) == units
    assert Packetiser("h264").packetise(annex_b) == Packetiser("h264").packetise(avcc)
    parameters = video_h264.parameter_sets(annex_b)
    assert parameters == video_h264.to_annex_b(units[:2])
    with pytest.raises(MalformedPacket):
        video_h264.split(b"\0\0\0\x09abc")


def test_h264_aggregates_small_units_and_marks_their_importance() -> None:
    (payload,) = Packetiser("h264").packetise(video_h264.to_annex_b([b"\x09\xf0", b"\x67abc", b"\x28d", b"\x65ef"]))
    assert payload == b"\x78" + b"\0\4\x67abc" + b"\0\2\x28d" + b"\0\3\x65ef"


def test_h264_keyframes_get_their_parameter_sets_though_sent_once() -> None:
    slices = [b"\x65\x88slice", b"\x41\x9aslice", b"\x65\x88again"]
    sets = [b"\x67\x42\xc0\x1f", b"\x68\xce"]
    stream = [ReceivedPacket(1, 0, True, sets[0]), ReceivedPacket(2, 1, True, sets[1])]
    stream = [ReceivedPacket(1, 0, True, payloads("h264", video_h264.to_annex_b(sets), keyframe=True)[0])]
    stream += [ReceivedPacket(2 + n, 3000 * (1 + n), True, unit) for n, unit in enumerate(slices)]
    frames, _ = assemble("h264", stream)
    assert [video_h264.split(frame.data) for frame in frames] == [[*sets, slices[0]], [slices[1]], [*sets, slices[2]]]


@pytest.mark.parametrize(
    "stream",
    [
        [b"\x7c\x85abc", b"\x65\x88x"],  # a fragment without an end
        [b"\x7c\x85\x88abc", b"\x7c\x85\x88abc"],  # two beginnings
        [b"\x65\x88x", b"\x7c\x45abc"],  # an end without a beginning
        [b"\x78\x00\x09ab"],  # an aggregation that is cut short
        [b"\x7c\x85\x88abc"],  # the marker within a fragment
        [b"\x1dxx"],  # FU-B
    ],
)
def test_h264_that_contradicts_itself_gives_no_frame(stream: list[bytes]) -> None:
    received = [ReceivedPacket(n, 0, n == len(stream) - 1, payload) for n, payload in enumerate(stream)]
    frames, assembler = assemble("h264", received)
    assert frames == []
    assert assembler.wants_keyframe


@pytest.mark.parametrize("stated_count", [False, True])
def test_av1_of_other_senders(stated_count: bool) -> None:
    stream: list[ReceivedPacket] = []
    for n, (unit, keyframe) in enumerate(encoded("av1")):
        parts = packetise_av1(unit, 300, keyframe=keyframe, stated_count=stated_count)
        for number, part in enumerate(parts):
            stream.append(ReceivedPacket(len(stream), n * FRAME, number == len(parts) - 1, part))
    frames, _ = assemble("av1", stream)
    assert len(frames) == 24
    assert all(same("av1", frame.data, sent) for frame, (sent, _) in zip(frames, encoded("av1"), strict=True))


@given(sizes=st.lists(st.integers(0, 700), min_size=1, max_size=9), room=st.integers(8, 300), first=st.booleans())
def test_av1_of_any_shape_comes_out_as_it_went_in(sizes: list[int], room: int, first: bool) -> None:
    kinds = [1 if first and n == 0 else 6 for n in range(len(sizes))]
    unit = b"\x12\0" + b"".join(
        bytes((kind << 3 | 2,)) + video_av1._leb128(size) + bytes([n]) * size
        for n, (kind, size) in enumerate(zip(kinds, sizes, strict=True))
    )
    parts = Packetiser("av1", max_payload_bytes=room).packetise(unit)
    assert max(map(len, parts)) <= room
    assert starts_keyframe("av1", parts[0]) == first
    assert not any(starts_keyframe("av1", part) for part in parts[1:])
    frame = video_av1.Av1Frame()
    for part in parts:
        frame.add(part)
    assert frame.finish() == (unit[2:], first)


@pytest.mark.parametrize("unit", [b"", b"\x12\0", b"\x30abc", b"\x32\x05abc", b"\x36"])
def test_what_is_no_av1_temporal_unit_is_not_packetised(unit: bytes) -> None:
    with pytest.raises(MalformedPacket):
        Packetiser("av1").packetise(unit)


@pytest.mark.parametrize("payload", [b"", b"\x10", b"\x20\x09ab", b"\x00\x80", b"\x30\x01a\x01b"])
def test_av1_payloads_that_contradict_themselves_are_refused(payload: bytes) -> None:
    with pytest.raises(MalformedPacket):
        list(video_av1.elements(payload))


def test_av1_fragments_that_do_not_follow_on_are_refused() -> None:
    for stream in ([b"\x50\x30ab", b"\x10\x30ab"], [b"\x10\x30ab", b"\x90ab"]):
        frame = video_av1.Av1Frame()
        frame.add(stream[0])
        with pytest.raises(MalformedPacket):
            frame.add(stream[1])
    unfinished = video_av1.Av1Frame()
    unfinished.add(b"\x50\x30ab")
    with pytest.raises(MalformedPacket):
        unfinished.finish()


def test_every_assembled_codec_is_tested() -> None:
    assert frozenset(CODECS) == video.ASSEMBLED_CODECS

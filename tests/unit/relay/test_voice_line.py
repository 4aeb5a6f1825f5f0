"""One language's voice from packets to the log, with time as an argument."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lecture.entries import EncodedFrame, Flag, unpack_frames
from lecture.file import LectureFile
from lecture.log import Span
from recordings.fill import fill
from recordings.remake import remake
from relay.media.voice_grid import GridFrame
from relay.media.voice_line import VoiceLine
from relay.media.voice_packs import EVENTS_MS, HELD_MS, HeldPacks, ReadyPack
from relay.media.voice_rungs import VoiceRungs
from relay.media.voice_sender import VoiceSender
from transport.opus import Decoder, Encoder
from transport.receive import ReceivedPacket


def tone(start: int, samples: int) -> np.ndarray:
    return (8000 * np.sin(2 * np.pi * 220 * np.arange(start, start + samples) / 48_000)).astype(np.int16)


@dataclass
class Studio:
    """A publisher of 20-ms Opus and a line that takes it; packet n belongs to lecture time ``n * 20`` ms."""

    log: LectureFile
    lost: set[int] = field(default_factory=set)
    first_number: int = 0
    now: float = 0.0
    began_s: float = 0.0

    def __post_init__(self) -> None:
        self.line = VoiceLine("en", self.log, 1.0, lambda now: (now - self.began_s) * 1000, self.begin_earlier)
        self.line.begin(0.0)
        self._encoder = Encoder(1, bitrate_bps=32_000, frame_ms=20)

    def begin_earlier(self, by_ms: float) -> None:
        self.began_s -= by_ms / 1000

    def speak(self, first: int, last: int) -> None:
        for n in range(first, last):
            payload = self._encoder.encode(tone(n * 960, 960))
            self.now = n * 0.02
            if n not in self.lost:
                self.deliver(n, payload)
            self.line.tick(self.now)

    def deliver(self, n: int, payload: bytes, *, retransmitted: bool = False) -> None:
        packet = ReceivedPacket(self.first_number + n, n * 960, False, payload, retransmitted, self.now)
        self.line.push(packet, self.now)

    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            self.now += 0.03
            self.line.tick(self.now)

    def recorded(self, rung: str) -> list[EncodedFrame]:
        track = next(track for track in self.log.tracks() if track.rung == rung)
        entries = self.log.read_span(track.track_id, Span(0, 1 << 40))
        return [frame for entry in entries for frame in unpack_frames(entry)]


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    with LectureFile.create(tmp_path / "x.lecture") as log:
        studio = Studio(log)
        yield studio
        studio.line.close(studio.now)


def test_source_and_made_rung_are_recorded(studio: Studio) -> None:
    studio.speak(0, 150)
    studio.wait(2.0)
    source, made, light = studio.recorded("source"), studio.recorded("16"), studio.recorded("12")
    assert [frame.t_ms for frame in source] == [n * 20 for n in range(150)]
    assert [frame.t_ms for frame in made] == list(range(0, 3000, 60))
    assert [frame.t_ms for frame in light] == list(range(0, 3000, 60))
    assert 1.2 < sum(len(frame.data) for frame in made) / sum(len(frame.data) for frame in light) < 1.5
    assert studio.line.recorded_end_ms == 3000
    decoder = Decoder(1)
    pcm = np.concatenate([decoder.decode(frame.data).reshape(-1) for frame in made])
    assert np.sqrt(np.mean(pcm[9600:].astype(float) ** 2)) > 4000


def test_a_publisher_whose_first_packets_were_held_up_is_recorded_where_it_spoke(studio: Studio) -> None:
    encoder = Encoder(1, bitrate_bps=32_000, frame_ms=20)
    for n in range(100):
        studio.now = max(0.3, n * 0.02)
        studio.deliver(n, encoder.encode(tone(n * 960, 960)))
        studio.line.tick(studio.now)
    studio.wait(2.0)
    assert [frame.t_ms for frame in studio.recorded("source")] == [n * 20 for n in range(100)]
    assert [frame.t_ms for frame in studio.recorded("16")] == list(range(0, 2000, 60))


def test_a_lecture_that_begins_with_a_packet_that_was_held_up_begins_when_that_was_spoken(studio: Studio) -> None:
    studio.began_s = 0.8
    encoder = Encoder(1, bitrate_bps=32_000, frame_ms=20)
    for n in range(100):
        studio.now = max(0.8, n * 0.02)
        studio.deliver(n, encoder.encode(tone(n * 960, 960)))
        studio.line.tick(studio.now)
    studio.wait(2.0)
    assert studio.began_s == pytest.approx(0)
    assert [frame.t_ms for frame in studio.recorded("source")] == [n * 20 for n in range(100)]


def test_a_publisher_that_comes_later_does_not_move_the_beginning(studio: Studio) -> None:
    encoder = Encoder(1, bitrate_bps=32_000, frame_ms=20)
    for n in range(100):
        studio.now = 1.0 + max(1.3, n * 0.02)
        studio.deliver(n, encoder.encode(tone(n * 960, 960)))
        studio.line.tick(studio.now)
    assert studio.began_s == 0


def test_a_retransmission_in_time_leaves_no_trace(studio: Studio) -> None:
    studio.lost = {40}
    encoder = Encoder(1, bitrate_bps=32_000, frame_ms=20)
    studio.speak(0, 60)
    studio.deliver(40, encoder.encode(tone(0, 960)), retransmitted=True)
    studio.speak(60, 100)
    studio.wait(2.0)
    assert len(studio.recorded("source")) == 100
    assert studio.line.concealed_ms == 0


def test_what_never_comes_is_made_up(studio: Studio) -> None:
    studio.lost = set(range(40, 50))
    studio.speak(0, 150)
    studio.wait(2.0)
    assert len(studio.recorded("source")) == 140
    assert [frame.t_ms for frame in studio.recorded("16")] == list(range(0, 3000, 60)), "the made rung has no hole"
    assert studio.line.concealed_ms == 200


def concealed(frames: list[EncodedFrame]) -> list[int]:
    return [frame.t_ms for frame in frames if frame.flags & Flag.CONCEALED]


def test_what_was_made_up_gives_way_to_the_real_words(studio: Studio) -> None:
    """Beside them in the log until these come; one packet is too little to be asked for, DTX nothing that was said."""
    studio.lost = set(range(40, 50)) | {70} | set(range(120, 140))
    studio.speak(0, 100)
    encoder = Encoder(1, bitrate_bps=32_000, frame_ms=20)
    studio.now = 105 * 0.02
    late = ReceivedPacket(100, 105 * 960, False, encoder.encode(tone(105 * 960, 960)), False, studio.now)
    studio.line.push(late, studio.now)  # 100 ms of silence without a packet
    studio.first_number = 101 - 106
    studio.speak(106, 160)
    studio.wait(2.0)
    lost_ms = [*range(780, 1_000, 60), *range(2_400, 2_800, 60)]
    for rung in ("16", "12"):
        assert concealed(studio.recorded(rung)) == lost_ms
    words = [EncodedFrame(n * 20, 20, encoder.encode(tone(n * 960, 960))) for n in range(30, 50)]
    assert fill(studio.log, studio.line.source_track, words, Span(800, 1_000)) != []
    for entry in remake(studio.log, "en", Span(0, 3_200)):
        studio.log.append(entry)
    assert remake(studio.log, "en", Span(0, 3_200)) == []
    made = studio.recorded("16")
    assert [frame.t_ms for frame in made] == list(range(0, 3_200, 60))
    assert concealed(made) == lost_ms[4:], "of the rest nobody has the words"
    studio.log.commit()
    assert studio.recorded("16") == made
    gaps = studio.log.gaps([studio.line.track.track_id], Span(0, 3_180), concealed=False)
    assert gaps == [Span(lost_ms[4], lost_ms[-1] + 60)]


def test_a_missing_packet_holds_the_voice_back_for_a_second_at_most(studio: Studio) -> None:
    studio.lost = {40}
    studio.speak(0, 85)
    assert max(frame.t_ms for frame in studio.recorded("16")) < 800
    studio.speak(85, 120)
    assert max(frame.t_ms for frame in studio.recorded("16")) > 1800


def test_when_the_publisher_falls_silent_nothing_is_held_and_nothing_made_up(studio: Studio) -> None:
    studio.speak(0, 50)
    studio.wait(3.0)
    assert studio.recorded("16")[-1].t_ms == 960
    studio.speak(400, 450)
    studio.wait(3.0)
    times = [frame.t_ms for frame in studio.recorded("16")]
    assert not [t_ms for t_ms in times if 1020 <= t_ms < 7900]
    assert times[-1] >= 8900
    assert studio.line.concealed_ms == 0


def test_the_next_publisher_goes_on_where_lecture_time_is(studio: Studio) -> None:
    studio.speak(0, 50)
    studio.now = 4.0
    studio.line.begin(studio.now)
    encoder = Encoder(1, bitrate_bps=32_000, frame_ms=20)
    for n in range(50):
        studio.now = 4.0 + n * 0.02
        packet = ReceivedPacket(90_000 + n, 7 + n * 960, False, encoder.encode(tone(n * 960, 960)), False, studio.now)
        studio.line.push(packet, studio.now)
    studio.wait(3.0)
    times = [frame.t_ms for frame in studio.recorded("16")]
    assert times == sorted(set(times))
    assert [t_ms for t_ms in times if 1020 <= t_ms < 3960] == []
    assert times[-1] in (4920, 4980)


def test_garbage_and_padding_are_passed_over(studio: Studio) -> None:
    studio.speak(0, 20)
    studio.deliver(20, b"")
    studio.deliver(21, b"\xff" * 3)
    studio.speak(22, 60)
    studio.wait(2.0)
    assert studio.line.recorded_end_ms == 1200


def test_only_rungs_that_are_taken_are_made() -> None:
    rungs = VoiceRungs()
    pcm = tone(0, 2880)
    assert set(rungs.encode(GridFrame(0, pcm), []).rungs) == {12, 16}
    assert set(rungs.encode(GridFrame(1, pcm), [8, 24, 99, 0]).rungs) == {8, 12, 16, 24}
    frames = [rungs.encode(GridFrame(2 + n, tone(n * 2880, 2880)), [8, 24]).rungs for n in range(20)]
    sizes = {kbps: sum(len(frame[kbps]) for frame in frames) for kbps in (8, 24)}
    assert 2 < sizes[24] / sizes[8] < 4
    assert rungs.made_kbps == [8, 12, 16, 24]
    assert len(rungs.encode(GridFrame(30, np.zeros(2880, np.int16)), []).rungs[16]) < 100
    rungs.close()


def packs(count: int) -> list[ReadyPack]:
    return [ReadyPack(number * 240, 4, {16: b"x"}) for number in range(count)]


def test_a_pack_waits_until_the_turns_of_its_time_are_known() -> None:
    held, (first, second) = HeldPacks(), packs(2)
    held.put(first, 221)  # voice comes a little before its lecture time is over
    assert held.take(240 + EVENTS_MS - 1) == []
    assert held.take(240 + EVENTS_MS) == [first]
    held.put(second, 900)
    assert held.take(900) == [second], "late as it is, it goes at once"


@given(st.lists(st.integers(0, 2_000), max_size=20))
def test_packs_keep_their_order_and_none_is_held_for_long(waits_ms: list[int]) -> None:
    held, now_ms = HeldPacks(), 0
    put, taken = packs(len(waits_ms)), []
    for number, wait_ms in enumerate(waits_ms):
        now_ms += wait_ms
        held.put(put[number], now_ms)
        taken += held.take(now_ms)
        if wait_ms >= HELD_MS:
            assert taken[:number] == put[:number]
    assert taken + held.take(now_ms + HELD_MS) == put


class Listener:
    """Takes packs, and notes at what lecture time each came."""

    packed, wanted_kbps = True, 16

    def __init__(self) -> None:
        self.packs: list[tuple[int, float]] = []

    def send_pack(self, pack: ReadyPack, now: float) -> None:
        self.packs.append((pack.end_ms, now * 1000))


def test_what_is_said_goes_out_after_the_turns_of_its_time_and_whole(studio: Studio) -> None:
    listener = Listener()
    studio.line.senders.add(cast(VoiceSender, listener))
    studio.speak(0, 100)
    assert [end_ms for end_ms, _ in listener.packs] == list(range(240, 1921, 240))
    assert all(0 <= at_ms - end_ms - EVENTS_MS < 30 for end_ms, at_ms in listener.packs)
    studio.line.finish(studio.now)
    assert listener.packs[-1][0] >= 1980, "what is held goes out with the last word"

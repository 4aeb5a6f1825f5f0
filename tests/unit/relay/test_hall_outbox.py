"""What a hall is given, class by class, and its way through a data section that loses packets."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lecture import codec
from lecture import message_parts as parts
from lecture import messages as m
from lecture.decks import PageImage, PageTurn, write_deck_event
from lecture.entries import EncodedFrame, Entry, Kind, pack_frames
from lecture.file import LectureFile
from lecture.log import Span
from lecture.wire import BlobFrame, ChunkFrame, VoiceFrame, parse_frame
from relay.adaptation.pacer import Class
from relay.media.hall_data import HallData
from relay.media.hall_outbox import HallOutbox, Item
from relay.media.settings import HallSettings, LectureInfo, MediaSettings
from relay.media.stage import Stage
from transport import rtp
from transport.data_receive import DataReceiver
from transport.data_send import Token
from transport.network import NetworkConfig
from transport.sdp import Codec, NegotiatedMedia

PACKET_BYTES = 600
DATA = NegotiatedMedia("2", "application", "sendonly", Codec(120, "hallcast-data", 1000), ssrc=7)


class Hall:
    """A stage with a lecture that is live, and one hall's outbox."""

    def __init__(self, folder: Path, *, age_s: float = 0.0, languages: tuple[str, ...] = ("en",)) -> None:
        self.log = LectureFile.create(folder / "x.lecture")
        self.stage = Stage(
            "x", LectureInfo("X", "", languages), self.log, NetworkConfig(), MediaSettings(), HallSettings()
        )
        self.stage.state = "live"
        self.stage.clock.start(self.stage.now - age_s)
        self.log.follow(self._appended)

    def _appended(self, entry: Entry) -> None:
        if entry.kind is not Kind.VOICE:
            self.stage.events.apply(entry)

    def outbox(self, *, frames: tuple[int, ...] = (3, 4), **have: Any) -> HallOutbox:
        hello = m.HallHello(m.PROTOCOL_VERSION, token="t", frames=frames, have=parts.Have(**have))
        return HallOutbox(self.stage, hello)

    def page(self, page: int, size_bytes: int = 1500) -> None:
        data = bytes([page]) * size_bytes
        digest = self.log.put_blob(data, "image/avif")
        image = PageImage("d", page, 1, digest, "image/avif", 1280, 720, size_bytes)
        self.stage.append_event(*write_deck_event(image))

    def turn(self, page: int) -> None:
        self.stage.append_event(*write_deck_event(PageTurn("d", page)))

    def speak(self, start_ms: int, end_ms: int, language: str = "en") -> None:
        line = self.stage.voices[language]
        for t_ms in range(start_ms, end_ms, 480):
            frames = [EncodedFrame(t_ms + n * 60, 60, b"voice") for n in range(8)]
            for track_id in line.recorded_tracks.values():
                self.log.append(Entry(Kind.VOICE, t_ms, pack_frames(t_ms, frames), track_id, 480))
        line.resume(end_ms)


@pytest.fixture
async def hall(tmp_path: Path) -> AsyncIterator[Hall]:
    hall = Hall(tmp_path)
    yield hall
    hall.log.close()


def drained(outbox: HallOutbox, class_: Class, now: float = 0.0) -> list[Item]:
    items = []
    while (item := outbox.next(class_, 1000, now)) is not None:
        items.append(item)
    return items


def kinds(items: list[Item]) -> list[str]:
    return [
        item.KIND if isinstance(item, m.Message) else type(parse_frame(item)).__name__
        for item in items
        if not isinstance(item, str)
    ]


async def test_each_class_has_its_own(hall: Hall) -> None:
    hall.page(1)
    hall.page(2)
    hall.turn(1)
    hall.speak(0, 960)
    outbox = hall.outbox()
    outbox.want(m.Want("en", 0, 960))
    outbox.message(m.State("live", "live"))
    assert kinds(drained(outbox, Class.CONTROL)) == ["state", "clock", "entry", "entry", "entry"]
    assert outbox.page_waiting
    assert kinds(drained(outbox, Class.PAGE)) == ["BlobPartFrame"] * 2
    assert not outbox.page_waiting
    assert outbox.voice_waiting
    assert kinds(drained(outbox, Class.VOICE)) == ["VoiceFrame", "VoiceFrame", "filled"], "recent: to be played at once"
    assert not outbox.voice_waiting
    assert kinds(drained(outbox, Class.BULK)) == ["BlobPartFrame"] * 2
    assert not any(drained(outbox, class_) for class_ in Class)


async def test_old_voice_waits_for_the_page_and_in_the_text_rung_all_voice_does(tmp_path: Path) -> None:
    hall = Hall(tmp_path, age_s=60.0)
    outbox = hall.outbox()
    hall.speak(0, 60_000)
    outbox.want(m.Want("en", 0, 60_000))
    urgent = [item for item in drained(outbox, Class.VOICE) if isinstance(item, bytes)]
    assert not urgent, "what comes first is old, and is given first"
    late = [parse_frame(item) for item in drained(outbox, Class.CATCH_UP) if isinstance(item, bytes)]
    assert len(late) == 125
    outbox.urgent_voice = None
    outbox.want(m.Want("en", 59_520, 60_000))
    assert not drained(outbox, Class.VOICE, now=100.0)
    assert kinds(drained(outbox, Class.CATCH_UP, now=100.0)) == ["VoiceFrame", "filled"]
    hall.log.close()


async def test_hall_that_comes_back_gets_the_first_words_before_pages(tmp_path: Path) -> None:
    hall = Hall(tmp_path, age_s=60.0)
    hall.speak(0, 60_000)
    outbox = hall.outbox(voice_end_ms=9_600)
    urgent = [parse_frame(item) for item in drained(outbox, Class.VOICE) if isinstance(item, bytes)]
    assert [frame.frames[0].t_ms for frame in urgent if isinstance(frame, VoiceFrame)] == list(
        range(9_600, 14_600, 480)
    )
    assert kinds(drained(outbox, Class.CATCH_UP))[:1] == ["VoiceFrame"]
    hall.log.close()


async def test_a_hall_that_knows_no_small_frames_gets_the_others(hall: Hall) -> None:
    hall.page(1)
    hall.turn(1)
    hall.speak(0, 480)
    outbox = hall.outbox(frames=(), voice_end_ms=0)
    assert [type(parse_frame(item)) for item in drained(outbox, Class.PAGE) if isinstance(item, bytes)][:1] == [
        BlobFrame
    ]
    assert [type(parse_frame(item)) for item in drained(outbox, Class.VOICE) if isinstance(item, bytes)] == [ChunkFrame]


async def test_what_another_carrier_did_not_deliver_goes_first_in_its_class(hall: Hall) -> None:
    hall.page(1)
    hall.turn(1)
    outbox = hall.outbox()
    first = outbox.next(Class.PAGE, 1000, 0.0)
    assert isinstance(first, bytes)
    outbox.hand_over([(Class.PAGE, first), (Class.CONTROL, '{"kind": "state"}')])
    assert outbox.page_waiting
    assert outbox.next(Class.CONTROL, 1000, 0.0) == '{"kind": "state"}'
    assert outbox.next(Class.PAGE, 1000, 0.0) == first
    assert kinds(drained(outbox, Class.PAGE)) == ["BlobPartFrame"]


async def test_the_newest_events_can_be_said_again(hall: Hall) -> None:
    outbox = hall.outbox()
    for page in range(1, 20):
        hall.turn(page)
    said = [item for item in drained(outbox, Class.CONTROL, 5.0) if isinstance(item, m.EntryMessage)]
    outbox.repeat_events(16.0)
    assert not [item for item in drained(outbox, Class.CONTROL, 16.0) if isinstance(item, m.EntryMessage)]
    hall.turn(20)
    drained(outbox, Class.CONTROL, 20.0)
    outbox.repeat_events(21.0)
    again = [item for item in drained(outbox, Class.CONTROL, 21.0) if isinstance(item, m.EntryMessage)]
    assert [item.fields["page"] for item in again] == [20]
    assert len(said) == 19


async def test_more_messages_than_anybody_reads_are_noticed(hall: Hall) -> None:
    outbox = hall.outbox()
    for _ in range(300):
        outbox.message(m.State("live", "live"))
    assert outbox.overflown


class Link:
    """A data lane and its receiver, a link that loses by list between."""

    def __init__(self, outbox: HallOutbox) -> None:
        self.data = HallData(DATA, outbox, lambda: 0)
        self.receiver = DataReceiver()
        self.got: list[str] = []
        self.voice: list[int] = []
        self.now = 0.0

    def send(self, classes: tuple[Class, ...] = HallData.classes) -> tuple[bytearray, Token] | None:
        """The most urgent packet."""
        for class_ in classes:
            if self.data.waiting(class_, PACKET_BYTES, self.now) is not None:
                made = self.data.next(class_, PACKET_BYTES, self.now)
                if made is not None:
                    packet, token = made
                    assert isinstance(token, Token)
                    assert len(packet) <= PACKET_BYTES
                    return packet, token
        return None

    def arrive(self, packet: bytearray, token: Token) -> None:
        for item in self.receiver.push(rtp.parse(bytes(packet)).payload):
            if isinstance(item, str):
                self.got.append(codec.decode(item, codec.RELAY_TO_HALL).KIND)
                continue
            frame = parse_frame(item)
            self.got.append(type(frame).__name__)
            if isinstance(frame, VoiceFrame):
                self.voice += [one.t_ms for one in frame.frames]
        self.data.arrived(token)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(losses=st.lists(st.booleans(), max_size=60), late=st.integers(0, 4))
async def test_filled_never_comes_before_the_voice_it_speaks_of(tmp_path: Path, losses: list[bool], late: int) -> None:
    folder = tmp_path / f"{next(_number)}"
    folder.mkdir()
    hall = Hall(folder)
    hall.speak(0, 9600)
    outbox = hall.outbox()
    outbox.want(m.Want("en", 0, 9600))
    link = Link(outbox)
    under_way: list[tuple[bytearray, Token, bool]] = []
    lost = iter(losses)
    while True:
        sent = link.send()
        if sent is not None:
            under_way.append((*sent, next(lost, False)))
        if not under_way and sent is None:
            break
        if sent is None or len(under_way) > late:
            packet, token, is_lost = under_way.pop(0)
            if is_lost:
                link.data.lost(token)
            else:
                link.arrive(packet, token)
        assert "filled" not in link.got or len(link.voice) == 160
    assert link.got.count("filled") == 1
    assert sorted(link.voice) == list(range(0, 9600, 60))
    hall.log.close()


async def test_what_was_not_delivered_can_go_another_way_and_filled_is_last(hall: Hall) -> None:
    hall.page(1)
    hall.turn(1)
    hall.speak(0, 960)
    outbox = hall.outbox()
    outbox.want(m.Want("en", 0, 960))
    link = Link(outbox)
    while link.send() is not None:
        pass
    outbox.hand_over(link.data.take_undelivered())
    again = [item for class_ in Class for item in drained(outbox, class_)]
    names = [
        codec.decode(item, codec.RELAY_TO_HALL).KIND if isinstance(item, str) else kinds([item])[0] for item in again
    ]
    assert names.count("entry") == 2
    assert names.count("BlobPartFrame") == 3
    assert names.count("VoiceFrame") == 2
    assert names.index("filled") > max(at for at, name in enumerate(names) if name == "VoiceFrame")


async def test_pieces_of_a_page_that_was_turned_are_worth_no_more_than_any_other(hall: Hall) -> None:
    hall.page(1, 3000)
    hall.page(2, 1000)
    hall.turn(1)
    link = Link(hall.outbox())
    lost = []
    while (sent := link.send((Class.CONTROL, Class.PAGE))) is not None:
        lost.append(sent)
    hall.turn(2)
    link.data.page_turned()
    for _, token in lost:
        link.data.lost(token)
    while (sent := link.send((Class.PAGE,))) is not None:
        link.arrive(*sent)
    assert link.got.count("BlobPartFrame") == 2, "page 2, which is shown now"
    while (sent := link.send()) is not None:
        link.arrive(*sent)
    assert link.got.count("BlobPartFrame") == 2 + 6


async def test_pieces_that_were_on_their_way_before_a_page_is_shown_become_urgent(hall: Hall) -> None:
    hall.page(1, 3000)
    link = Link(hall.outbox())
    lost = link.send((Class.BULK,))
    assert lost is not None
    assert link.data.waiting(Class.BULK, PACKET_BYTES, 0.0) is Class.BULK, "the next piece is in line already"
    hall.turn(1)
    link.data.page_turned()
    link.data.lost(lost[1])
    while (sent := link.send((Class.PAGE,))) is not None:
        link.arrive(*sent)
    assert link.got.count("BlobPartFrame") == 6


async def test_a_flood_of_events_is_paced_a_page_turn_is_not(hall: Hall) -> None:
    link = Link(hall.outbox())
    hall.turn(1)
    assert link.data.waiting(Class.CONTROL, PACKET_BYTES, 0.0) is Class.CONTROL
    for page in range(60):
        hall.turn(page + 1)
    assert link.data.waiting(Class.CONTROL, PACKET_BYTES, 0.0) is Class.PROTECTION


_number = itertools.count()


async def test_a_hall_whose_uplink_stood_still_is_told_of_what_came_late(tmp_path: Path) -> None:
    hall = Hall(tmp_path, age_s=60.0)
    hall.speak(0, 960)
    outbox = hall.outbox()
    hall.log.follow(outbox.recorded)
    outbox.want(m.Want("en", 0, 1_920))
    assert kinds(drained(outbox, Class.CATCH_UP)) == ["VoiceFrame", "VoiceFrame", "filled"]
    drained(outbox, Class.CONTROL)
    hall.speak(960, 1_920)
    assert "repaired" not in kinds(drained(outbox, Class.CONTROL)), "more of it comes in a moment"
    outbox.repaired(Span(1_920, 2_400))
    told = [item for item in drained(outbox, Class.CONTROL) if isinstance(item, m.Repaired)]
    assert told == [m.Repaired("en", 960, 2_400)]
    hall.log.close()


async def test_a_hall_hears_the_language_that_it_last_said(tmp_path: Path) -> None:
    hall = Hall(tmp_path, languages=("en", "ko"))
    hall.speak(0, 4_800)
    hall.speak(0, 960, language="ko")
    by_hello, by_want = hall.outbox(language="ko"), hall.outbox()
    assert (by_hello.language, by_want.language) == ("ko", "en")
    by_want.want(m.Want("ko", 0, 960))
    for outbox in (by_hello, by_want):
        outbox.repaired(Span(480, 960))
        assert [item for item in drained(outbox, Class.CONTROL) if isinstance(item, m.Repaired)] == [
            m.Repaired("ko", 480, 960)
        ]
        clock = outbox.clock()
        assert clock is not None
        assert clock.voice_end_ms == 960
    assert hall.outbox(language="fr").language == "en"
    hall.log.close()


async def test_a_hall_that_changes_its_language_after_the_end_is_told_how_much_there_is_of_it(tmp_path: Path) -> None:
    hall = Hall(tmp_path, languages=("en", "ko"))
    hall.speak(0, 4_800)
    hall.speak(0, 960, language="ko")
    hall.stage.clock.stop(hall.stage.now)
    hall.stage.state = "ended"
    outbox = hall.outbox()
    outbox.tell_ended()
    outbox.want(m.Want("ko", 0, 960))
    ended = [item for item in drained(outbox, Class.CONTROL) if isinstance(item, m.Ended)]
    assert [item.voice_sent_ms for item in ended] == [4_800, 960]
    hall.log.close()


@pytest.mark.parametrize("rtp_dies", [False, True])
async def test_nothing_says_after_a_repair_that_there_is_no_voice(hall: Hall, rtp_dies: bool) -> None:
    """``filled`` waits for the voice before it: what takes it back waits for it."""
    hall.speak(0, 480)
    outbox = hall.outbox()
    link = Link(outbox)
    outbox.urgent_voice = None
    outbox.want(m.Want("en", 0, 480))
    voice = link.send((Class.CATCH_UP,))
    assert voice is not None
    link.data.waiting(Class.CATCH_UP, PACKET_BYTES, 0.0)
    outbox.repaired(Span(0, 480))
    if rtp_dies:
        outbox.hand_over(link.data.take_undelivered())
        assert "repaired" not in kinds(drained(outbox, Class.CONTROL))
        assert kinds(drained(outbox, Class.CATCH_UP))[-1] == "filled"
        assert kinds(drained(outbox, Class.CONTROL)) == ["repaired"]
        return
    while (sent := link.send((Class.CONTROL,))) is not None:
        link.arrive(*sent)
    assert "repaired" not in link.got
    link.arrive(*voice)
    while (sent := link.send((Class.CONTROL,))) is not None:
        link.arrive(*sent)
    assert link.got[-2:] == ["filled", "repaired"]

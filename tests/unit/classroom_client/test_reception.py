"""A hall's reception against a modelled relay: whatever happens to the link, its file ends without a gap."""

from __future__ import annotations

import hashlib
import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classroom_client.copy import HallCopy
from classroom_client.reception import Reception
from classroom_client.settings import HallSettings
from classroom_client.timeline import Step, What
from lecture.entries import EncodedFrame, Entry, Kind, pack_event
from lecture.ink import write_ink, write_pointer
from lecture.lecturer_messages import Ink, Pointer
from lecture.log import Span
from lecture.message_parts import LectureSummary
from lecture.messages import Clock, Ended, EntryMessage, Filled, HallWelcome, State, Want
from lecture.tracks import Track
from lecture.wire import BlobPartFrame, EntryFrame, VoiceFrame

FRAME_MS = 60
PACK_MS = 240
SUMMARY = LectureSummary("waves", "Waves", "Physics", ("en",), "live")
TRACKS = (Track("voice", "opus", 48_000, "en", "12", 1, 7), Track("voice", "opus", 48_000, "ko", "12", 1, 8))


def reception(folder: Path) -> Reception:
    return Reception(HallCopy.open(folder, "waves"), SUMMARY, "en", HallSettings(relay_url="", code="", keep=folder))


def coded(t_ms: int) -> bytes:
    return t_ms.to_bytes(4, "big")


def voice(*starts_ms: int, track_id: int = 7) -> VoiceFrame:
    return VoiceFrame(track_id, tuple(EncodedFrame(t_ms, FRAME_MS, coded(t_ms)) for t_ms in starts_ms))


class Relay:
    """The whole voice but some holes of its own; answers wants and announcements over a link that breaks."""

    def __init__(self, hall: Reception, exists: set[int], end_ms: int, chance: random.Random) -> None:
        self.hall = hall
        self.exists = exists
        self.end_ms = end_ms
        self.chance = chance
        self.up = False
        self.under_way: list[VoiceFrame | Filled] = []

    def connect(self, now: float, t_ms: int, *, knows_announcements: bool) -> None:
        self.disconnect()
        self.up = True
        from_ms = self.hall.have(now).voice_end_ms
        self.hall.welcome(HallWelcome("1.0", SUMMARY, t_ms, TRACKS), now)
        self.hall.state(State("live", "live"))
        if from_ms is not None and knows_announcements:
            self.give(Span(from_ms, t_ms), "en")

    def disconnect(self) -> None:
        if self.up:
            self.hall.disconnected()
        self.up = False
        self.under_way.clear()

    def give(self, span: Span, language: str) -> None:
        frames = [t for t in sorted(self.exists) if span.start_ms - FRAME_MS < t < span.end_ms]
        self.under_way += [voice(*frames[at : at + 8]) for at in range(0, len(frames), 8)]
        self.under_way.append(Filled(language, span.start_ms, span.end_ms))

    def ask(self, want: Want, live_ms: int) -> None:
        self.give(Span(want.start_ms, want.end_ms), want.language)

    def deliver(self, share: float, now: float) -> None:
        """Some of what is under way; frames overtake each other and come twice, but none overtakes its ``filled``."""
        ready = self.under_way[: int(len(self.under_way) * share) + 1]
        del self.under_way[: len(ready)]
        batch: list[VoiceFrame] = []
        for item in ready:
            if isinstance(item, VoiceFrame):
                batch += [item, item] if self.chance.random() < 0.1 else [item]
                continue
            self.chance.shuffle(batch)
            for frame in batch:
                self.hall.voice_frame(frame, now)
            batch = []
            self.hall.filled(item)
        for frame in batch:
            self.hall.voice_frame(frame, now)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1 << 32),
    lost=st.floats(0, 1),
    breaks=st.floats(0, 0.2),
    blocked=st.booleans(),
    knows_announcements=st.booleans(),
)
def test_no_order_of_events_leaves_a_gap_once_the_link_is_back(
    seed: int, lost: float, breaks: float, blocked: bool, knows_announcements: bool
) -> None:
    chance = random.Random(seed)
    end_ms = 60_000
    holes = [chance.randrange(0, end_ms) for _ in range(3)]
    exists = {t for t in range(0, end_ms, FRAME_MS) if not any(hole <= t < hole + 700 for hole in holes)}
    with tempfile.TemporaryDirectory() as folder:
        hall = reception(Path(folder))
        relay = Relay(hall, exists, end_ms, chance)
        late: list[list[tuple[int, bytes]]] = []
        now, rtp_up = 0.0, not blocked
        while not hall.complete:
            now += 0.25
            assert now < 1000, "it never ends"
            t_ms = int(now * 1000)
            live_ms = min(t_ms, end_ms)
            if relay.up and chance.random() < breaks and now < 200:
                relay.disconnect()
            elif not relay.up and (now > 200 or chance.random() < 0.3):
                relay.connect(now, live_ms, knows_announcements=knows_announcements)
                hall.media_began()
            rtp_up = not blocked and (rtp_up if chance.random() > breaks else not rtp_up)
            if relay.up and t_ms <= end_ms:
                hall.clock(Clock(live_ms, max([t for t in exists if t < live_ms], default=0)), now)
            if relay.up and t_ms > end_ms:
                hall.ended(Ended(end_ms, len(exists) * FRAME_MS))
            pack = [t for t in range(t_ms - PACK_MS, t_ms) if t % FRAME_MS == 0 and t in exists]
            if pack and rtp_up and t_ms <= end_ms:
                frames = [(t, coded(t)) for t in pack]
                if chance.random() > lost:
                    hall.live_voice(frames, now)
                elif chance.random() < 0.7:
                    late.append(frames)  # a retransmission
            if late and chance.random() < 0.3:
                hall.live_voice(late.pop(chance.randrange(len(late))), now)
            hall.tick(now, rtt_s=0.6, fraction_lost=lost)
            while hall.timeline.step(now).what in (What.VOICE, What.CONCEALED, What.SILENCE) and chance.random() < 0.8:
                pass
            if relay.up:
                for want in hall.wants(now):
                    relay.ask(want, live_ms)
                relay.deliver(chance.random(), now)
        kept = {frame.t_ms: frame.data for frame in hall.copy.frames("en", Span(0, end_ms))}
        assert kept == {t: coded(t) for t in exists}
        hall.copy.close(finished=True)


@pytest.mark.parametrize("outage_s", [5, 60, 300])
@pytest.mark.parametrize("knows_announcements", [True, False])
def test_every_second_of_an_outage_is_heard_in_order_and_kept(
    tmp_path: Path, outage_s: int, knows_announcements: bool
) -> None:
    """The link that comes back brings what was missed at twice the pace of speech, beside what is spoken then."""
    away_s, back_s = 20.0, 20.0 + outage_s
    end_ms = round(back_s + 30) * 1000 // FRAME_MS * FRAME_MS
    exists = set(range(0, end_ms, FRAME_MS))
    hall = reception(tmp_path)
    hall.timeline.from_the_start = True
    relay = Relay(hall, exists, end_ms, random.Random(1))
    heard: list[Step] = []
    now, playing_s = 0.0, 0.0
    while not heard or heard[-1].what is not What.FINISHED:
        now += 0.25
        assert now < back_s + 30 + outage_s + 30, "it never ends"
        live_ms = min(int(now * 1000), end_ms)
        is_away = away_s <= now < back_s
        if relay.up and is_away:
            relay.disconnect()
        elif not relay.up and not is_away:
            relay.connect(now, live_ms, knows_announcements=knows_announcements)
            hall.media_began()
        if relay.up:
            hall.clock(Clock(live_ms, live_ms), now)
            spoken = range(-(-(live_ms - 250) // FRAME_MS) * FRAME_MS, live_ms, FRAME_MS)
            hall.live_voice([(t_ms, coded(t_ms)) for t_ms in spoken if t_ms >= 0], now)
            if live_ms == end_ms:
                hall.ended(Ended(end_ms, len(exists) * FRAME_MS))
        hall.tick(now, rtt_s=0.6, fraction_lost=0.0)
        while playing_s < now and (not heard or heard[-1].what is not What.FINISHED):
            heard.append(hall.timeline.step(playing_s))
            playing_s += (heard[-1].lecture_ms or FRAME_MS) / 1000 / heard[-1].speed
        if relay.up:
            for want in hall.wants(now):
                relay.ask(want, live_ms)
            relay.deliver(0.0, now)
    assert [(step.t_ms, step.data) for step in heard if step.what is What.VOICE] == [
        (t_ms, coded(t_ms)) for t_ms in sorted(exists)
    ]
    assert {step.what for step in heard} == {What.VOICE, What.STALL, What.FINISHED}
    assert hall.timeline.skipped_ms == 0
    assert max(step.speed for step in heard) <= 1.25
    assert hall.complete
    assert hall.gaps(now) == []
    assert {frame.t_ms: frame.data for frame in hall.copy.frames("en", Span(0, end_ms))} == {
        t_ms: coded(t_ms) for t_ms in exists
    }
    hall.copy.close(finished=True)


def test_voice_of_another_language_is_not_taken(tmp_path: Path) -> None:
    hall = reception(tmp_path)
    hall.welcome(HallWelcome("1.0", SUMMARY, 0, TRACKS), 0.0)
    hall.voice_frame(voice(0, 60, track_id=8), 0.0)
    assert hall.voice.have.known_ms() == 0
    hall.voice_frame(voice(0, 60), 0.0)
    assert hall.voice.have.known_ms() == 120
    hall.copy.close(finished=False)


@pytest.mark.parametrize("entry_first", [True, False])
def test_pieces_of_a_page_come_before_or_after_its_entry(tmp_path: Path, entry_first: bool) -> None:
    data = bytes(range(256)) * 10
    digest = hashlib.sha256(data).hexdigest()
    fields = {"deck": "d", "page": 1, "tier": 1, "digest": digest, "media_type": "image/avif", "size_bytes": len(data)}
    entry = EntryMessage(5, 0, int(Kind.PAGE), fields)
    parts = [BlobPartFrame(digest[:16], at, data[at : at + 1000]) for at in (2000, 0, 1000)]
    hall = reception(tmp_path)
    for item in [entry, *parts] if entry_first else [parts[0], parts[1], entry, parts[2]]:
        if isinstance(item, EntryMessage):
            hall.entry(item)
        else:
            hall.blob_part(item)
    assert hall.copy.picture(digest) == (data, "image/avif")
    hall.copy.close(finished=False)


def test_copy_keeps_what_the_lecture_is(tmp_path: Path) -> None:
    hall = reception(tmp_path)
    hall.welcome(HallWelcome("1.0", SUMMARY, 0, TRACKS), 0.0)
    hall.copy.close(finished=False)
    again = HallCopy.open(tmp_path, "waves")
    assert again.facts() == {"title": "Waves", "course": "Physics", "languages": '["en"]'}
    again.close(finished=False)


def live(hall: Reception, from_s: int, until_s: int, *, text: bool = False, voice_comes: bool = True) -> None:
    for tick in range(from_s * 4, until_s * 4):
        now = tick / 4
        hall.clock(Clock(int(now * 1000), int(now * 1000), 9.0, text), now)
        if voice_comes:
            hall.live_voice([(t, b"live") for t in range(int(now * 1000) - 250, int(now * 1000)) if t % 60 == 0], now)
        hall.tick(now, rtt_s=0.3, fraction_lost=0.0)
        while hall.timeline.position_ms is not None and hall.timeline.position_ms < now * 1000 - hall.timeline.delay_ms:
            if not hall.timeline.step(now).lecture_ms:
                break
        hall.timeline.step(now)


def test_text_rung_pages_follow_the_lecture_and_the_voice_waits(tmp_path: Path) -> None:
    hall = reception(tmp_path)
    hall.welcome(HallWelcome("1.0", SUMMARY, 0, TRACKS), 0.0)
    hall.state(State("live", "live"))
    live(hall, 0, 30)
    assert not hall.text_rung(30.0)
    live(hall, 30, 33, text=True, voice_comes=False)
    assert not hall.text_rung(33.0), "a moment is no reason"
    live(hall, 33, 60, text=True, voice_comes=False)
    assert hall.text_rung(60.0)
    shown_ms = hall.shown_ms(28_000, 60.0)
    assert shown_ms == pytest.approx(60_000 - hall.timeline.delay_ms, abs=300)
    wants = hall.wants(60.0)
    assert wants, "the voice is asked for all the same"
    assert all(want.end_ms <= 60_000 for want in wants)
    hall.voice_frame(voice(*range(29_760, 30_240, 60)), 60.0)
    assert hall.timeline.step(60.0).what is What.STALL
    live(hall, 60, 62)
    assert not hall.text_rung(62.0)
    assert hall.shown_ms(28_000, 62.0) == 28_000
    hall.copy.close(finished=False)


def test_hello_wants_the_voice_from_where_the_hall_stopped(tmp_path: Path) -> None:
    hall = reception(tmp_path)
    assert hall.have(0.0).voice_end_ms is None, "a new hall does not know where it comes in"
    hall.welcome(HallWelcome("1.0", SUMMARY, 0, TRACKS), 0.0)
    hall.state(State("live", "live"))
    live(hall, 0, 20)
    hall.disconnected()
    assert hall.have(40.0).voice_end_ms == hall.voice.have.end_ms
    assert hall.have(40.0).language == "en"
    assert hall.have(40.0 + 3600).voice_end_ms is None, "too long ago to be caught up with"
    hall.copy.close(finished=False)


def test_a_hall_that_starts_anew_still_has_its_ink_and_says_so(tmp_path: Path) -> None:
    """Ink comes in any order and in frames: it never hides that events before it are missing."""
    first = reception(tmp_path)
    first.entry(EntryMessage(7, 10, Kind.TURN, {"deck": "d", "page": 1}))
    for number, seq in ((1, 5), (4, 90), (2, 30)):
        kind, fields = write_ink(number, Ink("d", 1, f"s{number}", ((0.1, 0.1),)))
        first.entry_frame(EntryFrame(Entry(kind, number, pack_event(fields), seq=seq)))
    first.entry_frame(EntryFrame(Entry(Kind.INK, 0, b"[]", seq=91)))
    kind, fields = write_pointer(Pointer("d", 1, 0.5, 0.5))
    first.entry(EntryMessage(95, 20, kind, fields))
    drawing = first.ink.at(100, "d", 1)
    assert len(drawing.strokes) == 3
    assert drawing.pointer == (0.5, 0.5)
    first.copy.close(finished=False)
    again = reception(tmp_path)
    have = again.have(0.0)
    assert (have.after_seq, have.ink) == (7, ((1, 2), (4, 4)))
    assert again.ink.at(100, "d", 1) == drawing
    again.copy.close(finished=False)

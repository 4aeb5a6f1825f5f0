"""No word is passed over where another carrier takes a hall's voice: a ``filled`` never overtakes it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lecture import messages as m
from lecture.wire import VoiceFrame, parse_frame
from relay.adaptation.ack_window import AckWindow
from relay.adaptation.pacer import Class
from relay.media.hall_outbox import HallOutbox, Item
from tests.unit.relay.test_hall_outbox import Hall, Link, drained, kinds

WORDS_MS = 4_800


@pytest.fixture
async def hall(tmp_path: Path) -> AsyncIterator[Hall]:
    hall = Hall(tmp_path)
    hall.speak(0, WORDS_MS)
    yield hall
    hall.log.close()


def spoken_in(items: list[Item]) -> list[int]:
    """Lecture time of each frame."""
    frames = [parse_frame(item) for item in items if isinstance(item, bytes)]
    return [one.t_ms for frame in frames if isinstance(frame, VoiceFrame) for one in frame.frames]


def over_rtp(outbox: HallOutbox, now: float) -> Link:
    """All that is to be sent has arrived."""
    link = Link(outbox)
    link.now = now
    while (sent := link.send((Class.PROTECTION, Class.CATCH_UP, Class.CONTROL))) is not None:
        link.arrive(*sent)
    return link


@pytest.mark.parametrize("asked_before", [True, False], ids=["asked before", "asked after"])
async def test_what_a_dead_socket_was_given_is_given_again_over_rtp(hall: Hall, asked_before: bool) -> None:
    """During an outage the voice goes over the socket, where it stays for seconds after RTP is back."""
    outbox, want = hall.outbox(), m.Want("en", 0, WORDS_MS)
    if asked_before:
        outbox.want(want)
    else:
        outbox.backfill.follow("en", 0)
    outbox.urgent_voice = Class.VOICE
    window = AckWindow()
    for number in range(6):
        item = outbox.next(Class.VOICE, 1000, 10.0 + number)
        assert isinstance(item, bytes)
        window.sent(len(item), 10.0 + number)
        if number == 1:
            window.acknowledged(2 * len(item), 11.5)
    assert window.unacknowledged_since == 12.0

    outbox.backfill.drop_owed()
    outbox.backfill.again(window.unacknowledged_since)
    outbox.urgent_voice = Class.PROTECTION
    if not asked_before:
        outbox.want(want)
    link = over_rtp(outbox, 17.0)
    # What had arrived is not given a second time.
    assert link.voice == list(range(960, WORDS_MS, 60))
    assert [kind for kind in link.got if kind in ("VoiceFrame", "filled")] == ["VoiceFrame"] * 8 + ["filled"]


async def test_what_was_acknowledged_is_not_given_again(hall: Hall) -> None:
    outbox = hall.outbox()
    outbox.want(m.Want("en", 0, WORDS_MS))
    assert len(spoken_in(drained(outbox, Class.VOICE, 10.0))) == WORDS_MS // 60
    outbox.backfill.again(10.5)
    outbox.want(m.Want("en", 0, WORDS_MS))
    assert kinds(drained(outbox, Class.VOICE, 11.0)) == ["filled"]


async def test_voice_that_rtp_did_not_deliver_goes_before_the_end_of_its_want_on_the_socket(hall: Hall) -> None:
    outbox = hall.outbox()
    outbox.urgent_voice = Class.PROTECTION
    outbox.want(m.Want("en", 0, 960))
    link = Link(outbox)
    assert link.send((Class.PROTECTION,)) is not None
    outbox.urgent_voice = Class.VOICE
    outbox.hand_over(link.data.take_undelivered())
    outbox.want(m.Want("en", 0, 480))
    items = drained(outbox, Class.VOICE)
    assert spoken_in(items) == list(range(0, 960, 60))
    assert kinds(items) == ["VoiceFrame", "VoiceFrame", "filled", "filled"]


async def test_an_end_that_waits_for_voice_does_so_after_two_changes_of_the_carrier(hall: Hall) -> None:
    outbox = hall.outbox()
    outbox.urgent_voice = Class.PROTECTION
    outbox.want(m.Want("en", 0, 960))
    first = Link(outbox)
    while first.send((Class.PROTECTION,)) is not None:
        pass
    outbox.hand_over(first.data.take_undelivered())
    second = Link(outbox)
    sent = second.send((Class.PROTECTION,))
    while (more := second.send((Class.CATCH_UP, Class.CONTROL))) is not None:
        second.arrive(*more)
    assert "filled" not in second.got
    assert sent is not None
    second.arrive(*sent)
    while (more := second.send((Class.CONTROL,))) is not None:
        second.arrive(*more)
    assert second.got[-1] == "filled"
    assert second.voice == list(range(0, 960, 60))

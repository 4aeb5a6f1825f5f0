"""Data over RTP: whatever is lost, doubled or reordered, every object arrives once, and messages in order."""

from __future__ import annotations

import random
from collections import Counter, deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transport.data_payload import MAX_OBJECT_BYTES, parse
from transport.data_receive import DataReceiver
from transport.data_send import MAX_BEGUN_BYTES, DataSender, Token

EVENT, PAGE, BULK = 1, 4, 7


def drain(sender: DataSender, priority: int = BULK, max_bytes: int = 1100) -> list[tuple[bytes, Token]]:
    out = []
    while (taken := sender.next_payload(priority, max_bytes)) is not None:
        out.append(taken)
    return out


def deliver(sender: DataSender, receiver: DataReceiver, payloads: list[tuple[bytes, Token]]) -> list[str | bytes]:
    got = []
    for payload, token in payloads:
        got += receiver.push(payload)
        sender.delivered(token)
    return got


def test_small_messages_share_a_payload_and_cost_little() -> None:
    sender = DataSender()
    for text in ("one", "two", "drei"):
        sender.put(text, EVENT)
    assert sender.waiting_bytes(EVENT) == 10
    ((payload, token),) = drain(sender)
    assert len(payload) == 10 + 1 + 3 * 3 - 1
    assert sender.waiting_bytes(EVENT) == 0
    assert DataReceiver().push(payload) == ["one", "two", "drei"]
    assert sender.undelivered() == [(EVENT, "one"), (EVENT, "two"), (EVENT, "drei")]
    sender.delivered(token)
    assert sender.undelivered() == []
    sender.drop(sender.put("four", EVENT))
    again = sender.put("five", EVENT)
    assert [sender.is_pending(object_id) for object_id in (0, again - 1, again)] == [False, False, True]


def test_a_large_frame_is_cut_and_its_losses_go_first() -> None:
    sender, receiver = DataSender(), DataReceiver()
    page = random.Random(1).randbytes(5000)
    sender.put(page, PAGE)
    first = [sender.next_payload(PAGE, 1100) for _ in range(3)]
    assert all(taken is not None and len(taken[0]) <= 1100 for taken in first)
    payloads = [taken for taken in first if taken is not None]
    waiting = sender.waiting_bytes(PAGE)
    sender.lost(payloads[1][1])
    assert sender.waiting_bytes(PAGE) > waiting
    again = sender.next_payload(PAGE, 1100)
    assert again is not None
    assert parse(again[0])[0] == parse(payloads[1][0])[0]
    got = deliver(sender, receiver, [payloads[2], again, payloads[0], *drain(sender)])
    assert got == [page]
    assert sender.undelivered() == []


def test_lost_goes_before_what_is_new_of_its_own_priority_only() -> None:
    sender = DataSender()
    sender.put(b"p" * 900, PAGE)
    taken = sender.next_payload(PAGE, 1100)
    assert taken is not None
    sender.put(b"q" * 900, PAGE)
    sender.put("event", EVENT)
    sender.lost(taken[1])
    order = [[piece.data[:1] for piece in parse(payload)] for payload, _ in drain(sender)]
    assert order == [[b"e", b"p"], [b"q"]]


def test_the_oldest_goes_first_however_often_it_was_lost() -> None:
    sender = DataSender()
    for byte in (b"1", b"2", b"3"):
        sender.put(byte * 1000, PAGE)
    legible, *sharp = drain(sender)
    sender.lost(legible[1])
    again = sender.next_payload(PAGE, 1100)
    assert again is not None
    for _, token in (*sharp, again):
        sender.lost(token)
    assert [parse(payload)[0].data[:1] for payload, _ in drain(sender)] == [b"1", b"2", b"3"]


def test_a_payload_holds_its_own_priority_and_more_urgent_ones() -> None:
    sender = DataSender()
    sender.put(b"bulk", BULK)
    sender.put(b"page", PAGE)
    sender.put("event", EVENT)
    assert [len(parse(payload)) for payload, _ in drain(sender, PAGE)] == [2]
    assert sender.waiting_bytes(BULK) == 4
    assert [len(parse(payload)) for payload, _ in drain(sender, BULK)] == [1]


def test_what_fits_an_empty_payload_is_not_cut() -> None:
    sender = DataSender()
    for _ in range(3):
        sender.put(bytes(700), BULK)
    assert [[piece.last for piece in parse(payload)] for payload, _ in drain(sender)] == [[True], [True], [True]]


def test_payloads_as_small_as_the_caller_wants() -> None:
    sender, receiver = DataSender(), DataReceiver()
    data = random.Random(2).randbytes(3000)
    sender.put(data, PAGE)
    payloads = drain(sender, max_bytes=180)
    assert max(len(payload) for payload, _ in payloads) == 180
    assert deliver(sender, receiver, payloads) == [data]
    sender.put(data, PAGE)
    assert sender.next_payload(PAGE, 3) is None


def test_lost_pieces_are_cut_anew() -> None:
    sender, receiver = DataSender(), DataReceiver()
    data = random.Random(3).randbytes(3000)
    sender.put(data, PAGE)
    for _, token in drain(sender):
        sender.lost(token)
    assert deliver(sender, receiver, drain(sender, max_bytes=400)) == [data]


def test_lost_and_arrived_after_all() -> None:
    sender = DataSender()
    sender.put(bytes(3000), PAGE)
    payloads = drain(sender)
    for _, token in payloads:
        sender.lost(token)
        sender.lost(token)
    assert sender.waiting_bytes(PAGE) == 3000
    sender.delivered(payloads[0][1])
    assert sender.waiting_bytes(PAGE) == 3000 - len(parse(payloads[0][0])[0].data)
    for _, token in payloads:
        sender.delivered(token)
    assert sender.waiting_bytes(PAGE) == 0
    assert sender.undelivered() == []
    assert sender.next_payload(BULK, 1100) is None
    for _, token in payloads:
        sender.lost(token)
    assert sender.next_payload(BULK, 1100) is None


def test_messages_wait_for_their_turn() -> None:
    sender, receiver = DataSender(), DataReceiver()
    payloads = []
    for number in range(4):
        sender.put(f"m{number}", EVENT)
        payloads += drain(sender)
    assert receiver.push(payloads[2][0]) == []
    assert receiver.push(payloads[1][0]) == []
    assert receiver.push(payloads[0][0]) == ["m0", "m1", "m2"]
    assert receiver.push(payloads[2][0]) == []
    assert receiver.push(payloads[3][0]) == ["m3"]


def test_frames_do_not_wait() -> None:
    sender, receiver = DataSender(), DataReceiver()
    payloads = []
    for number in range(3):
        sender.put(bytes([number]), BULK)
        payloads += drain(sender)
    assert [receiver.push(payloads[index][0]) for index in (2, 0, 2, 1)] == [[b"\2"], [b"\0"], [], [b"\1"]]


def test_a_page_that_is_wanted_now_overtakes() -> None:
    sender = DataSender()
    ids = [sender.put(bytes([number]) * 1000, BULK) for number in range(6)]
    for object_id in ids[3:5]:
        sender.set_priority(object_id, PAGE)
    assert sender.waiting_bytes(PAGE) == 2000
    assert sender.waiting_bytes(BULK) == 4000
    assert [parse(payload)[0].data[0] for payload, _ in drain(sender)] == [3, 4, 0, 1, 2, 5]


def test_lost_pieces_follow_their_object_to_its_new_priority() -> None:
    sender = DataSender()
    object_id = sender.put(b"wanted" * 100, BULK)
    ((_, token),) = drain(sender)
    sender.put(b"other", PAGE)
    sender.lost(token)
    sender.set_priority(object_id, PAGE)
    assert sender.waiting_bytes(BULK) == 0
    taken = sender.next_payload(PAGE, 1100)
    assert taken is not None
    assert [piece.data[:5] for piece in parse(taken[0])] == [b"wante", b"other"]
    sender.delivered(taken[1])
    sender.set_priority(object_id, BULK)
    assert sender.next_payload(BULK, 1100) is None


def test_dropped_before_it_went_out_nobody_hears_of_it() -> None:
    sender, receiver = DataSender(), DataReceiver()
    ids = [sender.put(text, EVENT) for text in ("a", "b", "c")]
    sender.drop(ids[1])
    assert deliver(sender, receiver, drain(sender)) == ["a", "c"]


def test_dropped_on_its_way_the_receiver_forgets_it() -> None:
    sender, receiver = DataSender(), DataReceiver()
    ids = [sender.put("long" * 500, EVENT), sender.put(bytes(3000), PAGE)]
    first = sender.next_payload(EVENT, 1100)
    assert first is not None
    receiver.push(first[0])
    sender.put("after", EVENT)
    for object_id in ids:
        sender.drop(object_id)
    assert sender.waiting_bytes(EVENT) > 0
    assert sender.waiting_bytes(PAGE) == 0
    ((payload, token),) = drain(sender)
    sender.lost(token)
    ((again, token_again),) = drain(sender)
    assert parse(again) == parse(payload)
    assert receiver.push(again) == ["after"]
    sender.delivered(token_again)
    sender.delivered(first[1])
    assert sender.undelivered() == []
    assert receiver.push(first[0]) == []


def test_dropped_in_flight_it_is_withdrawn_only_if_it_is_lost() -> None:
    sender, receiver = DataSender(), DataReceiver()
    first, second = sender.put("first", EVENT), sender.put("second", EVENT)
    ((payload, token),) = drain(sender)
    sender.drop(first)
    assert sender.next_payload(BULK, 1100) is None
    assert sender.undelivered() == [(EVENT, "second")]
    sender.lost(token)
    sender.drop(second)
    sender.put("third", EVENT)
    assert deliver(sender, receiver, drain(sender)) == ["third"]
    assert receiver.push(payload) == []


def test_handing_over_to_another_carrier() -> None:
    sender, receiver = DataSender(), DataReceiver()
    sender.put("event 1", EVENT)
    sender.put(b"page" * 500, PAGE)
    arrived = sender.next_payload(EVENT, 1100)
    assert arrived is not None
    sender.put("event 2", EVENT)
    on_the_way = sender.next_payload(EVENT, 1100)
    sender.put(b"bulk", BULK)
    sender.put("event 3", EVENT)
    assert sender.undelivered() == [
        (EVENT, "event 1"),
        (EVENT, "event 2"),
        (EVENT, "event 3"),
        (PAGE, b"page" * 500),
        (BULK, b"bulk"),
    ]
    receiver.push(arrived[0])
    sender.delivered(arrived[1])
    sender.clear()
    assert sender.undelivered() == []
    # Back on this carrier: what was withdrawn holds up nothing.
    sender.put("event 4", EVENT)
    assert on_the_way is not None
    sender.lost(on_the_way[1])
    assert deliver(sender, receiver, drain(sender)) == ["event 4"]


def test_what_cannot_be_sent() -> None:
    sender = DataSender()
    for data in ("", b"", bytes(MAX_OBJECT_BYTES + 1)):
        with pytest.raises(ValueError, match="cannot be sent"):
            sender.put(data, PAGE)


def test_a_sender_keeps_below_what_a_receiver_holds() -> None:
    sender, receiver = DataSender(), DataReceiver()
    for number in range(20):
        sender.put(bytes([number]) * (MAX_OBJECT_BYTES // 4), BULK)
    under_way = drain(sender)
    assert MAX_BEGUN_BYTES * 0.8 < sum(len(payload) for payload, _ in under_way) < MAX_BEGUN_BYTES * 1.1
    # The first piece of each is lost: nothing comes whole, and the receiver holds it all.
    missing = [taken for taken in under_way if any(piece.offset == 0 for piece in parse(taken[0]))]
    for taken in under_way:
        if taken in missing:
            sender.lost(taken[1])
        else:
            assert deliver(sender, receiver, [taken]) == []
    got: list[str | bytes] = []
    while payloads := drain(sender):
        got += deliver(sender, receiver, payloads)
    assert len(got) == 20


def test_messages_behind_a_lost_one_are_bounded_too() -> None:
    sender, receiver = DataSender(), DataReceiver()
    sender.put("first", EVENT)
    ((_, lost),) = drain(sender)
    sent = 0
    while sent < 20_000:
        sender.put("x", EVENT)
        payloads = drain(sender)
        if not payloads:
            break
        assert deliver(sender, receiver, payloads) == []
        sent += 1
    assert 5000 < sent < 20_000
    sender.lost(lost)
    assert len(deliver(sender, receiver, drain(sender))) == sent + 1
    assert deliver(sender, receiver, drain(sender)) == ["x"]


@given(
    st.integers(0, 1 << 30),
    st.sampled_from([0.0, 0.1, 0.4]),
    st.sampled_from([0.0, 0.3]),
    st.sampled_from([60, 300, 1100]),
)
@settings(max_examples=80, deadline=None)
def test_every_object_arrives(seed: int, loss: float, doubt: float, max_bytes: int) -> None:
    """Losses, wrong suspicions of loss, duplicates, reordering, changes of priority, withdrawals."""
    rng = random.Random(seed)
    sender, receiver = DataSender(), DataReceiver()
    data: dict[int, str | bytes] = {}
    dropped: set[int] = set()
    flight: deque[tuple[bytes, Token, bool]] = deque()
    got: list[str | bytes] = []
    texts = 0

    def put() -> None:
        nonlocal texts
        priority = rng.choice([EVENT, PAGE, BULK])
        if rng.random() < 0.5:
            texts += 1
            entry: str | bytes = f"{texts} " + "ü" * rng.choice([0, 5, 300])
            priority = EVENT  # so that they are sent in the order of putting
        else:
            entry = len(data).to_bytes(4, "big") + rng.randbytes(rng.choice([1, 50, 1000, 3000]))
        data[sender.put(entry, priority)] = entry

    def step(*, calm: bool) -> None:
        taken = sender.next_payload(rng.choice([EVENT, PAGE, BULK]) if not calm else BULK, max_bytes)
        if taken is not None:
            flight.append((*taken, not calm and rng.random() < loss))
        if flight and (calm or rng.random() < 0.7):
            at = rng.randrange(min(4, len(flight)))
            payload, token, lost = flight[at]
            del flight[at]
            if not lost:
                got.extend(receiver.push(payload))
                if rng.random() < doubt:
                    sender.lost(token)
                    if rng.random() < 0.5:
                        flight.append((payload, token, False))  # and it comes twice
                        return
                sender.delivered(token)
            else:
                sender.lost(token)

    for _ in range(150):
        if rng.random() < 0.3:
            put()
        frames = [object_id for object_id, entry in data.items() if isinstance(entry, bytes)]
        if frames and rng.random() < 0.1:
            sender.set_priority(rng.choice(frames), PAGE)
        if data and rng.random() < 0.05:
            dropped.add(victim := rng.choice(list(data)))
            sender.drop(victim)
        step(calm=False)
    for _ in range(100_000):
        if not flight and all(sender.waiting_bytes(priority) == 0 for priority in (EVENT, PAGE, BULK)):
            break
        step(calm=True)
    else:
        raise AssertionError("it never ends")
    assert sender.undelivered() == []
    counts = Counter(got)
    assert set(counts.values()) <= {1}
    assert all(counts[entry] for object_id, entry in data.items() if object_id not in dropped)
    order = [int(entry.split()[0]) for entry in got if isinstance(entry, str)]
    assert order == sorted(order)
    assert receiver._held_bytes == 0
    assert sender._begun_bytes == 0

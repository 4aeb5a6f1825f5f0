"""Control messages: every one survives the wire; nothing else does."""

from __future__ import annotations

import dataclasses
import json
import re
import types
import typing
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lecture import codec
from lecture import lecturer_messages as lm
from lecture import message_parts as parts
from lecture import messages as m
from lecture.codec import HALL_TO_RELAY, LECTURER_TO_RELAY, RELAY_TO_HALL, RELAY_TO_LECTURER, Vocabulary
from lecture.entries import Entry, Kind, pack_event
from lecture.errors import ProtocolError
from lecture.fields import MAX_INT, Form, Limit
from lecture.messages import Message, Unknown

VOCABULARIES = [HALL_TO_RELAY, RELAY_TO_HALL, LECTURER_TO_RELAY, RELAY_TO_LECTURER]
KINDS = [(words, cls) for words in VOCABULARIES for cls in words.kinds.values()]
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Values that a field's type allows, written apart from the code under test."""
    limit = None
    if typing.get_origin(hint) is Annotated:
        hint, *extras = typing.get_args(hint)
        limit = next((extra for extra in extras if isinstance(extra, Limit)), None)
        form = next((extra for extra in extras if isinstance(extra, Form)), None)
        if form is not None:
            return st.from_regex(re.compile(form.pattern, re.ASCII), fullmatch=True)
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return st.none() | values(args[0])
    if origin is Literal:
        return st.sampled_from(args)
    if origin is tuple and args[-1] is Ellipsis:
        low, high = (int(limit.low), int(limit.high)) if limit else (0, 3)
        return st.lists(values(args[0]), min_size=low, max_size=min(high, 3)).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values, args))
    if origin is dict:
        return st.dictionaries(texts, texts | st.integers() | st.lists(st.booleans()), max_size=3)
    if dataclasses.is_dataclass(hint):
        return instances(typing.cast("type[Any]", hint))
    low, high = (limit.low, limit.high) if limit else (0, MAX_INT)
    if hint is int:
        return st.integers(int(low), int(high))
    if hint is float:
        return st.floats(low, high, allow_nan=False)
    if hint is bool:
        return st.booleans()
    assert hint is str
    return st.text(st.characters(exclude_categories=["Cs"]), min_size=int(low), max_size=min(int(high), 70))


def instances(cls: type[Any]) -> st.SearchStrategy[Any]:
    hints = typing.get_type_hints(cls, include_extras=True)
    return st.builds(cls, **{field.name: values(hints[field.name]) for field in dataclasses.fields(cls)})


@pytest.mark.parametrize(("words", "cls"), KINDS, ids=lambda value: getattr(value, "__name__", None))
def test_every_message_survives_the_wire(words: Vocabulary, cls: type[Message]) -> None:
    @settings(max_examples=15)
    @given(instances(cls))
    def survives(message: Message) -> None:
        assert codec.decode(codec.encode(message), words) == message

    survives()


@pytest.mark.parametrize(("words", "cls"), KINDS, ids=lambda value: getattr(value, "__name__", None))
def test_unknown_fields_are_ignored_and_missing_ones_are_named(words: Vocabulary, cls: type[Message]) -> None:
    @settings(max_examples=15)
    @given(instances(cls))
    def check(message: Message) -> None:
        value = json.loads(codec.encode(message))
        assert codec.decode(json.dumps({**value, "from_the_future": {"x": [1]}}), words) == message
        for field in dataclasses.fields(message):
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
                rest = {key: one for key, one in value.items() if key != field.name}
                with pytest.raises(ProtocolError, match=rf"{field.name} is missing"):
                    codec.decode(json.dumps(rest), words)

    check()


@given(texts, st.sampled_from(VOCABULARIES))
def test_unknown_kinds_are_ignored(kind: str, words: Vocabulary) -> None:
    if kind and kind not in words.kinds:
        assert codec.decode(json.dumps({"kind": kind, "x": 1}), words) == Unknown(kind)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize(("words", "cls"), KINDS, ids=lambda value: getattr(value, "__name__", None))
def test_a_field_with_anything_in_it_is_taken_or_refused_by_name(words: Vocabulary, cls: type[Message]) -> None:
    @settings(max_examples=15)
    @given(instances(cls), st.data())
    def check(message: Message, data: st.DataObject) -> None:
        fields = dataclasses.fields(message)
        if not fields:
            return
        field = data.draw(st.sampled_from(fields))
        value = json.loads(codec.encode(message)) | {field.name: data.draw(json_values)}
        error_id, got = "message_malformed", None
        try:
            got = codec.decode(json.dumps(value), words)
        except ProtocolError as error:
            error_id = error.error_id
        assert error_id == "message_malformed"
        assert got is None or codec.decode(codec.encode(got), words) == got

    check()


@given(st.text(max_size=100), st.sampled_from(VOCABULARIES))
def test_garbage_is_malformed(text: str, words: Vocabulary) -> None:
    with pytest.raises(ProtocolError) as caught:
        codec.decode(text, words)
    assert caught.value.error_id == "message_malformed"


MALFORMED = {
    "empty": "",
    "no object": "[]",
    "a number": "1",
    "no kind": "{}",
    "kind is a number": '{"kind": 1}',
    "kind is empty": '{"kind": ""}',
    "kind is endless": json.dumps({"kind": "x" * 65}),
    "not a number": '{"kind": "ack", "bytes": NaN}',
    "infinity": '{"kind": "report", "fraction_lost": Infinity}',
    "overflow": '{"kind": "report", "received_kbps": 1e999}',
    "ten thousand digits": '{"kind": "ack", "bytes": ' + "9" * 10_000 + "}",
    "nested beyond reason": "[" * 30_000,
    "bool for a number": '{"kind": "ack", "bytes": true}',
    "text for a number": '{"kind": "ack", "bytes": "1"}',
    "negative": '{"kind": "ack", "bytes": -1}',
    "fraction above one": '{"kind": "report", "fraction_lost": 1.5}',
    "float for an integer": '{"kind": "ack", "bytes": 1.5}',
    "beyond 2^53": json.dumps({"kind": "ack", "bytes": 2**53}),
    "number for a text": '{"kind": "question", "text": 1}',
    "null for a text": '{"kind": "question", "text": null}',
    "half a surrogate pair": '{"kind": "question", "text": "\\ud800"}',
    "endless text": json.dumps({"kind": "question", "text": "x" * 4001}),
    "no list": '{"kind": "hello", "v": "1.0", "voice": "opus"}',
    "list too long": json.dumps({"kind": "hello", "v": "1.0", "voice": ["opus"] * 17}),
    "pair with three": json.dumps({"kind": "hello", "v": "1.0", "have": {"blobs": [["0" * 64, 1, 2]]}}),
    "digest cut": json.dumps({"kind": "hello", "v": "1.0", "have": {"blobs": [["00", 1]]}}),
    "bool for an object": '{"kind": "hello", "v": "1.0", "have": true}',
    "text for a bool": '{"kind": "hello", "v": "1.0", "camera": "yes"}',
}


INK = {"kind": "ink", "deck": "d", "page": 1, "stroke": "s", "points": [[0.25, 0.5]]}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_messages_are_refused(text: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        codec.decode(text, HALL_TO_RELAY)
    assert caught.value.error_id == "message_malformed"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"kind": "state", "publisher": "dancing", "lecture": "live"}, RELAY_TO_HALL),
        ({"kind": "turn", "deck": "d", "page": 0}, LECTURER_TO_RELAY),
        ({"kind": "turn", "deck": "d", "page": 1, "at_ms": "now"}, LECTURER_TO_RELAY),
        ({"kind": "hello", "v": "1.0", "role": "hacker"}, LECTURER_TO_RELAY),
        ({"kind": "pointer", "x": 2}, LECTURER_TO_RELAY),
        ({**INK, "points": []}, LECTURER_TO_RELAY),
        ({**INK, "points": [[0.5, 0.5]] * 65}, LECTURER_TO_RELAY),
        ({**INK, "points": [[0.5, 1.5]]}, LECTURER_TO_RELAY),
        ({**INK, "points": [[0.5]]}, LECTURER_TO_RELAY),
        ({**INK, "colour": "red"}, LECTURER_TO_RELAY),
        ({**INK, "colour": "#d81b60\n"}, LECTURER_TO_RELAY),
        ({**INK, "colour": 7}, LECTURER_TO_RELAY),
        ({**INK, "width": 0.5}, LECTURER_TO_RELAY),
        ({**INK, "stroke": ""}, LECTURER_TO_RELAY),
        ({**INK, "page": 0}, LECTURER_TO_RELAY),
        ({"kind": "erase", "deck": "d"}, LECTURER_TO_RELAY),
        ({"kind": "entry", "seq": 1, "t_ms": 0, "entry_kind": 256, "fields": {}}, RELAY_TO_HALL),
        ({"kind": "entry", "seq": 1, "t_ms": 0, "entry_kind": 5, "fields": []}, RELAY_TO_HALL),
        ({"kind": "entry", "seq": 1, "t_ms": 0, "entry_kind": 5, "fields": {"x": "\ud800"}}, RELAY_TO_HALL),
        ({"kind": "welcome", "v": "1.0", "lecture": {"title": "no id"}}, RELAY_TO_HALL),
    ],
)
def test_values_out_of_range_are_refused(value: dict[str, Any], words: Vocabulary) -> None:
    with pytest.raises(ProtocolError) as caught:
        codec.decode(json.dumps(value), words)
    assert caught.value.error_id == "message_malformed"


def test_a_huge_message_is_refused_before_it_is_read() -> None:
    with pytest.raises(ProtocolError) as caught:
        codec.decode("[" * (codec.CLIENT_MESSAGE_BYTES + 1), HALL_TO_RELAY)
    assert caught.value.error_id == "message_too_large"
    question = json.dumps({"kind": "question", "text": "é", "pad": "é" * 30_000}, ensure_ascii=False)
    assert codec.decode(question, HALL_TO_RELAY) == m.Question("é")
    with pytest.raises(ProtocolError):
        codec.decode(question.replace('"é"', '"é"' + " " * 6_000), HALL_TO_RELAY)


def test_the_same_kind_means_what_its_socket_says() -> None:
    text = '{"kind": "hello", "v": "1.0", "token": "t"}'
    assert isinstance(codec.decode(text, HALL_TO_RELAY), m.HallHello)
    assert isinstance(codec.decode(text, LECTURER_TO_RELAY), lm.LecturerHello)
    assert codec.decode('{"kind": "turn", "deck": "d", "page": 1}', HALL_TO_RELAY) == Unknown("turn")


def test_secrets_do_not_show_in_logs() -> None:
    shown = repr(m.HallHello("1.0", code="ABCD-2345", token="hush")) + repr(lm.LecturerHello("1.0", token="hush"))
    server = parts.IceServer(("turn:x",), "user", "hush")
    shown += repr(server) + repr(m.HallWelcome("1.0", parts.LectureSummary("id"), ice_servers=(server,)))
    assert "hush" not in shown
    assert "ABCD" not in shown


def test_none_is_left_out() -> None:
    assert json.loads(codec.encode(lm.Turn("d", 1))) == {"kind": "turn", "deck": "d", "page": 1}


def test_an_entry_survives_its_message() -> None:
    entry = Entry(Kind.TURN, 1500, pack_event({"deck": "d", "page": 2, "title": "요약"}), seq=7)
    text = codec.encode(m.EntryMessage.of(entry))
    message = codec.decode(text, RELAY_TO_HALL)
    assert isinstance(message, m.EntryMessage)
    assert message.to_entry() == entry
    with pytest.raises(ValueError, match="not a JSON object"):
        m.EntryMessage.of(Entry(Kind.TURN, 0, b"[]"))


@pytest.mark.parametrize(("theirs", "agreed"), [("1.0", "1.0"), ("1.7", "1.0"), ("1.9999", "1.0")])
def test_a_newer_minor_is_spoken_to_in_ours(theirs: str, agreed: str) -> None:
    assert codec.negotiate_version(theirs) == agreed


@pytest.mark.parametrize("theirs", ["2.0", "0.9", "9999.0"])
def test_another_major_is_refused(theirs: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        codec.negotiate_version(theirs)
    assert caught.value.error_id == "version_unsupported"


@pytest.mark.parametrize("theirs", ["", "1", "1.", "1.0.0", " 1.0", "1.0\n", "one.two", "١.٠", "10000.0"])
def test_what_is_no_version_is_malformed(theirs: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        codec.negotiate_version(theirs)
    assert caught.value.error_id == "message_malformed"


def test_a_vocabulary_says_which_it_is() -> None:
    assert repr(HALL_TO_RELAY) == "Vocabulary('hall to relay')"

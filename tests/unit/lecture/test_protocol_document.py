"""docs/protocol.md says what the code does, as far as a machine can compare them."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from lecture import codec, schema, wire
from lecture.codec import Vocabulary
from lecture.entries import MAX_DURATION_MS, MEDIA_KINDS, Kind
from lecture.errors import CloseCode, ProtocolError, close_code
from lecture.messages import PROTOCOL_VERSION, Message
from lecture.session import HallSession

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
SECTIONS = {
    "5.1": codec.HALL_TO_RELAY,
    "5.2": codec.RELAY_TO_HALL,
    "5.3": codec.LECTURER_TO_RELAY,
    "5.4": codec.RELAY_TO_LECTURER,
}


def section(number: str) -> str:
    """The text under the heading with that number, up to the next one of the same or a higher level."""
    match = re.search(rf"^(#+) {re.escape(number)}\.? .*?$(.*?)(?=^#{{2,3}} |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert match is not None, number
    return match[2]


def described(number: str) -> dict[str, dict[str, str]]:
    """Messages of a section: for each kind its fields with their defaults."""
    out = {}
    for part in section(number).split("\n#### ")[1:]:
        rows = re.findall(r"^\| `(\w+)` \|[^|]*\| *([^|]*?) *\|", part, re.MULTILINE)
        out[part[1 : part.index("`", 1)]] = dict(rows)
    return out


@pytest.mark.parametrize(("number", "words"), SECTIONS.items(), ids=SECTIONS.keys())
def test_every_message_and_field_is_described(number: str, words: Vocabulary) -> None:
    found = described(number)
    # The lecturer's socket repeats some messages of the hall's; the text says which, the tables don't.
    repeated = {"entry", "clock", "state", "ended", "error"} if number == "5.4" else set()
    assert found.keys() == words.kinds.keys() - repeated
    for kind, fields in found.items():
        cls: type[Message] = words.kinds[kind]
        ours = {field.name: field for field in dataclasses.fields(cls)}
        assert fields.keys() == ours.keys(), kind
        for name, default in fields.items():
            required = ours[name].default is dataclasses.MISSING and ours[name].default_factory is dataclasses.MISSING
            assert required == (default == ""), f"{kind}.{name}"


def test_versions_kinds_and_limits_are_the_codes() -> None:
    assert TEXT.startswith(f"# The Hallcast protocol, version {PROTOCOL_VERSION}\n")
    kinds = re.findall(r"^\| (\d+) \| `(\w+)` \| (media|event) \|", section("6"), re.MULTILINE)
    assert [(int(number), name) for number, name, _ in kinds] == [(int(kind), kind.name) for kind in Kind]
    assert {name for _, name, payload in kinds if payload == "media"} == {kind.name for kind in MEDIA_KINDS}
    assert f"{MAX_DURATION_MS:,} ms" in section("6")
    for bytes_ in (codec.CLIENT_MESSAGE_BYTES, codec.RELAY_MESSAGE_BYTES, wire.MAX_FRAME_BYTES):
        assert f"{bytes_:,}" in section("4")
    frames = section("7")
    assert f"{wire.MAX_BLOB_BYTES:,}" in frames
    assert all(f"{number} `{name}`" in frames for number, name in wire.MEDIA_TYPES.items())
    assert (HallSession.ACK_FROM_BYTES, HallSession.ACK_APART_S) == (1024, 0.2)
    assert (HallSession.ACK_EVERY_BYTES, HallSession.ACK_EVERY_S) == (4096, 1.0)


def test_close_codes_are_the_codes() -> None:
    listed = set(map(int, re.findall(r"^\| (\d{4}) \|", section("12"), re.MULTILINE)))
    assert listed == set(CloseCode)
    for error_id, code in re.findall(r"^\| `(\w+)` \| (1\d{3}|44\d\d) \|", section("12"), re.MULTILINE):
        if error_id not in {"hello_timeout", "internal_error"}:  # refusals of the relay's own, by status and class
            assert close_code(ProtocolError(error_id, "")) == int(code), error_id


def test_every_error_that_reaches_a_peer_is_listed() -> None:
    listed = set(re.findall(r"`([a-z]+(?:_[a-z]+)*)`", section("12")))
    sources = [
        *(ROOT / "lecture").glob("*.py"),
        *(ROOT / "relay" / "media").glob("*.py"),
        *(ROOT / "transport").glob("sdp*.py"),
        ROOT / "relay" / "access.py",
        ROOT / "relay" / "signalling" / "whip.py",
        ROOT / "relay" / "signalling" / "sockets.py",
        ROOT / "relay" / "signalling" / "decks.py",
    ]
    raised = {
        error_id: path.name
        for path in sources
        for error_id in re.findall(
            r"\b(?:ProtocolError|RefusedError|SdpError|DeckError)\(\s*\"(\w+)\"", path.read_text(encoding="utf-8")
        )
    }
    assert raised.keys() - listed == set(), "add these to docs/protocol.md, section 12"


def test_the_lecture_files_schema_is_the_documented_one() -> None:
    text = (ROOT / "docs" / "lecture-file.md").read_text(encoding="utf-8")
    documented = text.split("```sql\n")[1].split("```")[0]
    statements = {" ".join(statement.split()) for statement in documented.split(";") if statement.strip()}
    ours = {" ".join(statement.split()) for statement in (*schema.TABLES.values(), *schema.INDEXES.values())}
    assert statements == ours
    assert f"{schema.APPLICATION_ID:#x}".upper().replace("X", "x") in text
    assert f"{schema.USER_VERSION} for format {schema.FORMAT_MAJOR}.{schema.FORMAT_MINOR}" in text
    assert text.startswith(f"# The lecture file, format {schema.FORMAT_MAJOR}.{schema.FORMAT_MINOR}\n")

"""The documents: what they lead to is there, and what they have people type is understood."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hallcast.cli import COMMANDS, main

ROOT = Path(__file__).parents[3]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_COMMAND = re.compile(r"\bhallcast ((?:[a-z]+ ?)+)([^`\n|]*)")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


def anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for link in _LINK.findall(document.read_text()):
        path, _, place = link.partition("#")
        if ":" in path:
            continue
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), link
        assert not place or place in anchors(target), link


def explained(words: tuple[str, ...], capture: pytest.CaptureFixture[str]) -> str:
    """What ``--help`` says of a command, empty if there is none."""
    with pytest.raises(SystemExit) as ended:
        main([*words, "--help"])
    text = capture.readouterr().out
    return text if ended.value.code == 0 and f"usage: hallcast {' '.join(words)} " in f"{text} " else ""


def typed(text: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Commands that a document has people type: their words, and what follows."""
    for said, rest in _COMMAND.findall(text.replace("\\\n", " ")):
        words = tuple(said.split())
        if words[0] in COMMANDS:
            yield words, rest


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_are_there_with_their_options(document: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, rest in typed(document.read_text()):
        # `hallcast stream goes on`: words of the sentence follow the command's.
        known = next((help_ for count in (2, 1) if (help_ := explained(words[:count], capsys))), "")
        assert known, words
        for option in _OPTION.findall(rest):
            assert re.search(rf"(?<![\w-]){option}(?![\w-])", known), f"{words} {option}"


def test_the_targets_of_make_are_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    asked = {name for path in DOCUMENTS for name in re.findall(r"`make ([a-z-]+)", path.read_text())}
    asked |= set(re.findall(r"^make ([a-z-]+)", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert {"run", "test"} <= asked <= targets

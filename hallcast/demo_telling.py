"""What ``hallcast demo`` says of its parts, to people or to programs."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from lecture.json_line import print_json

_COLOURS = {"relay": "cyan", "lecturer": "green", "hall": "magenta", "hallcast": "bold"}


class Teller:
    """Says in plain words, one line each, what a part is doing.

    With ``as_json`` a line is an object with ``part`` (``relay``, ``lecturer``, ``hall``, ``hallcast``) and ``event``.
    These are what the parts print themselves, and of ``hallcast`` ``say``, ``addresses`` (``relay``, ``lecture``,
    ``title``, ``hall_code``, ``studio``, ``hall``, ``library``, ``console``, ``staff_token_file``), ``receipt``
    (``voice_heard_ms``, ``voice_sent_ms``, ``pages_shown``, ``pages_turned``, ``link_kbps_mean``) and ``recording``
    (``lecture``, ``library``, ``data``).
    """

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._console = Console(highlight=False, soft_wrap=True)

    def tell(self, event: str, facts: dict[str, Any], part: str, lines: list[str]) -> None:
        """Tell something of our own.

        :param lines: the same in plain words, which ``part`` says.
        """
        if self._as_json:
            print_json({"part": "hallcast", "event": event, **facts})
            return
        for line in lines:
            self.say(part, line)

    def say(self, part: str, text: str) -> None:
        """Say a sentence."""
        if self._as_json:
            print_json({"part": part, "event": "say", "text": text})
            return
        self._console.print(f"[{_COLOURS[part]}]{part:>8}[/]  ", end="")
        self._console.print(text, markup=False)

    def event(self, part: str, event: dict[str, Any]) -> None:
        """Tell an event that a part printed as a JSON line; in words only those that people care for."""
        if self._as_json:
            print_json({"part": part, **event})
            return
        match event:
            case {"event": "say", "text": str(text)}:
                self.say(part, text)
            case {"event": "page", "page": page, **rest}:
                verb = "shows" if part == "hall" else "turns to"
                title = f": {rest['title']}" if rest.get("title") else ""
                self.say(part, f"{verb} page {page}{title}")
            case {"event": "note", "text": str(text)}:
                self.say(part, f"shows a note: {text}")
            case {"error": {"text": str(text)}}:
                self.say(part, text)

"""What the lecturer sees in the terminal."""

from __future__ import annotations

from collections import deque

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from lecture.message_parts import HallStatus
from streamer.events import StreamStatus
from streamer.keys import HELP

MAX_HALLS = 12
MAX_SENTENCES = 6
_METER = 20
_METER_FLOOR_DB = -60.0
_LINES = {
    "up": ("green", "connected"),
    "down": ("bold red", "DOWN; the lecture is kept on this machine"),
    "connecting": ("yellow", "connecting…"),
}


class View:
    """Draws a :class:`streamer.events.StreamStatus`.

    :ivar prompt: what the keys wait for.
    """

    def __init__(self, lecture: str, relay: str) -> None:
        self.prompt = ""
        self._heading = f"Hallcast: lecture {lecture} at {relay}"
        self._sentences: deque[str] = deque(maxlen=MAX_SENTENCES)

    def say(self, text: str) -> None:
        """Show a sentence below."""
        self._sentences.append(text)

    def draw(self, status: StreamStatus | None) -> RenderableType:
        """The picture now."""
        parts: list[RenderableType] = []
        if status is not None:
            parts.append(_facts(status))
            parts.append(_halls(status.halls))
        parts += [Text(sentence, style="dim") for sentence in self._sentences]
        parts.append(Text(self.prompt, style="bold yellow") if self.prompt else Text(HELP, style="cyan"))
        return Panel(Group(*parts), title=self._heading, title_align="left")


def _facts(status: StreamStatus) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column()
    table.add_row("Line", _line(status))
    table.add_row("Voice", _voice(status))
    table.add_row("Camera", "on" if status.camera else "none")
    if status.screen is not None:
        table.add_row("Screen", Text("shown in the halls", "green") if status.screen else Text("not shared"))
    table.add_row("Page", _page(status))
    if status.missing_ms or status.repaired_ms:
        table.add_row("Recording", _recording(status))
    kept = Text(status.own_copy)
    if status.own_copy_trouble:
        kept = Text(f"NOT WRITTEN: {status.own_copy_trouble}", style="bold red")
    table.add_row("Own copy", kept)
    return table


def _line(status: StreamStatus) -> Text:
    style, words = _LINES[status.line]
    text = Text.assemble(("● ", style), (words, style), f"   {status.link_kbps:.0f} kbit/s sent")
    if status.rtt_s is not None:
        text.append(f"   round trip {status.rtt_s * 1000:.0f} ms   lost {status.fraction_lost:.1%}")
    return text


def _recording(status: StreamStatus) -> Text:
    if not status.missing_ms:
        return Text(f"whole; {status.repaired_ms / 1000:.0f} s repaired", style="green")
    all_ms = status.missing_ms + status.repaired_ms
    return Text(f"repairing: {status.repaired_ms / 1000:.0f} of {all_ms / 1000:.0f} s", style="yellow")


def _voice(status: StreamStatus) -> Text:
    full = round(_METER * (1 - max(_METER_FLOOR_DB, status.level_db) / _METER_FLOOR_DB))
    of = f" of {minutes(status.duration_ms)}" if status.duration_ms else ""
    return Text.assemble(("█" * full, "green"), ("·" * (_METER - full), "dim"), f"  {minutes(status.spoken_ms)}{of}")


def _page(status: StreamStatus) -> Text:
    if not status.page:
        words = "none shown yet"
    else:
        words = str(status.page) + (f" of {status.page_count}" if status.page_count else "")
        words += f"  {status.page_title}"
    text = Text(words)
    if status.deck_sent < 1:
        text.append(f"   slides: {status.deck_sent:.0%} sent", "yellow")
    elif status.page_count and status.deck_rendered < status.page_count:
        text.append(f"   slides: {status.deck_rendered} of {status.page_count} ready", "yellow")
    return text


def _halls(halls: tuple[HallStatus, ...]) -> RenderableType:
    if not halls:
        return Text("No hall has come yet.", style="dim")
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("Hall", "People", "Behind", "Page", "Voice", "Round trip", "Lost"):
        table.add_column(heading)
    for hall in halls[:MAX_HALLS]:
        table.add_row(*_hall(hall), style="" if hall.connected else "red")
    if len(halls) > MAX_HALLS:
        table.add_row(f"and {len(halls) - MAX_HALLS} more")
    return table


def _hall(hall: HallStatus) -> tuple[str, ...]:
    if not hall.connected:
        return (hall.name, str(hall.heads or ""), "not connected")
    voice = f"{hall.rung} kbit/s" if hall.rung else ""
    behind = f"{max(0, hall.behind_ms) / 1000:.1f} s"
    return (
        hall.name,
        str(hall.heads or ""),
        behind,
        str(hall.page or ""),
        voice,
        f"{hall.rtt_ms} ms",
        f"{hall.fraction_lost:.0%}",
    )


def in_words(status: StreamStatus) -> str:
    """A line of text that says how it is going, where nothing can be drawn."""
    facts = [f"line {_LINES[status.line][1]}", f"{status.link_kbps:.0f} kbit/s sent"]
    if status.rtt_s is not None:
        facts += [f"round trip {status.rtt_s * 1000:.0f} ms", f"{status.fraction_lost:.1%} lost"]
    facts += [f"page {_page(status)}"] if status.page or status.deck_sent < 1 else []
    if status.missing_ms:
        facts.append(f"recording: {_recording(status)}")
    halls = [hall for hall in status.halls if hall.connected]
    behind = f", at most {max(hall.behind_ms for hall in halls) / 1000:.1f} s behind" if halls else ""
    gone = f", {len(status.halls) - len(halls)} not connected" if len(halls) < len(status.halls) else ""
    facts.append(f"{len(halls)} hall{'' if len(halls) == 1 else 's'}{behind}{gone}")
    return f"{minutes(status.spoken_ms)}  " + "; ".join(facts)


def minutes(ms: int) -> str:
    """``4:02``."""
    seconds = ms // 1000
    return f"{seconds // 60}:{seconds % 60:02}"

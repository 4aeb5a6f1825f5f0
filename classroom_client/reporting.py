"""What a hall tells of itself: to the relay every two seconds, to people at any time, in the end as a receipt."""

from __future__ import annotations

from classroom_client.meter import LinkMeter
from classroom_client.player import Player
from classroom_client.receipt import HallReceipt
from classroom_client.reception import Reception
from classroom_client.screen_stills import SCREEN_DECK
from classroom_client.settings import HallSettings
from classroom_client.timeline import Timeline
from classroom_client.view import Link, Sound, View
from lecture.messages import Report

_STALL_SHOWN_S = 0.4


class LinkFacts:
    """What the connection knows of the link.

    :ivar down_since: when the socket went down, None while it is up.
    :ivar retry_at: when the next try begins.
    :ivar join_error: id of why the hall could not join yet, empty before the first try has failed.
    :ivar down_error: id of why the socket ended, empty while it is up.
    :ivar connected_s: how long a socket stood, in all.
    """

    def __init__(self) -> None:
        self.state = Link.JOINING
        self.down_since: float | None = None
        self.retry_at = 0.0
        self.join_error = ""
        self.down_error = ""
        self.reconnects = 0
        self.fraction_lost = 0.0
        self.rtt_s: float | None = None
        self.connected_s = 0.0
        self.meter = LinkMeter()


def make_view(
    reception: Reception | None, link: LinkFacts, heard_ms: int | None, now: float, *, disk_error: str, finished: bool
) -> View:
    """The hall at this moment."""
    usage = link.meter.usage(now)
    common = {
        "link": link.state,
        "retry_in_s": max(0.0, link.retry_at - now) if link.state is Link.DOWN else 0.0,
        "join_error": link.join_error,
        "down_error": link.down_error,
        "link_down_s": now - link.down_since if link.down_since is not None else 0.0,
        "in_kbps": round(usage.in_kbps, 1),
        "out_kbps": round(usage.out_kbps, 1),
        "fraction_lost": round(link.fraction_lost, 4),
        "rtt_ms": round((link.rtt_s or 0) * 1000),
        "reconnects": link.reconnects,
        "disk_error": disk_error,
    }
    if reception is None:
        return View(**common)  # type: ignore[arg-type]
    summary, screen, timeline = reception.facts.summary, reception.screen, reception.timeline
    turn = screen.turn
    deck = reception.book.decks.get(turn.deck) if turn else None
    live = reception.edge.live_ms(now)
    gaps = reception.gaps(now)
    return View(
        sound=Sound.FINISHED if finished else sound_of(timeline, now),
        carrier=reception.carrier.in_use(now),
        lecture_state=summary.state,
        publisher=reception.facts.publisher,
        title=summary.title,
        course=summary.course,
        language=reception.language,
        t_ms=int(live or 0),
        heard_ms=heard_ms,
        behind_ms=0 if finished else behind_ms(timeline, heard_ms, now),
        delay_ms=timeline.delay_ms,
        budget_kbps=reception.facts.budget_kbps,
        rung=reception.rung,
        text_rung=reception.text_rung(now),
        gaps=len(gaps),
        gap_ms=sum(span.end_ms - span.start_ms for span in gaps),
        page=turn.page if turn else 0,
        page_count=deck.page_count if deck else 0,
        page_title=reception.book.title(turn.deck, turn.page) if turn else "",
        page_waiting=screen.waiting,
        picture=screen.picture,
        drawing=screen.drawing,
        note=reception.notes.shown,
        questions_waiting=len(reception.questions.waiting),
        questions_asked=reception.questions.asked,
        question_error=reception.questions.refused,
        **common,  # type: ignore[arg-type]
    )


def sound_of(timeline: Timeline, now: float) -> Sound:
    """What the voice does."""
    if timeline.position_ms is None:
        return Sound.WAITING
    if timeline.stalled_since is not None and now - timeline.stalled_since > _STALL_SHOWN_S:
        return Sound.STALLED
    return Sound.CATCHING_UP if timeline.catching_up else Sound.PLAYING


def behind_ms(timeline: Timeline, heard_ms: int | None, now: float) -> int:
    """How far what is heard is behind the live edge."""
    live = timeline.live_ms(now)
    return 0 if live is None or heard_ms is None else max(0, round(live - heard_ms))


def make_report(view: View, player: Player | None, rung: str, heads: int) -> Report:
    """For the relay."""
    return Report(
        voice_heard_ms=player.heard.known_ms() if player else 0,
        behind_ms=view.behind_ms,
        playout_delay_ms=view.delay_ms,
        fraction_lost=min(1.0, view.fraction_lost),
        rtt_ms=view.rtt_ms,
        received_kbps=view.in_kbps,
        rung=rung,
        gaps=view.gaps,
        carrier=view.carrier,
        page=_page_seen(view),
        heads=heads,
    )


def _page_seen(view: View) -> int:
    """The page on the projector, which is another than the one that belongs there while that is on its way."""
    if not view.page_waiting:
        return view.page
    picture = view.picture
    return 0 if picture is None or picture.deck == SCREEN_DECK else picture.page


def make_receipt(
    reception: Reception, player: Player, link: LinkFacts, settings: HallSettings, *, played: bool
) -> HallReceipt:
    """The whole lecture, restarts of the hall included."""
    ended = reception.facts.ended
    progress = reception.progress
    connected_s = progress.connected_s + link.connected_s
    wire_bytes = progress.wire_bytes + link.meter.in_bytes + link.meter.out_bytes
    return HallReceipt(
        lecture=reception.facts.summary.id,
        hall=settings.name,
        ended=played,
        complete=reception.complete,
        voice_sent_ms=ended.voice_sent_ms if ended else max(reception.facts.voice_end_ms, 0),
        voice_heard_ms=player.heard.known_ms(),
        voice_kept_ms=reception.voice.have.known_ms(),
        concealed_ms=player.concealed_ms,
        pages_shown=len(reception.screen.shown_seqs),
        pages_turned=reception.book.turns_before(ended.t_ms if ended else None),
        link_kbps_mean=round(wire_bytes * 8 / 1000 / connected_s, 1) if connected_s > 0 else 0.0,
        longest_silence_ms=max(progress.longest_silence_ms, player.longest_silence_ms),
        reconnects=progress.reconnects + link.reconnects,
        heads=settings.heads,
        questions=reception.questions.asked,
        file=str(reception.copy.path) if reception.copy.kept else "",
    )

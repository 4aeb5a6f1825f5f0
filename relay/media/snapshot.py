"""A lecture's state in figures, for staff and ``/metrics``.

``lecture`` (id, title, course, languages, state, publisher, t_ms); ``publishers`` (role, language, connected, remote,
silent_s, rtt_ms, sources: kind, codec, rid, kbps, fraction_lost, jitter_ms, packets, repaired, given_up; malformed);
``voices`` by language (recorded_end_ms, concealed_ms, made_kbps, listeners, missing_ms and repaired_ms of the
recording); ``camera`` (codec, viewers);
``halls`` (fields of :class:`lecture.messages.HallStatus`; ``silent_s`` since it was last heard; ``page_due``, the page
that belongs to what it hears now, of a hall that has gone the lecturer's page; of those connected ``link``, see
:meth:`relay.media.hall.HallConnection.link`, of which console and metrics show budget_kbps, used_kbps, queue_ms,
fraction_lost, rtt_ms, rung (kbit/s of the voice), text (bool: the text rung), camera_kbps, carrier (rtp, socket) and
class_bytes (sent in all, by name of :class:`relay.adaptation.pacer.Class`); voice_copies says how many packs of voice
before its own the one is that each brings along, 0 for none); ``questions`` (the newest, oldest first:
t_ms, hall, text);
``players`` (links of standard players); ``recorder`` (committed_ms, pending_bytes, dropped_entries, trouble,
set_aside);
``deck`` (deck, page, page_count, decks, troubles). Rates in kbit/s of UDP payload.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from relay.media.publisher import Publisher
from relay.media.repair import RepairDesk
from relay.media.stage import Stage
from relay.media.subscriber import Subscriber


def snapshot(
    stage: Stage,
    publishers: list[Publisher],
    players: list[Subscriber],
    deck_troubles: dict[str, str],
    repair: RepairDesk,
) -> dict[str, Any]:
    """All of it, JSON-ready."""
    now = stage.now
    book = stage.book
    shown = book.decks.get(book.deck)
    return {
        "lecture": {
            **asdict(stage.summary),
            "languages": list(stage.info.languages),
            "publisher": stage.publisher_state,
            "t_ms": stage.now_ms(),
        },
        "publishers": [_publisher(publisher, now) for publisher in publishers],
        "voices": {
            language: {
                "recorded_end_ms": line.recorded_end_ms,
                "concealed_ms": line.concealed_ms,
                "made_kbps": line.made_kbps,
                "listeners": len(line.senders),
                **repair.facts(language),
            }
            for language, line in stage.voices.items()
        },
        "camera": {"codec": stage.camera.codec, "viewers": sum(sender.on for sender in stage.camera.senders)},
        "halls": _halls(stage),
        "questions": stage.overview.questions,
        "players": [player.facts() for player in players],
        "recorder": {
            "committed_ms": stage.recorder.committed_ms,
            "pending_bytes": stage.log.pending_bytes,
            "dropped_entries": stage.log.dropped_entries,
            "trouble": stage.recorder.trouble,
            "set_aside": stage.set_aside,
        },
        "deck": {
            "deck": book.deck,
            "page": book.page,
            "page_count": shown.page_count if shown else 0,
            "decks": sorted(book.decks),
            "troubles": dict(deck_troubles),
        },
    }


def _halls(stage: Stage) -> list[dict[str, Any]]:
    connected = {hall.name: hall for hall in stage.roster}
    now, now_ms = stage.now, stage.now_ms()
    halls = []
    for status, heard_s in stage.roster.heard():
        hall = connected.get(status.name) if status.connected else None
        heard_ms = now_ms - status.behind_ms if hall is not None else now_ms
        halls.append(
            {
                **asdict(status),
                "silent_s": round(now - heard_s, 1),
                "page_due": stage.overview.page_at(heard_ms),
                "link": None if hall is None else hall.link(),
            }
        )
    return halls


def _publisher(publisher: Publisher, now: float) -> dict[str, Any]:
    peer = publisher.session.peer
    address = peer.remote_address
    return {
        "role": publisher.role,
        "language": publisher.voice.language,
        "connected": peer.connected,
        "remote": f"{address[0]}:{address[1]}" if address else "",
        "silent_s": round(publisher.silent_s(now), 1),
        "rtt_ms": None if peer.rtt_s is None else round(peer.rtt_s * 1000),
        "malformed": publisher.malformed,
        "sources": [
            {
                "kind": source.media.kind,
                "codec": source.media.codec.name,
                "rid": source.rid,
                "kbps": round(source.kbps, 1),
                "fraction_lost": round(source.stream.stats.fraction_lost, 4),
                "jitter_ms": round(source.stream.stats.jitter_s * 1000, 1),
                "packets": source.stream.stats.packets,
                "repaired": source.stream.stats.repaired,
                "given_up": source.stream.stats.given_up,
            }
            for source in publisher.sources
        ],
    }

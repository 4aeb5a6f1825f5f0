"""From a lecture's raw results to figures, and the figures beside the bars."""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.thin_links import pages, rungs, screens, voice, wire
from benchmarks.thin_links.legible import Reader
from benchmarks.thin_links.links import LINKS, Link
from benchmarks.thin_links.voice import Behind, Gap
from lecture.file import LectureFile

_SETTLED_S = 3.0  # near the live edge for so long: back there
_CAMERA_SHOWN = 0.2
"""The camera counts as shown when its pictures came in this share of the time: pages and outages take their part."""
_LATE_LIMIT_MS = 5.0
_SCREEN_CLASS = "page"  # stills of the screen go as the page would whose place they take
_RAISED = re.compile(r"^[A-Za-z_.]+(Error|Exception)\b")
_SAID = (
    "carrier", "delay_ms", "behind_ms", "budget_kbps", "rung", "text_rung",
    "rtt_ms", "fraction_lost", "gaps", "link",
)  # fmt: skip
_COST_RUNG = "12"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure beside its bar.

    :param value: as measured, None where there is nothing to measure (then it is not met).
    :param bar: as people read it, e.g. ``≤ 6 s``; empty where none is set.
    :param ok: None where no bar is set.
    """

    name: str
    value: float | None
    unit: str
    bar: str = ""
    ok: bool | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """All that is known of one lecture over one link."""

    link: str
    prefetched: bool
    figures: list[Figure]
    detail: dict[str, Any]

    @property
    def missed(self) -> list[Figure]:
        """Bars that were not met."""
        return [figure for figure in self.figures if figure.ok is False]

    def to_json(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)

    @classmethod
    def from_json(cls, item: dict[str, Any]) -> Result:
        """The reverse."""
        return cls(item["link"], item["prefetched"], [Figure(**one) for one in item["figures"]], item["detail"])


def judge(folder: Path, cache: Path) -> Result:
    """Judge the lecture whose raw results are in ``folder``; its figures are also written there."""
    facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    link = LINKS[facts["link"]]
    link = link.shortened() if facts["short"] else link
    lecture_file = folder / facts["lecture_file"]
    zero_s = _lecture_zero_s(lecture_file) - facts["boot_minus_monotonic_s"]
    first_word_s = facts["first_word_s"]
    heard = voice.Heard.read(folder / "heard.wav")
    ticks = wire.between(wire.ticks(folder / "link.jsonl", first_word_s), 0, link.length_s)
    progress = _progress(folder / "hall.jsonl", first_word_s)

    spoken, voice_detail = _voice(folder, lecture_file, heard, link, zero_s, first_word_s)
    look = _screen if link.screen else _pages
    shown, page_detail = look(folder, facts, lecture_file, heard, link, Reader(cache))
    spent, cost_detail = cost(ticks, progress, link)
    kept = hall_file(voice_detail["frames_kept"], voice_detail["frames_sent"], facts["hall_done"], link)
    figures = [*spoken, kept, *shown, *spent]
    class_kbps = wire.class_kbps(facts["machine"]["sent"], first_word_s, first_word_s + link.length_s)
    if link.screen:
        figures.append(_at_most("screen", class_kbps.get(_SCREEN_CLASS), link.bars.screen_kbps, "kbit/s"))
    if facts["camera"]:
        figures.append(_camera(ticks, link, figures))
    detail = {
        **voice_detail,
        **page_detail,
        **cost_detail,
        "progress": progress,
        "machine": _machine(facts, ticks),
        "class_kbps": class_kbps,
        "errors": _errors(folder / "log.txt"),
        "hall_done": facts["hall_done"],
        "length_s": link.length_s,
        "first_word_s": first_word_s,
    }
    result = Result(link.name, facts["prefetched"], figures, detail)
    (folder / "result.json").write_text(json.dumps(result.to_json(), indent=1) + "\n", encoding="utf-8")
    return result


def _lecture_zero_s(lecture_file: Path) -> float:
    """Boot-time second of lecture time 0."""
    with LectureFile.open(lecture_file, readonly=True) as file:
        return float(file.get_meta("clock_zero_boot_s") or "nan")


def _errors(log: Path) -> list[str]:
    """What the parts took for an error, and how their tracebacks ended."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return [line for line in lines if " ERROR " in line or _RAISED.match(line)][:20]


def _progress(path: Path, first_word_s: float) -> list[dict[str, Any]]:
    """What the hall said of itself every two seconds."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        if event.get("event") == "progress":
            found.append({"at_s": round(event["at_s"] - first_word_s, 2), **{key: event.get(key) for key in _SAID}})
    return found


def _voice(
    folder: Path, lecture_file: Path, heard: voice.Heard, link: Link, zero_s: float, first_word_s: float
) -> tuple[list[Figure], dict[str, Any]]:
    bars = link.bars
    sent = voice.sent_frames(lecture_file)
    kept = voice.kept_frames(next((folder / "hall").glob("*.lecture")))
    # What was sent: the frames as they came to the hall, in whatever rung; what it has not, as the relay recorded it.
    reference = voice.decoded({**sent, **{number: data for number, data in kept.items() if number in sent}})
    laid = voice.laid(reference, heard.voice, len(heard.pcm))
    where = np.zeros(len(heard.pcm), np.bool_)
    for sample, samples, _, _ in heard.voice:
        where[int(sample) : int(sample) + int(samples)] = True
    scores = voice.likeness(laid, heard.pcm, where)
    recorded = voice.decoded(sent)
    rung_scores = voice.likeness(recorded, reference, np.ones(len(recorded), np.bool_))
    got = voice.truly_heard(sent, heard, laid)
    share = len(got) / len(sent) if sent else 0.0
    gaps = voice.gaps(heard, set(sent), zero_s, first_word_s, link)
    outside = [gap for gap in gaps if not gap.outage]
    behind = voice.behind(heard, zero_s, first_word_s)
    steady = [item.behind_s for item in behind if _is_steady(item, link)]
    stoi = float(np.mean(scores)) if scores else 0.0
    longest_ms = max((gap.length_s for gap in outside), default=0.0) * 1000
    figures = [
        Figure("voice heard", share, "share", _at_least(bars.voice_heard), share >= bars.voice_heard),
        Figure("STOI", stoi, "", f"≥ {bars.stoi}", stoi >= bars.stoi),
        Figure("longest gap", longest_ms, "ms", f"≤ {bars.gap_ms} ms", longest_ms <= bars.gap_ms),
        _at_most("behind, worst", max(steady, default=None), bars.behind_s, "s"),
    ]
    back = [_back(behind, outage.end_s, bars.behind_s) for outage in link.outages]
    for outage, took_s in zip(link.outages, back, strict=True):
        allowed_s = outage.back_by_s - outage.end_s
        figures.append(_at_most(f"back after {outage.length_s:g} s", took_s, allowed_s, "s"))
    detail = {
        "frames_sent": len(sent),
        "frames_heard": len(got),
        "frames_kept": len(kept.keys() & sent.keys()),
        "frames_missing": sorted(set(sent) - got)[:200],
        "stoi_windows": [round(score, 3) for score in scores],
        "rungs_stoi": round(float(np.mean(rung_scores)), 3) if rung_scores else None,
        "gaps": [asdict(gap) for gap in gaps],
        "starved_gaps": [asdict(gap) for gap in outside if gap.starved_s > gap.length_s / 2],
        "behind": [[item.at_s, item.behind_s] for item in behind],
        "behind_median_s": round(float(np.median(steady)), 2) if steady else None,
        "outages": [[outage.start_s, outage.end_s] for outage in link.outages],
    }
    return figures, detail


def _is_steady(item: Behind, link: Link) -> bool:
    return item.at_s <= link.length_s and not any(
        outage.start_s <= item.at_s <= outage.back_by_s for outage in link.outages
    )


def _back(behind: list[Behind], end_s: float, bar_s: float) -> float | None:
    """Seconds from the end of an outage until the hall is near the live edge and stays there."""
    after = [item for item in behind if item.at_s >= end_s]
    for item in after:
        soon = [other for other in after if item.at_s <= other.at_s <= item.at_s + _SETTLED_S]
        if all(other.behind_s <= bar_s for other in soon):
            return round(item.at_s - end_s, 1)
    return None


def _pages(
    folder: Path, facts: dict[str, Any], lecture_file: Path, heard: voice.Heard, link: Link, reader: Reader
) -> tuple[list[Figure], dict[str, Any]]:
    bars = link.bars
    deck = folder / facts["deck"]
    turned = pages.figures(lecture_file, folder / "pages", deck, heard, reader)
    late = [page.legible_s for page in turned]
    sharp = [page.sharp_s for page in turned]
    figures = []
    if facts["prefetched"]:
        worst = None if None in late else max((abs(value) for value in late if value is not None), default=None)
        figures.append(_at_most("page off its voice, worst", worst, bars.prefetched_late_s, "s"))
    else:
        figures.append(_at_most("page late, p90", pages.p90(late), bars.page_late_s, "s"))
    slowest = None if None in sharp else max((value for value in sharp if value is not None), default=None)
    if bars.sharp_s is None:
        figures.append(Figure("page sharp, worst", slowest, "s"))
    else:
        figures.append(_at_most("page sharp, worst", slowest, bars.sharp_s, "s"))
    return figures, {"pages": [asdict(page) for page in turned]}


def _screen(
    folder: Path, facts: dict[str, Any], lecture_file: Path, heard: voice.Heard, link: Link, reader: Reader
) -> tuple[list[Figure], dict[str, Any]]:
    """The lecturer's screen instead of pages; its film begins with the first word, when the first page is turned to."""
    (start_ms, _), *_ = pages.turns(lecture_file)
    looked = screens.samples(Path(facts["screen"]), folder / "pages", start_ms, link.length_s, reader)
    share = screens.legible_share(looked)
    bar = link.bars.screen_legible
    figures = [Figure("legible screen", share, "share", _at_least(bar), share >= bar)]
    return figures, {"pages": [], "screen": [asdict(sample) for sample in looked]}


def hall_file(kept: int, sent: int, done: bool, link: Link) -> Figure:
    """Whether the hall's file has every frame in the end, and the hall knew it; a bar where outages tore it.

    :param done: the hall ended by itself, having heard and kept everything.
    """
    share = kept / sent if sent else 0.0
    if not link.outages:
        return Figure("hall's file", share, "share")
    return Figure("hall's file", share, "share", "without gaps", done and share == 1.0)


def cost(ticks: list[wire.Tick], progress: list[dict[str, Any]], link: Link) -> tuple[list[Figure], dict[str, Any]]:
    """What it took of the link. The voice's bar is for one rung, so it is held against the time on that rung."""
    bars = link.bars
    lecture = wire.kbps(ticks, lambda kind: kind not in wire.CAMERA_KINDS)
    stretches = rungs.stretches(progress, link.length_s)
    spoken = wire.kbps(ticks, _is_voice)
    on_rung = rungs.ticks_on(ticks, stretches, _COST_RUNG)
    cost_kbps = wire.kbps(on_rung, _is_voice) if on_rung else None
    figures = [
        _at_most("lecture without camera", lecture, bars.lecture_kbps, "kbit/s"),
        _at_most("voice with protection", spoken, bars.voice_kbps, "kbit/s"),
        _at_most("voice in 12 kbit/s", cost_kbps, bars.voice_12_kbps, "kbit/s"),
        _at_most("link's queue, p95", wire.queue_p95_ms(ticks), bars.queue_p95_ms, "ms"),
    ]
    detail = {
        "down_kbps": round(wire.kbps(ticks), 1),
        "up_kbps": round(wire.kbps(ticks, way="up"), 1),
        "camera_kbps": round(wire.kbps(ticks, lambda kind: kind in wire.CAMERA_KINDS), 1),
        "data_kbps": round(wire.kbps(ticks, lambda kind: kind in wire.DATA_KINDS), 1),
        "tcp_kbps": round(wire.kbps(ticks, lambda kind: kind == "tcp"), 1),
        "rung_shares": {rung: round(share, 3) for rung, share in rungs.shares(stretches).items()},
        "up_queue_p95_ms": round(float(np.percentile([tick.up["queue_ms"] for tick in ticks], 95)), 0)
        if ticks
        else None,
        "dropped": sum(tick.down["dropped"] for tick in ticks),
        "lost": sum(tick.down["lost"] for tick in ticks),
    }
    return figures, detail


def _is_voice(kind: str) -> bool:
    return kind in wire.VOICE_KINDS


def _camera(ticks: list[wire.Tick], link: Link, figures: list[Figure]) -> Figure:
    """On links with room it must be seen; on the others it must not be while voice or pages miss their bars."""
    if not link.bars.camera:
        share = wire.camera_share(ticks)
        suffers = any(figure.ok is False for figure in figures if figure.name.startswith(("voice heard", "page")))
        return Figure("camera shown", share, "share", "not where voice or page suffer", not (share and suffers))
    wide = [ticks]
    if link.steps:
        wide = [wire.between(ticks, 0, link.steps[0].at_s), wire.between(ticks, link.steps[-1].at_s, math.inf)]
    share = min(wire.camera_share(part) for part in wide)
    return Figure("camera shown", share, "share", _at_least(_CAMERA_SHOWN), share >= _CAMERA_SHOWN)


def _at_most(name: str, value: float | None, bar: float | None, unit: str) -> Figure:
    if bar is None:
        return Figure(name, value, unit)
    return Figure(name, value, unit, f"≤ {bar:g} {unit}", value is not None and value <= bar)


def _at_least(share: float) -> str:
    return f"≥ {share * 100:g} %"


def _machine(facts: dict[str, Any], ticks: list[wire.Tick]) -> dict[str, Any]:
    """Whether the machine kept up, in words too: a starved lecture is no measurement."""
    usual_ms, worst_ms = wire.late_ms(ticks)
    parts = facts["machine"]["parts"]
    said = [
        f"{name} waited for a core {part['waited_s']:.1f} s in {part['seconds']} s"
        f" (worst second {part['worst_second_share']:.0%})"
        for name, part in parts.items()
        if part["starved_s"] > part["seconds"] * 0.05 and name != "lecturer"
    ]
    if usual_ms > _LATE_LIMIT_MS:
        said.append(f"the forwarder was up to {worst_ms:.0f} ms late with packets (p99 {usual_ms:.1f} ms)")
    if not facts["forwarder_realtime"]:
        said.append("the forwarder had no real-time priority")
    return {
        "description": facts["machine"]["description"],
        "forwarder_late_p99_ms": round(usual_ms, 2),
        "forwarder_late_worst_ms": round(worst_ms, 2),
        "parts": parts,
        "starved": said,
    }


def gap_list(result: Result) -> list[Gap]:
    """The gaps of a result."""
    return [Gap(**item) for item in result.detail["gaps"]]

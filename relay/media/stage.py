"""The stage: what all sessions of one lecture share. It owns no tasks; :mod:`relay.media.live` does."""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from datetime import UTC, datetime
from typing import Any, Literal

from lecture.entries import Entry, Kind, pack_event
from lecture.file import LectureFile
from lecture.log import Blob, Span
from lecture.message_parts import IceServer, LectureState, LectureSummary, PublisherState
from recordings.merge import SET_ASIDE_KEY
from relay.media.camera_line import CameraLine
from relay.media.fanout import Fanout
from relay.media.lecture_clock import CLOCK_META_KEYS, LectureClock, read_boot_time
from relay.media.lecture_events import LectureEvents
from relay.media.recorder import Recorder
from relay.media.roster import HallRoster
from relay.media.screen_line import ScreenLine
from relay.media.settings import HallSettings, LectureInfo, MediaSettings
from relay.media.voice_line import IDLE_S, VoiceLine
from transport.network import NetworkConfig

Role = Literal["lecturer", "interpreter"]
PAST_MS = 12 * 3600 * 1000
"""What a lecturer did while the line was down comes with its end, however long that took."""
CACHED_BLOBS = 16
REMEMBERED_LINKS = 1000
EDGE_MARGIN_MS = 1_500
"""While nobody speaks a language, its log is taken for complete up to this long ago."""


class Stage:
    """One lecture's log, clock, lines and people.

    Must be made in the running loop. ``file`` is the lecture's file, open for writing; everything known of an earlier
    run is taken from it.

    :param events: as read from the file before, in another thread.
    """

    def __init__(
        self,
        lecture_id: str,
        info: LectureInfo,
        file: LectureFile,
        network: NetworkConfig,
        settings: MediaSettings,
        halls: HallSettings,
        events: LectureEvents | None = None,
    ) -> None:
        self.lecture_id = lecture_id
        self.info = info
        self.log = file
        self.network = network
        self.settings = settings
        self.halls = halls
        self._loop = asyncio.get_running_loop()
        meta = {key: value for key in CLOCK_META_KEYS if (value := file.get_meta(key)) is not None}
        self.clock = LectureClock.resume(meta, file.last_t_ms(), self._loop.time(), read_boot_time())
        self.state: LectureState = _known_state(file)
        self.publisher_state: PublisherState = "down" if self.state == "live" else "none"
        self.events = events or LectureEvents(file)
        self.tail, self.book = self.events.tail, self.events.book
        self.overview, self.ink = self.events.overview, self.events.ink
        self.set_aside = file.get_meta(SET_ASIDE_KEY) or ""
        self.recorder = Recorder(file, settings.commit_interval_s)
        self.roster = HallRoster()
        exact_ms = self.clock.exact_ms
        self.voices = {
            lang: VoiceLine(lang, file, settings.voice_wait_s, exact_ms, self._begin_earlier) for lang in info.languages
        }
        for line in self.voices.values():
            line.resume(file.track_end_ms(line.track.track_id))
        self.camera = CameraLine(file, settings.voice_wait_s, settings.camera_kbps, exact_ms)
        self.screen = ScreenLine(file, self.now_ms)
        self.fanout = Fanout(self.voices, self.camera)
        self._blobs: OrderedDict[str, Blob] = OrderedDict()
        self._voice_sent_ms: dict[str, int] = {}
        self.link_kbps: OrderedDict[str, float] = OrderedDict()

    @property
    def ice_servers(self) -> tuple[IceServer, ...]:
        """Servers that clients are told to use."""
        return tuple(
            IceServer(server.urls, server.username or "", server.credential or "")
            for server in self.network.ice_servers
        )

    @property
    def now(self) -> float:
        """The loop's monotonic clock, in seconds."""
        return self._loop.time()

    def now_ms(self) -> int:
        """Lecture time now."""
        return self.clock.now_ms(self.now)

    def moment(self, at_ms: int | None) -> int:
        """Lecture time of what a lecturer did at ``at_ms``: the future and None count as now, more than
        :data:`PAST_MS` ago as that."""
        now_ms = self.now_ms()
        return now_ms if at_ms is None else min(now_ms, max(at_ms, now_ms - PAST_MS, 0))

    def length_ms(self) -> int:
        """How long the lecture is by now: voice may run ahead of the clock, when a publisher sends a burst."""
        return max(self.now_ms(), self.log.last_t_ms())

    @property
    def summary(self) -> LectureSummary:
        """What a client is told of the lecture."""
        info = self.info
        return LectureSummary(self.lecture_id, info.title, info.course, info.languages, self.state)

    def start_clock(self) -> None:
        """Lecture time begins (or has begun)."""
        now = self.now
        if not self.clock.started:
            self.log.set_meta("started_at", datetime.now(UTC).isoformat(timespec="seconds"))
        self.clock.start(now)
        self.save_clock()

    def _begin_earlier(self, by_ms: float) -> None:
        self.clock.begin_earlier(by_ms)
        self.save_clock()

    def save_clock(self) -> None:
        """Keep in the file what the clock needs to go on after a restart."""
        for key, value in self.clock.to_meta(self.now, read_boot_time()).items():
            self.log.set_meta(key, value)

    def append_event(self, kind: Kind, fields: dict[str, Any], t_ms: int | None = None) -> Entry:
        """Append an event (now, unless said otherwise) and have it on disk soon."""
        entry = self.log.append(Entry(kind, self.now_ms() if t_ms is None else t_ms, pack_event(fields)))
        self.recorder.commit_soon()
        return entry

    def tracks_of(self, language: str) -> dict[int, int] | None:
        """Track ids of a language's recorded made voice by rung in kbit/s."""
        line = self.voices.get(language)
        return None if line is None else line.recorded_tracks

    def recorded_end_ms(self, language: str) -> int:
        """Lecture time up to which the language's voice is in the log."""
        return self.voices[language].recorded_end_ms

    def edge_ms(self, language: str) -> int:
        """Lecture time before which the language's voice is in the log or, as far as is known, will never be."""
        line = self.voices[language]
        if self.state == "ended":
            return max(line.recorded_end_ms, self.length_ms())
        if line.quiet_since(self.now) <= IDLE_S + self.settings.voice_wait_s:
            return line.recorded_end_ms
        return max(line.recorded_end_ms, self.now_ms() - EDGE_MARGIN_MS)

    def voice_sent_ms(self, language: str) -> int:
        """How much voice of a language an ended lecture has, in ms."""
        if language not in self._voice_sent_ms:
            track_id = self.voices[language].track.track_id
            whole = Span(0, max(1, self.log.last_t_ms()))
            missing_ms = sum(gap.end_ms - gap.start_ms for gap in self.log.gaps([track_id], whole))
            self._voice_sent_ms[language] = whole.end_ms - missing_ms
        return self._voice_sent_ms[language]

    def voice_repaired(self, language: str, end_ms: int) -> None:
        """There is more of a language's voice than there was, up to ``end_ms``."""
        self._voice_sent_ms.pop(language, None)
        self.voices[language].repaired(end_ms)

    def remember_link(self, instance: str, kbps: float) -> None:
        """Keep what a hall's link carried, for its next connection; the newest :data:`REMEMBERED_LINKS` stay."""
        if instance:
            self.link_kbps[instance] = kbps
            self.link_kbps.move_to_end(instance)
            if len(self.link_kbps) > REMEMBERED_LINKS:
                self.link_kbps.popitem(last=False)

    def get_blob(self, digest: str) -> Blob | None:
        """A page's bytes; the newest few stay in memory, since all halls want the same page at the same time."""
        blob = self._blobs.get(digest) or self.log.get_blob(digest)
        if blob is not None:
            self._blobs[digest] = blob
            self._blobs.move_to_end(digest)
            if len(self._blobs) > CACHED_BLOBS:
                self._blobs.popitem(last=False)
        return blob


def write_info(file: LectureFile, lecture_id: str, info: LectureInfo) -> None:
    """Keep a lecture's facts in its file."""
    facts = {
        "lecture": lecture_id,
        "title": info.title,
        "course": info.course,
        "languages": json.dumps(list(info.languages)),
    }
    for key, value in facts.items():
        if file.get_meta(key) != value:
            file.set_meta(key, value)


def read_info(file: LectureFile) -> LectureInfo:
    """The facts :func:`write_info` kept."""
    try:
        found = json.loads(file.get_meta("languages") or "[]")
    except (ValueError, RecursionError):
        found = []
    languages = tuple(str(item) for item in found) if isinstance(found, list) else ()
    return LectureInfo(file.get_meta("title") or "", file.get_meta("course") or "", languages or ("en",))


def _known_state(file: LectureFile) -> LectureState:
    match file.get_meta("state"):
        case "live":
            return "live"
        case "ended":
            return "ended"
        case _:
            return "planned"

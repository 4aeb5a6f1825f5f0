"""Playout: which 60 ms come out of the loudspeaker next. Pure; the clock is an argument.

The hall plays by lecture time and stays ``delay_ms`` behind the live edge. Where it is further behind (after an
outage), it catches up by playing faster with the pitch kept; where it is too close, it plays slower. What is
missing at its deadline is concealed if short, waited for if long, passed over if the relay says it does not exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from classroom_client.live_edge import LiveEdge
from classroom_client.tempo import CATCHING_UP_MS, Tempo
from classroom_client.voice import VoiceBuffer
from lecture.tracks import VOICE_FRAME_MS


class What(StrEnum):
    """What the next piece of sound is."""

    VOICE = "voice"
    CONCEALED = "concealed"
    SILENCE = "silence"  # lecture time passes without voice
    STALL = "stall"  # lecture time stands still: we wait for voice
    FINISHED = "finished"


class Policy(StrEnum):
    """What to do after an outage."""

    CATCH_UP = "catch-up"
    LIVE = "live"


@dataclass(frozen=True, slots=True)
class Step:
    """The next piece of sound.

    :param t_ms: lecture time at which it begins.
    :param lecture_ms: how much lecture time it takes; 0 when stalled.
    :param data: the coded frame (``VOICE`` only).
    :param speed: how much faster than real time it is to be played.
    """

    what: What
    t_ms: int
    lecture_ms: int = 0
    data: bytes = b""
    speed: float = 1.0


@dataclass(frozen=True, slots=True)
class PlayoutSettings:
    """How the hall plays.

    :param delay_ms: how far behind the live edge it plays. Retransmission works within this time.
    :param conceal_ms: the longest hole that libopus bridges.
    :param patience_ms: how long a short hole is waited for when the hall is behind anyway.
    :param resume_ms: how much voice must be there before a long stall ends, so that it does not end twice.
    :param max_speed: the fastest catch-up.
    :param max_behind_ms: further behind than this the hall goes to the live edge whatever the policy.
    """

    delay_ms: int = 2000
    policy: Policy = Policy.CATCH_UP
    conceal_ms: int = 240
    patience_ms: int = 1000
    resume_ms: int = 800
    max_speed: float = 1.25
    max_behind_ms: int = 20 * 60_000


_FIRST_WORDS_MS = 1000
_FIRST_WORDS_S = 5.0  # so long a lecture's first frame is waited for: before the first sound nobody hears a wait
_LATE_START_MS = 2400  # who joined late waits so long for the first live voice, then for what was asked for
_QUIET_MARGIN_MS = 3000  # younger voice may still be on its way: from a full uplink, too, until the relay says "down"
_GONE_MARGIN_MS = 500  # the same when the relay says that the publisher's line is down


class Timeline:
    """Decides step by step. Every frame is played at most once and in order.

    :ivar delay_ms: the playout delay wanted now; may be changed at any time and is reached by stretching.
    :ivar tempo: how fast it plays.
    :ivar from_the_start: the hall was there before the lecture: it hears the first frame, however late it comes.
    :ivar held: a stall does not end while this is true: there is no live voice, and what comes of it is played later.
    :ivar stalled_since: when the present stall began, None while sound goes on.
    :ivar skipped_ms: lecture time that was jumped over to get to the live edge.
    """

    def __init__(
        self, voice: VoiceBuffer, edge: LiveEdge, settings: PlayoutSettings, resume_at_ms: int | None = None
    ) -> None:
        self.delay_ms = settings.delay_ms
        self.tempo = Tempo(voice, settings.max_speed)
        self.from_the_start = False
        self.held = False
        self._at = 0 if resume_at_ms is None else _grid(resume_at_ms)
        self._running = resume_at_ms is not None
        self.stalled_since: float | None = None
        self.skipped_ms = 0
        self._voice = voice
        self._edge = edge
        self._settings = settings
        self._begun = resume_at_ms is not None  # before the first frame, holes are only a late start …
        self._patient_until_ms = 0  # … for so long
        self._first_words = False
        self._conceal_until_ms = 0
        self._quiet = (0, 0)
        self._end_ms: int | None = None

    @property
    def position_ms(self) -> int | None:
        """Lecture time of the next step; None before playout began."""
        return self._at if self._running else None

    @property
    def catching_up(self) -> bool:
        """Whether we are noticeably behind and playing faster."""
        return self.tempo.catching_up

    def voice_reaches(self, voice_end_ms: int, clock_ms: int, *, publisher_live: bool = True) -> None:
        """The relay says that at ``clock_ms`` it had voice up to ``voice_end_ms``: in between nobody spoke to it."""
        margin_ms = _QUIET_MARGIN_MS if publisher_live else _GONE_MARGIN_MS
        # Before the first word there is no silence: it may still be on its way.
        self._quiet = (voice_end_ms, clock_ms - margin_ms) if voice_end_ms else (0, 0)

    def ends_at(self, end_ms: int) -> None:
        """The lecture has ended at ``end_ms``; voice that the relay was still encoding then may reach beyond."""
        self._end_ms = end_ms

    def live_ms(self, now: float) -> float | None:
        """Lecture time at the live edge. After the end it goes on, so that what is left is not slowed down."""
        live = self._edge.live_ms(now)
        if live is None and self._end_ms is not None:
            return self._end_ms + self.delay_ms + 10.0 * CATCHING_UP_MS
        return live

    def step(self, now: float) -> Step:
        """The next piece of sound, to be heard at ``now``."""
        live = self.live_ms(now)
        if not self._started(live):
            return Step(What.STALL, 0)
        self._jump(live)
        while True:
            at = self._at
            data = self._voice.get(at)
            if data is not None:
                return self._play(data, live, now)
            if self._end_ms is not None and at >= self._end_ms:
                self.stalled_since = None
                self.tempo.catching_up = False
                return Step(What.FINISHED, self._end_ms)
            nothing_until = self._nothing_until(at)
            if nothing_until is not None:
                if self._skip(at, nothing_until, live):
                    continue
                return self._pass(What.SILENCE, at)
            if not self._begun and at < self._patient_until_ms:
                return self._pass(What.SILENCE, at)
            return self._hole(at, live, now)

    def _started(self, live: float | None) -> bool:
        if not self._running:
            if live is None or live < self.delay_ms:
                return False
            # A hall that was there from the beginning hears the first word, however late its first look was.
            target = _grid(live - self.delay_ms)
            self._at = 0 if self.from_the_start or target <= _FIRST_WORDS_MS else target
            self._first_words = self._at == 0
            self._patient_until_ms = self._at + _LATE_START_MS if self._at else 0
            self._running = True
        return True

    def _jump(self, live: float | None) -> None:
        """To the live edge, where the policy or the distance asks for it."""
        if live is None:
            return
        target = _grid(live - self.delay_ms)
        limit = CATCHING_UP_MS if self._settings.policy is Policy.LIVE else self._settings.max_behind_ms
        # Not before there is something to hear there: until then the stall shows the truth.
        if target - self._at > limit and self._voice.get(target) is not None:
            self.skipped_ms += target - self._at
            self._move(target)

    def _play(self, data: bytes, live: float | None, now: float) -> Step:
        if self.stalled_since is not None and not self._may_resume(live, now):
            return Step(What.STALL, self._at)
        speed = self.tempo.speed(self._at, live, self.delay_ms, self._end_ms)
        step = Step(What.VOICE, self._at, VOICE_FRAME_MS, data, speed)
        self._advance()
        self._begun = True
        return step

    def _may_resume(self, live: float | None, now: float) -> bool:
        """A stall ends when enough is there that it will not begin again at once: the longer it was, the more."""
        if self.held:
            return False
        stalled_ms = 0.0 if self.stalled_since is None else (now - self.stalled_since) * 1000
        ready = self._voice.ready_until(self._at)
        at_edge = live is not None and ready >= live - self.delay_ms
        at_end = self._end_ms is not None and ready >= self._end_ms
        return at_edge or at_end or ready - self._at >= min(stalled_ms, self._settings.resume_ms)

    def _nothing_until(self, at: int) -> int | None:
        """Where the silence ends that ``at`` lies in, if no voice exists there."""
        if self._voice.absent.contains(at):
            return next(span.end_ms for span in self._voice.absent if span.end_ms > at)
        start, end = self._quiet
        return end if start <= at < end else None

    def _skip(self, at: int, until_ms: int, live: float | None) -> bool:
        """Pass over silence where we are behind; at the playout point it takes its time."""
        limit = at if live is None else live - self.delay_ms
        to = _grid(min(until_ms, limit))
        if to <= at:
            return False
        self._move(to)
        return True

    def _hole(self, at: int, live: float | None, now: float) -> Step:
        if at < self._conceal_until_ms:
            return self._pass(What.CONCEALED, at)
        end = self._voice.hole_end(at) if not self._voice.have.contains(at) else None
        if end is not None and end - at <= self._settings.conceal_ms:
            if not self._worth_waiting(at, live, now):
                self._conceal_until_ms = end
                return self._pass(What.CONCEALED, at)
        elif end is not None and self._settings.policy is Policy.LIVE:
            return self._pass(What.SILENCE, at)
        if self.stalled_since is None:
            self.stalled_since = now
        return Step(What.STALL, at)

    def _worth_waiting(self, at: int, live: float | None, now: float) -> bool:
        """A short hole is waited for a little where time does not press: in a stall, or while catching up."""
        if self._settings.policy is Policy.LIVE:
            return False
        if not self._begun and self._first_words:
            return self.stalled_since is None or now - self.stalled_since < _FIRST_WORDS_S
        late = live is not None and live - at - self.delay_ms > CATCHING_UP_MS
        if self.stalled_since is None:
            return late
        return (now - self.stalled_since) * 1000 < self._settings.patience_ms

    def _pass(self, what: What, at: int) -> Step:
        self._advance()
        return Step(what, at, VOICE_FRAME_MS)

    def _advance(self) -> None:
        self._move(self._at + VOICE_FRAME_MS)

    def _move(self, to_ms: int) -> None:
        self._at = to_ms
        self.stalled_since = None
        self._voice.forget_before(to_ms)


def _grid(t_ms: float) -> int:
    """The beginning of the frame that ``t_ms`` lies in."""
    return max(0, int(t_ms) // VOICE_FRAME_MS * VOICE_FRAME_MS)

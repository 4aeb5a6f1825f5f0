"""A hall behind a simulated link, without sockets or clocks: estimator and pacer as the relay drives them, sources
as in a lecture, and a receiver whose feedback and NACKs travel a thin, lossy uplink."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from relay.adaptation.estimator import PROBE_MIN_BYTES, LinkEstimator
from relay.adaptation.pacer import Class, Pacer
from relay.adaptation.rungs import Choice, RungChooser
from relay.media.camera_scout import CameraScout
from relay.media.camera_sender import CameraSender
from relay.media.rtp_outlet import WIRE_BYTES
from tests.network.link_model import LinkDirection, LinkSpec, Loss
from tests.unit.relay.adaptation.trace import SAMPLE_S, Sample, Trace
from transport import rtcp, twcc
from transport.sdp import Codec, NegotiatedMedia

OVERHEAD_BYTES = 62
"""IP, UDP, RTP with its extension, SRTP."""
PACK_S = 0.24
FEEDBACK_S = 0.25
CHOOSE_S = 0.25
PICTURE_S = 0.2
CAMERA_WAITING_PACKETS = 8
CLOCK_OFFSET_S = 7_000.0
"""The receiver's clock is another one."""


@dataclass(eq=False)
class Page:
    """A page under way. ``wanted_s`` is its turn, ``done_s`` when its last byte arrived."""

    wanted_s: float
    left_bytes: int
    done_s: float | None = None


@dataclass(frozen=True, eq=False)
class Piece:
    """A piece of a page, of the packet that it was first sent in."""

    page: Page
    size_bytes: int


@dataclass
class Plan:
    """One run.

    :param steps: ``(second, kbit/s)`` at which the down link changes.
    :param outages: ``(from, to)`` in seconds.
    :param bulk: seconds in which prefetch wants to send.
    :param voice_kbps: rung of the voice, 0 for none.
    :param clock_drift: of the receiver's clock.
    :param longer_route: ``(second, ms)``: the one-way delay from then on.
    :param camera_from_s: there is a camera from then on, and the hall takes it: rungs are chosen, and the link is asked
        what it carries.
    """

    down_kbps: float
    delay_ms: float = 300.0
    loss: Loss = field(default_factory=Loss)
    up_kbps: float = 64.0
    steps: list[tuple[float, float]] = field(default_factory=list)
    outages: list[tuple[float, float]] = field(default_factory=list)
    bulk: tuple[float, float] = (0.0, 0.0)
    voice_kbps: int = 16
    pages_at: list[float] = field(default_factory=list)
    page_bytes: int = 15_000
    seconds: float = 60.0
    clock_drift: float = 0.0
    longer_route: tuple[float, float] | None = None
    jitter_ms: float = 0.0
    queue_ms: float = 1000.0
    camera_from_s: float | None = None
    seed: str = "1"


class Run(Trace):
    """Plays a plan; the traces are its attributes."""

    def __init__(self, plan: Plan, estimator: LinkEstimator | None = None) -> None:
        super().__init__()
        self.plan = plan
        self.estimator = estimator or LinkEstimator()
        self.pacer = Pacer()
        self.pages: list[Page] = []
        self.voice_sent = 0
        self.voice_lost: set[int] = set()  # packs that never arrived, whatever was resent
        self.now = 0.0
        self._down = LinkDirection(self._spec(plan.down_kbps, plan.delay_ms), plan.seed + " down")
        self._up = LinkDirection(
            LinkSpec(rate_kbps=plan.up_kbps, delay_ms=plan.delay_ms, loss=plan.loss), plan.seed + " up"
        )
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._queues: dict[Class, deque[tuple[int, Any]]] = {class_: deque() for class_ in Class}
        self._again: dict[Class, deque[Piece]] = {class_: deque() for class_ in Class}
        self._log = twcc.SentLog(first_sequence=32_700)
        self._recorder = twcc.FeedbackRecorder(1, interval_s=FEEDBACK_S)
        self._pump_at: float | None = None
        self._got: set[Piece] = set()
        self._next_pack = 0
        self._nacks: dict[int, tuple[int, float]] = {}
        self._highest_pack = -1
        self._carried_mark = 0
        self.choice = Choice(plan.voice_kbps)
        media = NegotiatedMedia("1", "video", "sendonly", Codec(100, "AV1", 90_000), 101, ssrc=7, rtx_ssrc=8)
        self._camera = CameraSender(media, lambda packet, now: None)
        self._scout = CameraScout(self._camera, self.estimator)
        self._chooser = RungChooser(camera=True, start_kbps=plan.voice_kbps)

    def play(self) -> Run:
        """Run to the end."""
        plan = self.plan
        for at, kbps in plan.steps:
            self._at(at, partial(self._set_rate, kbps))
        for start, end in plan.outages:
            self._at(start, lambda: self._break(True))
            self._at(end, lambda: self._break(False))
        if plan.longer_route:
            at, ms = plan.longer_route
            self._at(at, lambda: self._set_delay(ms))
        for at in plan.pages_at:
            self._at(at, self._turn)
        if plan.voice_kbps:
            self._at(0.0, self._voice)
        if plan.camera_from_s is not None:
            self._at(plan.camera_from_s, lambda: self._camera.source_is("vp8", 300))
            self._at(0.0, self._choose)
            self._at(plan.camera_from_s, self._picture)
        self._at(plan.bulk[0], self._pump)
        self._at(FEEDBACK_S, self._feedback)
        self._at(SAMPLE_S, self._sample)
        self._at(0.1, self._overdue)
        while self._agenda and self._agenda[0][0] < plan.seconds:
            self.now, _, action = heapq.heappop(self._agenda)
            action()
        return self

    # What the sender does.

    def _voice(self) -> None:
        self._at(self.now + PACK_S, self._voice)
        self._queues[Class.VOICE].append((self._pack_bytes(), self._next_pack))
        self.voice_lost.add(self._next_pack)
        self._next_pack += 1
        self.voice_sent += 1
        self._pump()

    def _pack_bytes(self) -> int:
        return self.choice.voice_kbps * 30 + OVERHEAD_BYTES + 6

    def _choose(self) -> None:
        self._at(self.now + CHOOSE_S, self._choose)
        estimator, chooser = self.estimator, self._chooser
        chooser.camera_rungs_kbps = self._camera.rungs_kbps
        self.choice = chooser.choose(
            estimator.sustained_kbps(self.now),
            estimator.loss,
            estimator.rtt_s,
            self.now,
            page_waiting=bool(self._queues[Class.PAGE] or self._again[Class.PAGE]),
        )
        self._camera.turn(self.choice.camera_kbps)
        self._pump()

    def _picture(self) -> None:
        self._at(self.now + PICTURE_S, self._picture)
        left, waiting = round(self.choice.camera_kbps * 125 * PICTURE_S), self._queues[Class.CAMERA]
        while left > 0 and len(waiting) < CAMERA_WAITING_PACKETS:
            waiting.append((min(left, 1000) + OVERHEAD_BYTES, None))
            left -= 1000
        self._pump()

    def _turn(self) -> None:
        page = Page(self.now, self.plan.page_bytes)
        self.pages.append(page)
        self._queues[Class.PAGE].append((self.plan.page_bytes, page))
        self._pump()

    def _has_own(self, class_: Class) -> bool:
        return bool(self._queues[class_] or self._again[class_]) or (class_ is Class.BULK and self._bulk_wanted())

    def _is_waiting(self, class_: Class, packet_bytes: int) -> bool:
        if self._has_own(class_):
            return True
        scout = self._scout
        return class_ in scout.classes and scout.waiting(class_, packet_bytes - WIRE_BYTES, self.now) is not None

    def _padding_bytes(self, class_: Class, packet_bytes: int) -> int:
        item = self._scout.next(class_, packet_bytes - WIRE_BYTES, self.now)
        assert item is not None
        return len(item[0]) + WIRE_BYTES

    def _bulk_wanted(self) -> bool:
        return self.plan.bulk[0] <= self.now < self.plan.bulk[1]

    def _waiting_bytes(self) -> int:
        if self._bulk_wanted():
            return 1_000_000
        again = sum(piece.size_bytes for piece in self._again[Class.PAGE])
        return again + sum(size for size, _ in self._queues[Class.PAGE])

    def _pump(self) -> None:
        self.pacer.budget(self.estimator.budget_kbps(self.now))
        self.pacer.queue_ms = self.estimator.queue_ms
        while True:
            packet_bytes = self.pacer.packet_bytes()
            class_ = next((class_ for class_ in Class if self._is_waiting(class_, packet_bytes)), None)
            if class_ is None:
                return
            asked = not self._has_own(class_)
            if asked or self._waiting_bytes() >= PROBE_MIN_BYTES:
                probe = self.estimator.probe(self.now)
                if probe is not None:
                    self.pacer.probe(probe, self.now)
                    packet_bytes = self.pacer.packet_bytes()
            ready_at = self.pacer.ready_at(class_, self.now)
            if ready_at > self.now:
                self._wake(ready_at + 0.001)
                return
            self._send(class_, packet_bytes)

    def _wake(self, at: float) -> None:
        if self._pump_at is None or self._pump_at <= self.now or at < self._pump_at:
            self._pump_at = at
            self._at(at, self._pump)

    def _send(self, class_: Class, packet_bytes: int) -> None:
        token: object = None
        if not self._has_own(class_):
            size = self._padding_bytes(class_, packet_bytes)
        elif class_ <= Class.PROTECTION or class_ is Class.CAMERA:
            size, token = self._queues[class_].popleft()
        elif class_ is Class.BULK:
            size = packet_bytes
        else:
            token = self._piece(class_, packet_bytes)
            size = token.size_bytes + OVERHEAD_BYTES
        sequence = self._log.sent(size, self.now, token, class_)
        self.pacer.sent(size, class_, self.now)
        self.estimator.sent(size, self.now)
        arrival = self._down.carry(self.now, size)
        if arrival is not None:
            self._at(arrival, lambda: self._receive(sequence, token))

    def _piece(self, class_: Class, packet_bytes: int) -> Piece:
        if self._again[class_]:
            return self._again[class_].popleft()
        left, page = self._queues[class_].popleft()
        piece = Piece(page, min(left, packet_bytes - OVERHEAD_BYTES))
        if left > piece.size_bytes:
            self._queues[class_].appendleft((left - piece.size_bytes, page))
        return piece

    def _digest(self, datagram: bytes) -> None:
        for packet in rtcp.parse(datagram):
            assert isinstance(packet, rtcp.TransportFeedback)
            self._settle(self._log.feedback(packet, self.now))

    def _overdue(self) -> None:
        self._at(self.now + 0.1, self._overdue)
        self._settle(self._log.overdue(self.now, self.estimator.rtt_s))

    def _settle(self, outcomes: list[twcc.Outcome]) -> None:
        for outcome in outcomes:
            if outcome.arrival_s is None and isinstance(outcome.token, Piece):
                self._again[Class(outcome.class_)].append(outcome.token)
        self.estimator.feedback(outcomes, self.now)
        self._pump()

    def _nacked(self, pack: int) -> None:
        self._queues[Class.PROTECTION].append((self._pack_bytes(), pack))
        self._pump()

    # What the receiver does.

    def _receive(self, sequence: int, token: object) -> None:
        self._recorder.arrived(sequence, CLOCK_OFFSET_S + self.now * (1 + self.plan.clock_drift))
        if isinstance(token, Piece):
            if token not in self._got:
                self._got.add(token)
                token.page.left_bytes -= token.size_bytes
            if token.page.left_bytes <= 0 and token.page.done_s is None:
                token.page.done_s = self.now
        elif isinstance(token, int):
            self.voice_lost.discard(token)
            self._nacks.pop(token, None)
            for missing in range(self._highest_pack + 1, token):
                self._nacks[missing] = (0, self.now)
            self._highest_pack = max(self._highest_pack, token)

    def _feedback(self) -> None:
        self._at(self.now + 0.02, self._feedback)
        datagram = self._recorder.poll(CLOCK_OFFSET_S + self.now * (1 + self.plan.clock_drift))
        if datagram is not None:
            self._uplink(len(datagram) + 28 + 14, lambda: self._digest(datagram))
        rtt_s = max(0.3, self.estimator.rtt_s)
        for pack, (tries, due_s) in list(self._nacks.items()):
            if due_s <= self.now:
                self._uplink(62, partial(self._nacked, pack))
                self._nacks[pack] = (tries + 1, self.now + 1.15 * rtt_s)
                if tries >= 4:
                    del self._nacks[pack]

    def _uplink(self, size_bytes: int, action: Callable[[], None]) -> None:
        arrival = self._up.carry(self.now, size_bytes)
        if arrival is not None:
            self._at(arrival, action)

    # The link and the log of the run.

    def _spec(self, kbps: float, delay_ms: float) -> LinkSpec:
        return LinkSpec(
            rate_kbps=kbps,
            delay_ms=delay_ms,
            jitter_ms=self.plan.jitter_ms,
            loss=self.plan.loss,
            queue_ms=self.plan.queue_ms,
        )

    def _set_rate(self, kbps: float) -> None:
        # What waits in the queue leaves at the new rate.
        waiting_s = self._down.queue_ms(self.now) / 1000
        self._down._free_at = self.now + waiting_s * (self._down.spec.rate_kbps or kbps) / kbps
        self._down.spec = self._spec(kbps, self._down.spec.delay_ms)

    def _set_delay(self, delay_ms: float) -> None:
        self._down.spec = self._spec(self._down.spec.rate_kbps or 0.0, delay_ms)

    def _break(self, broken: bool) -> None:
        self._down.broken = self._up.broken = broken

    def _sample(self) -> None:
        self._at(self.now + SAMPLE_S, self._sample)
        total = self._down.counters.bytes
        estimator = self.estimator
        self.samples.append(
            Sample(
                self.now,
                self._down.spec.rate_kbps or 0.0,
                self._down.queue_ms(self.now),
                estimator.budget_kbps(self.now),
                estimator.sustained_kbps(self.now),
                estimator.queue_ms,
                (total - self._carried_mark) * 8 / (1000 * SAMPLE_S),
                estimator.loss,
                self.choice,
            )
        )
        self._carried_mark = total

    def _at(self, time: float, action: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._agenda, (time, self._count, action))

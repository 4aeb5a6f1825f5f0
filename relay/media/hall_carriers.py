"""Which carrier takes a hall's items, and that nothing is lost where they change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lecture.tracks import LIGHT_KBPS, RECORDED_KBPS
from relay.adaptation.ack_window import AckWindow
from relay.adaptation.carriers import Carrier, CarrierSwitch, hedge_after_s
from relay.adaptation.pacer import Class
from relay.adaptation.rungs import RungChooser
from relay.media.hall_data import HallData
from relay.media.hall_outbox import HallOutbox
from relay.media.stage import Stage
from relay.media.subscriber import Subscriber
from transport.sdp import NegotiatedMedia

START_KBPS = 40.0
START_SHARE = 0.7
SOCKET_CLOCK_S = 1.0
RTP_CLOCK_S = 2.0
LIGHT_BELOW_KBPS = 150.0
"""Below this budget recorded voice is given in the light rung."""
HEDGE_SHARE = 0.6
"""Of what the link carries goes over the socket while RTP may still live, whose voice goes on."""
SOCKET_OVERHEAD_BYTES = 80
"""What TCP, TLS and the WebSocket add to a message."""


class HallCarriers:
    """Connects one hall's outbox with its socket, or with its media connection if that carries data.

    A hall whose media connection carries no data (an older one, the hall page) gets its live voice over RTP and all
    else over the socket.

    :param wake_socket: have the socket's writer look for items.
    :param instance: of the hall; what its link carried is remembered under it.
    :ivar in_use: what carries the outbox's items now.
    :ivar hedging: RTP is silent, though not for long yet: voice alone goes over both.
    """

    def __init__(
        self,
        stage: Stage,
        outbox: HallOutbox,
        window: AckWindow,
        wake_socket: Callable[[], None],
        instance: str = "",
    ) -> None:
        self.outbox = outbox
        self.in_use = Carrier.SOCKET
        self.hedging = False
        self._stage = stage
        self._window = window
        self._wake_socket = wake_socket
        self._instance = instance
        self._switch = CarrierSwitch()
        self._socket_chooser = RungChooser(camera=False)
        self._subscriber: Subscriber | None = None
        self._data: HallData | None = None
        self._connected = False
        self._heard_at = 0.0
        self._shown: frozenset[str] = frozenset()

    @property
    def start_kbps(self) -> float:
        """What a new media connection is taken to carry: less than the one before did at last."""
        return max(START_KBPS, START_SHARE * self._stage.link_kbps.get(self._instance, 0.0))

    def make_data(self, media: NegotiatedMedia) -> HallData:
        """The data lane of a media connection that is being made."""
        self._data = HallData(media, self.outbox, self._stage.now_ms)
        return self._data

    def attach(self, subscriber: Subscriber) -> None:
        """A media connection is being made; it is used once it stands."""
        self._subscriber = subscriber
        self.outbox.hears(subscriber.language)
        subscriber.on_tick = self._tick
        if self._data is not None:
            subscriber.on_heard = self._heard
            subscriber.outlet.open = False
            if subscriber.voice is not None:
                subscriber.voice.on = False

    def detach(self, now: float) -> None:
        """The media connection is gone."""
        if self._connected:
            self._connected = False
            self._switch.disconnected()
            self._follow(now)
        subscriber, self._subscriber, self._data = self._subscriber, None, None
        if subscriber is not None and subscriber.outlet.estimator.measured:
            self._stage.remember_link(self._instance, subscriber.outlet.estimator.sustained_kbps(now))

    def wake(self, now: float) -> None:
        """There may be something new."""
        subscriber = self._subscriber
        if self.in_use is not Carrier.RTP or subscriber is None or self.hedging:
            self._wake_socket()
            return
        shown = self.outbox.pages.shown_digests
        if shown != self._shown:
            self._shown = shown
            if self._data is not None:
                self._data.page_turned()
        subscriber.outlet.pump(now)

    def socket_sent(self, size_bytes: int, now: float) -> None:
        """Something went out on the socket, on the same link."""
        if self._subscriber is not None:
            self._subscriber.outlet.charge(size_bytes + SOCKET_OVERHEAD_BYTES, now)

    def facts(self, now: float) -> dict[str, Any]:
        """The link in figures, JSON-ready."""
        subscriber = self._subscriber
        facts: dict[str, Any] = {"connected": False} if subscriber is None else subscriber.facts()
        if subscriber is not None:
            facts.update(subscriber.outlet.facts(now))
        if self.in_use is Carrier.SOCKET and (subscriber is None or self._data is not None):
            # What RTP was like says nothing of the socket; how much of it is used, the hall tells.
            for name in ("used_kbps", "acked_kbps", "queue_ms", "loss", "rtt_ms", "camera_kbps"):
                facts.pop(name, None)
            facts["rung"] = 0 if self.outbox.text else LIGHT_KBPS if self.outbox.backfill.light else RECORDED_KBPS
        if subscriber is None or self._data is not None:
            facts["budget_kbps"] = round(self.outbox.budget_kbps, 1)
        facts["carrier"] = self.in_use.value
        facts["text"] = self.outbox.text
        facts["socket_rate_kbps"] = round(self._window.rate_kbps, 1)
        facts["socket_in_flight_bytes"] = self._window.in_flight_bytes
        return facts

    def every_second(self, now: float) -> None:
        """Fit what goes over the socket to what it carries."""
        if self.in_use is not Carrier.SOCKET:
            return
        outbox, budget_kbps = self.outbox, self._window.rate_kbps
        choice = self._socket_chooser.choose(budget_kbps, 0.0, 0.0, now, page_waiting=outbox.page_waiting)
        self._adapt(budget_kbps, choice.text, Class.VOICE)

    def _tick(self, now: float) -> None:
        subscriber = self._subscriber
        if subscriber is None:
            return
        outbox, data = self.outbox, self._data
        subscriber.page_waits = outbox.page_waiting or outbox.voice_waiting
        if data is None:
            return
        self._switch.rtt_s = subscriber.rtt_s or 0.0
        if subscriber.connected and not self._connected:
            self._connected = True
            self._heard_at = now
            self._switch.connected(now)
        self._follow(now)
        if self.in_use is Carrier.SOCKET:
            if self._switch.probe_due(now):
                self._probe(subscriber, data, now)
            return
        self._hedge(subscriber, now)
        urgent = Class.VOICE if self.hedging else Class.PROTECTION
        self._adapt(subscriber.outlet.estimator.sustained_kbps(now), subscriber.choice.text, urgent)
        # Once live voice goes over RTP, the log is followed no further than to its beginning there.
        if subscriber.voice is not None and subscriber.voice.began_ms is not None and not self.hedging:
            outbox.backfill.unfollow(subscriber.voice.began_ms)

    def _adapt(self, budget_kbps: float, text: bool, urgent_voice: Class) -> None:
        outbox = self.outbox
        outbox.budget_kbps = budget_kbps
        outbox.text = text
        outbox.backfill.light = budget_kbps < LIGHT_BELOW_KBPS
        outbox.urgent_voice = None if text else urgent_voice

    def _heard(self, now: float) -> None:
        self._heard_at = now
        self._switch.heard(now)
        if self.hedging and self._subscriber is not None:
            self.hedging = False
            self.outbox.backfill.drop_owed()
            self._from_socket()
            self._subscriber.outlet.open = True

    def _hedge(self, subscriber: Subscriber, now: float) -> None:
        voice = subscriber.voice
        if self.hedging or voice is None or not voice.unheard():
            return
        if now - self._heard_at > hedge_after_s(subscriber.rtt_s or 0.0, voice.playout_delay_ms):
            self.hedging = True
            subscriber.outlet.open = False
            if subscriber.outlet.estimator.measured:
                self._window.expect(HEDGE_SHARE * subscriber.outlet.estimator.sustained_kbps(now))
            self.outbox.owe(subscriber.language, voice.unheard())
            self.outbox.backfill.follow(subscriber.language, voice.end_ms)
            self.outbox.urgent_voice = Class.VOICE
            self._wake_socket()

    def _probe(self, subscriber: Subscriber, data: HallData, now: float) -> None:
        clock = self.outbox.clock()
        probe = data.probe(clock, now) if clock is not None else None
        if probe is not None:
            subscriber.outlet.send(probe[0], Class.CONTROL, now, probe[1])

    def _follow(self, now: float) -> None:
        """Change the carrier if that is due."""
        chosen = self._switch.choose(now)
        if chosen is self.in_use:
            return
        self.in_use = chosen
        if chosen is Carrier.RTP:
            self._to_rtp(now)
        else:
            self._to_socket(now)

    def _to_rtp(self, now: float) -> None:
        subscriber = self._subscriber
        assert subscriber is not None
        self.hedging = False
        self.outbox.clock_every_s = RTP_CLOCK_S
        self.outbox.repeat_events(now)
        self._from_socket()
        subscriber.outlet.open = True
        if subscriber.voice is not None:
            subscriber.voice.began_ms = None
            subscriber.voice.on = True
        subscriber.outlet.pump(now)

    def _from_socket(self) -> None:
        """RTP gives the voice now. What the socket was given and is not known to have brought may take long yet, as TCP
        does after an outage: a “filled” over RTP would overtake it, and the hall pass over words that exist."""
        since = self._window.unacknowledged_since
        if since is not None:
            self.outbox.backfill.again(since)

    def _to_socket(self, now: float) -> None:
        outbox, subscriber = self.outbox, self._subscriber
        self.hedging = False
        outbox.clock_every_s = SOCKET_CLOCK_S
        outbox.urgent_voice = Class.VOICE
        if subscriber is not None:
            subscriber.outlet.open = False
            subscriber.outlet.estimator.silent(now)
            if self._data is not None:
                outbox.hand_over(self._data.take_undelivered())
            if subscriber.voice is not None:
                self._hand_over_voice(subscriber)
        self._wake_socket()

    def _hand_over_voice(self, subscriber: Subscriber) -> None:
        voice = subscriber.voice
        assert voice is not None
        voice.on = False
        line = self._stage.voices[subscriber.language]
        self.outbox.owe(subscriber.language, voice.unheard())
        voice.forget()
        # Where no live voice went over RTP yet, the log may be followed already.
        self.outbox.backfill.follow(
            subscriber.language, line.recorded_end_ms if voice.began_ms is None else voice.end_ms
        )

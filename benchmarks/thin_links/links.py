"""The twelve links, what happens on each, and the bars that a lecture over it must meet. Pure data."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tests.network.link_model import LinkSpec, Loss

PAGE_EVERY_S = 20
"""The lecturer turns the page so often."""
CATCH_UP_FACTOR = 4
"""After an outage the hall must be near the live edge again within so many times its length."""


@dataclass(frozen=True, slots=True)
class Outage:
    """Nothing passes, in either direction. Seconds from the first word on."""

    start_s: float
    length_s: float

    @property
    def end_s(self) -> float:
        return self.start_s + self.length_s

    @property
    def back_by_s(self) -> float:
        """When the hall must be near the live edge again."""
        return self.end_s + CATCH_UP_FACTOR * self.length_s


@dataclass(frozen=True, slots=True)
class Step:
    """From ``at_s`` on the link carries ``rate_kbps``, in both directions."""

    at_s: float
    rate_kbps: float


@dataclass(frozen=True, slots=True)
class Bars:
    """What must be reached.

    :param voice_heard: share of the sent voice frames.
    :param page_late_s: 90th percentile of the pages' lateness when they are not prefetched.
    :param sharp_s: every page is fully sharp so long after its turn; None where that is not asked for.
    :param lecture_kbps: the whole lecture without camera, mean on the wire; None where that is not asked for.
    :param voice_kbps: voice with its protection, mean on the wire; None where that is not asked for.
    :param voice_12_kbps: voice with its protection while it comes in the 12 kbit/s rung, mean on the wire; None where
        that is not asked for.
    :param camera: it must be seen.
    """

    voice_heard: float = 1.0
    page_late_s: float = 2.0
    sharp_s: float | None = 20.0
    lecture_kbps: float | None = None
    voice_kbps: float | None = None
    voice_12_kbps: float | None = None
    camera: bool = False
    stoi: float = 0.97
    gap_ms: int = 200
    behind_s: float = 6.0
    prefetched_late_s: float = 0.5
    queue_p95_ms: float = 300.0
    screen_kbps: float = 15.0
    screen_legible: float = 0.9


@dataclass(frozen=True, slots=True)
class Link:
    """A link and what happens on it during a lecture.

    :param length_s: of the lecture.
    :param udp_blocked_from_s: from then on no UDP passes; 0 for from before the hall joins.
    :param screen: the lecturer shares a screen instead of turning pages, and has no camera.
    """

    name: str
    text: str
    down: LinkSpec
    up: LinkSpec
    bars: Bars
    length_s: int = 120
    outages: tuple[Outage, ...] = ()
    steps: tuple[Step, ...] = ()
    udp_blocked_from_s: float | None = None
    screen: bool = False

    def before_class(self) -> tuple[LinkSpec, LinkSpec]:
        """Down and up while a deck is fetched: no limit and no loss, but as long a way."""
        return LinkSpec(delay_ms=self.down.delay_ms), LinkSpec(delay_ms=self.up.delay_ms)

    def shortened(self) -> Link:
        """The same link for a first look: one minute, or what its events need."""
        if self.name in _SHORT:
            length_s, outages = _SHORT[self.name]
            return replace(self, length_s=length_s, outages=outages)
        return replace(self, length_s=60)


def _link(
    name: str,
    text: str,
    kbps: float,
    delay_ms: float,
    loss: Loss | None = None,
    *,
    bars: Bars,
    up_kbps: float | None = None,
    length_s: int = 120,
    outages: tuple[Outage, ...] = (),
    steps: tuple[Step, ...] = (),
    udp_blocked_from_s: float | None = None,
) -> Link:
    down = LinkSpec(rate_kbps=kbps, delay_ms=delay_ms, loss=loss or Loss(), queue_ms=1000)
    up = replace(down, rate_kbps=up_kbps or kbps)
    return Link(name, text, down, up, bars, length_s, outages, steps, udp_blocked_from_s)


_SHORT: dict[str, tuple[int, tuple[Outage, ...]]] = {
    "F": (110, (Outage(25, 15),)),
    "J": (110, ()),
    "K": (110, (Outage(45, 5), Outage(75, 6))),
}

LINKS: dict[str, Link] = {
    link.name: link
    for link in (
        _link("A", "64 kbit/s, 300 ms, no loss; up 32", 64, 300, up_kbps=32, bars=Bars(page_late_s=4)),
        _link(
            "B",
            "64 kbit/s, 300 ms, 5 % in bursts of 3",
            64,
            300,
            Loss.bursts(0.05, 3),
            bars=Bars(voice_heard=0.999, page_late_s=4),
        ),
        _link(
            "C",
            "100 kbit/s, 300 ms, 5 % in bursts of 3",
            100,
            300,
            Loss.bursts(0.05, 3),
            bars=Bars(page_late_s=2, lecture_kbps=32, camera=True),
        ),
        _link(
            "D",
            "150 kbit/s, 100 ms, 10 % in bursts of 4",
            150,
            100,
            Loss.bursts(0.10, 4),
            bars=Bars(voice_heard=0.999, page_late_s=0.5, camera=True),
        ),
        _link("E", "300 kbit/s, 300 ms, 2 %", 300, 300, Loss.random(0.02), bars=Bars(page_late_s=0.5, camera=True)),
        _link(
            "F",
            "100 kbit/s, 300 ms, 20 s outage in the middle",
            100,
            300,
            length_s=170,
            outages=(Outage(60, 20),),
            bars=Bars(page_late_s=2),
        ),
        _link(
            "G",
            "32 kbit/s, 400 ms, 2 %; up 16",
            32,
            400,
            Loss.random(0.02),
            up_kbps=16,
            bars=Bars(page_late_s=10, sharp_s=None),
        ),
        _link(
            "H",
            "48 kbit/s, 400 ms, 10 % in bursts of 4; up 16",
            48,
            400,
            Loss.bursts(0.10, 4),
            up_kbps=16,
            bars=Bars(voice_heard=0.999, page_late_s=8, sharp_s=None, voice_kbps=17.5, voice_12_kbps=17.5),
        ),
        _link(
            "I",
            "64 kbit/s, 300 ms, 1 %, UDP blocked",
            64,
            300,
            Loss.random(0.01),
            udp_blocked_from_s=0,
            bars=Bars(page_late_s=4),
        ),
        _link(
            "J",
            "300 → 48 → 120 kbit/s in steps of 40 s, 250 ms, 3 %",
            300,
            250,
            Loss.random(0.03),
            length_s=140,
            steps=(Step(40, 48), Step(80, 120)),
            bars=Bars(page_late_s=2, camera=True),
        ),
        _link(
            "K",
            "100 kbit/s, 200 ms, UDP blocked from 30 s on, outages of 5, 15 and 60 s",
            100,
            200,
            length_s=470,
            outages=(Outage(50, 5), Outage(80, 15), Outage(160, 60)),
            udp_blocked_from_s=30,
            bars=Bars(page_late_s=4),
        ),
        _link("L", "24 kbit/s, 300 ms, no loss", 24, 300, bars=Bars(page_late_s=14, sharp_s=None)),
    )
}
"""By name. Where no uplink is named it is as wide as the downlink; delay and loss are those of both directions."""

OPEN = LinkSpec()
"""No limit at all: for checking the benchmark itself."""

LINKS["open"] = Link(
    "open", "no limit: checks the benchmark itself", OPEN, OPEN, Bars(page_late_s=0.5, camera=True), 60
)


LINKS["S"] = replace(
    LINKS["C"], name="S", text=f"{LINKS['C'].text}; a terminal is shared", length_s=95, bars=Bars(), screen=True
)
"""The shared screen, on C."""


@dataclass(frozen=True, slots=True)
class Change:
    """At ``at_s`` the link becomes this.

    :param rate_kbps: of both directions, or None to leave them.
    """

    at_s: float
    rate_kbps: float | None = None
    broken: bool | None = None
    udp_blocked: bool | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """All that happens on a link after the first word."""

    changes: tuple[Change, ...] = field(default=())

    @classmethod
    def of(cls, link: Link) -> Schedule:
        """What ``link`` says."""
        changes = [Change(step.at_s, rate_kbps=step.rate_kbps) for step in link.steps]
        for outage in link.outages:
            changes += [Change(outage.start_s, broken=True), Change(outage.end_s, broken=False)]
        if link.udp_blocked_from_s:
            changes.append(Change(link.udp_blocked_from_s, udp_blocked=True))
        return cls(tuple(sorted(changes, key=lambda change: change.at_s)))

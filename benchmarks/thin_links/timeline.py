"""One picture per lecture: rate, queue, voice gaps, pages and seconds behind over time."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.thin_links import wire
from benchmarks.thin_links.judge import Result, gap_list
from benchmarks.thin_links.links import LINKS

_RED, _BLUE, _GREY, _GREEN, _ORANGE = "#c0392b", "#2c6fbb", "#8a8a8a", "#3a8f4d", "#d98324"


def draw(result: Result, folder: Path) -> Path:
    """Write ``timeline.png`` into the lecture's folder."""
    ticks = wire.ticks(folder / "link.jsonl", result.detail["first_word_s"])
    end_s = max(result.detail["length_s"] + 5, *(item[0] for item in result.detail["behind"][-1:]))
    ticks = wire.between(ticks, -5, end_s)
    figure = Figure(figsize=(13, 9))
    axes = figure.subplots(4, 1, sharex=True, height_ratios=(3, 2, 1.2, 2))
    _rates(axes[0], ticks)
    _queue(axes[1], ticks)
    _events(axes[2], result)
    _behind(axes[3], result)
    for axis in axes:
        for start_s, stop_s in result.detail["outages"]:
            axis.axvspan(start_s, stop_s, color=_GREY, alpha=0.25, lw=0)
        axis.grid(alpha=0.25)
        axis.set_xlim(-5, end_s)
    blocked_s = LINKS[result.link].udp_blocked_from_s
    if blocked_s is not None:
        axes[0].axvline(blocked_s, color=_RED, lw=1, ls=":", label="UDP blocked")
    axes[0].legend(loc="upper right", ncols=5, fontsize=8)
    axes[-1].set_xlabel("seconds since the first word")
    way = "prefetched" if result.prefetched else "not prefetched"
    figure.suptitle(f"{result.link}: {LINKS[result.link].text} ({way})")
    path = folder / "timeline.png"
    figure.tight_layout()
    figure.savefig(path, dpi=80)
    return path


def _rates(axis: Axes, ticks: list[wire.Tick]) -> None:
    """Sent into the downlink, second by second, by what it is."""
    seconds = [ticks[at : at + 10] for at in range(0, len(ticks), 10)]
    times = [part[0].at_s for part in seconds]
    groups = [
        ("voice", _BLUE, lambda kind: kind in wire.VOICE_KINDS),
        ("data", _GREEN, lambda kind: kind in wire.DATA_KINDS),
        ("camera", _ORANGE, lambda kind: kind in wire.CAMERA_KINDS),
        ("web socket", "#7d5ba6", lambda kind: kind == "tcp"),
        ("other", _GREY, lambda kind: kind in ("rtcp", "stun", "dtls", "udp", "other")),
    ]
    axis.stackplot(
        times,
        *([wire.kbps(part, wanted) for part in seconds] for _, _, wanted in groups),
        labels=[name for name, _, _ in groups],
        colors=[colour for _, colour, _ in groups],
        step="post",
        lw=0,
    )
    rates = [part[0].down["rate_kbps"] for part in seconds]
    if all(rates):
        axis.step(times, rates, where="post", color="black", lw=1, label="link")
    axis.set_ylabel("kbit/s down")


def _queue(axis: Axes, ticks: list[wire.Tick]) -> None:
    axis.plot(
        [tick.at_s for tick in ticks], [tick.down["queue_ms"] for tick in ticks], color=_BLUE, lw=0.7, label="down"
    )
    axis.plot([tick.at_s for tick in ticks], [tick.up["queue_ms"] for tick in ticks], color=_GREY, lw=0.6, label="up")
    dropped = [tick.at_s for tick in ticks if tick.down["dropped"]]
    axis.plot(dropped, [0] * len(dropped), "x", color=_RED, ms=5, label="dropped")
    axis.axhline(300, color=_RED, lw=0.8, ls="--")
    axis.set_ylabel("queue, ms")
    axis.legend(loc="upper right", fontsize=8)


def _events(axis: Axes, result: Result) -> None:
    """Gaps of the voice above; pages below: red until legible, orange until sharp, green after."""
    for gap in gap_list(result):
        axis.barh(1, gap.length_s, left=gap.start_s, color=_GREY if gap.outage else _RED, height=0.6)
    turned = result.detail["pages"]
    offset = _first_sound_s(result)
    for number, page in enumerate(turned):
        if page["heard_s"] is None:
            continue
        start = page["heard_s"] + offset
        following = [other["heard_s"] for other in turned[number + 1 :] if other["heard_s"] is not None]
        stop = following[0] + offset if following else result.detail["length_s"]
        axis.barh(0, stop - start, left=start, color=_GREEN, height=0.6)
        for key, colour in (("sharp_s", _ORANGE), ("legible_s", _RED)):
            length = stop - start if page[key] is None else page[key]
            axis.barh(0, max(0.0, length), left=start, color=colour, height=0.6)
        axis.text(start, 0, f" {page['page']}", fontsize=7, va="center")
    axis.set_yticks([0, 1], ["pages", "gaps"])
    axis.set_ylim(-0.5, 1.5)


def _first_sound_s(result: Result) -> float:
    behind = result.detail["behind"]
    return float(behind[0][0]) if behind else 0.0


def _behind(axis: Axes, result: Result) -> None:
    behind = result.detail["behind"]
    axis.plot([item[0] for item in behind], [item[1] for item in behind], color=_BLUE, lw=1, label="behind")
    progress = result.detail["progress"]
    axis.plot(
        [item["at_s"] for item in progress],
        [(item["delay_ms"] or 0) / 1000 for item in progress],
        color=_GREY,
        lw=0.8,
        label="playout delay aimed at",
    )
    axis.axhline(6, color=_RED, lw=0.8, ls="--")
    axis.set_ylim(0, None)
    axis.set_ylabel("seconds behind")
    axis.legend(loc="upper right", fontsize=8)

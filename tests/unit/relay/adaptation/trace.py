"""What happened in a simulated run, moment by moment, and the figures that are judged."""

from __future__ import annotations

from dataclasses import dataclass

from relay.adaptation.rungs import Choice

SAMPLE_S = 0.05


@dataclass
class Sample:
    """The state at one moment."""

    now: float
    link_kbps: float
    queue_ms: float
    budget_kbps: float
    sustained_kbps: float
    seen_queue_ms: float
    carried_kbps: float
    loss: float
    choice: Choice


class Trace:
    """The samples of a run, one each :data:`SAMPLE_S`."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []

    def between(self, start: float, end: float) -> list[Sample]:
        """Samples of a time."""
        return [sample for sample in self.samples if start <= sample.now < end]

    def queue_p95_ms(self, start: float, end: float) -> float:
        """Of the true queue of the link."""
        queues = sorted(sample.queue_ms for sample in self.between(start, end))
        return queues[int(0.95 * len(queues))]

    def mean_budget_kbps(self, start: float, end: float) -> float:
        """Mean of what the pacer was allowed."""
        samples = self.between(start, end)
        return sum(sample.budget_kbps for sample in samples) / len(samples)

    def carried_kbps(self, start: float, end: float) -> float:
        """Mean of what arrived."""
        samples = self.between(start, end)
        return sum(sample.carried_kbps for sample in samples) / len(samples)

    def trace(self, every_s: float = 1.0) -> str:
        """The run as text, a line each ``every_s``."""
        lines = ["   t   link  budget sustain carried  queue max  seen loss"]
        step = int(every_s / SAMPLE_S)
        for i in range(0, len(self.samples) - step, step):
            part = self.samples[i : i + step]
            last = part[-1]
            lines.append(
                f"{part[0].now:5.1f} {last.link_kbps:6.0f} {last.budget_kbps:7.1f} {last.sustained_kbps:7.1f} "
                f"{sum(s.carried_kbps for s in part) / len(part):7.1f} "
                f"{sum(s.queue_ms for s in part) / len(part):6.0f} {max(s.queue_ms for s in part):4.0f} "
                f"{last.seen_queue_ms:5.0f} {last.loss:.2f}"
            )
        return "\n".join(lines)

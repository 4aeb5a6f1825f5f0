"""What a hall heard and saw of a lecture, in the end."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from lecture.messages import Receipt


@dataclass(frozen=True, slots=True)
class HallReceipt:
    """All of a hall's lecture.

    :param ended: the lecture was played to its end.
    :param complete: the hall's file has every second of voice that the relay has.
    :param voice_heard_ms: voice of the lecture that came out of the loudspeaker, each second counted once.
    :param voice_kept_ms: voice in the hall's file.
    :param concealed_ms: voice that never came in time and was bridged.
    :param pages_shown: turns whose page was seen while it was in force.
    :param link_kbps_mean: mean of the link's use while connected, both ways, with all headers.
    """

    lecture: str = ""
    hall: str = ""
    ended: bool = False
    complete: bool = False
    voice_sent_ms: int = 0
    voice_heard_ms: int = 0
    voice_kept_ms: int = 0
    concealed_ms: int = 0
    pages_shown: int = 0
    pages_turned: int = 0
    link_kbps_mean: float = 0.0
    longest_silence_ms: int = 0
    reconnects: int = 0
    heads: int = 0
    questions: int = 0
    file: str = ""

    def facts(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)

    def message(self) -> Receipt:
        """For the relay."""
        return Receipt(
            hall=self.hall,
            voice_sent_ms=self.voice_sent_ms,
            voice_heard_ms=self.voice_heard_ms,
            voice_kept_ms=self.voice_kept_ms,
            pages_shown=self.pages_shown,
            pages_turned=self.pages_turned,
            link_kbps_mean=round(self.link_kbps_mean, 1),
            heads=self.heads,
            questions=self.questions,
        )

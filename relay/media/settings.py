"""What the media part can be told, and what a lecture is to it."""

from __future__ import annotations

from dataclasses import dataclass

from lecture.message_parts import LectureState


@dataclass(frozen=True, slots=True)
class LectureInfo:
    """The facts of a lecture that the media part needs to know.

    :param languages: BCP 47 tags of the voices; the first is the lecturer's.
    :param state: as far as the catalogue knows it; counts only where the lecture's file is too damaged to tell.
    :param started_at: likewise, when it began, in seconds since 1970.
    """

    title: str
    course: str = ""
    languages: tuple[str, ...] = ("en",)
    state: LectureState | None = None
    started_at: float | None = None

    def __post_init__(self) -> None:
        if not self.languages:
            raise ValueError("a lecture has at least one language")


@dataclass(frozen=True, slots=True)
class HallSettings:
    """``[halls]``: what halls get.

    :param prefetch: pages are sent before they are shown, when nothing else is to be sent.
    """

    prefetch: bool = True


@dataclass(frozen=True, slots=True)
class MediaSettings:
    """Limits and times of the media part. The defaults are those of ``configs/relay.toml``.

    :param max_halls: halls of one lecture, connected at the same time.
    :param max_players: standard (WHEP) players of one lecture.
    :param takeover_silence_s: a publisher that sent no packet for this long is replaced by a new offer of its role.
    :param publisher_silence_s: a publisher that sent no packet for this long is closed.
    :param voice_wait_s: how long a missing packet of the uplink may hold back the voice while it is asked for again.
    :param commit_interval_s: what has been received is on disk after this time at the latest.
    :param keyframe_interval_s: keyframe requests to one camera are at least this far apart.
    :param hall_send_timeout_s: a hall that takes nothing for this long is dropped.
    :param hall_silence_s: a hall that says nothing for this long is dropped.
    :param idle_close_s: a lecture without publisher or hall is closed in memory (not ended) after this time.
    :param camera_kbps: the most a camera is asked to send (REMB), and where simulcast layers are chosen.
    :param deck_timeout_s: a deck that takes longer to render is refused.
    :param deck_max_pages: a deck with more pages is refused.
    :param deck_max_bytes: a larger PDF is refused.
    """

    max_halls: int = 400
    max_players: int = 100
    takeover_silence_s: float = 3.0
    publisher_silence_s: float = 20.0
    voice_wait_s: float = 1.0
    commit_interval_s: float = 0.5
    keyframe_interval_s: float = 1.0
    hall_send_timeout_s: float = 30.0
    hall_silence_s: float = 60.0
    idle_close_s: float = 600.0
    camera_kbps: int = 600
    deck_timeout_s: float = 1800.0
    deck_max_pages: int = 500
    deck_max_bytes: int = 64_000_000

"""Who gets what over RTP: all subscribers of a lecture, tied to the lines they listen to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from relay.media.camera_line import CameraLine
from relay.media.media_session import MediaSession
from relay.media.rtp_outlet import DataLane
from relay.media.subscriber import PLAYER_START_KBPS, Subscriber
from relay.media.tasks import fenced
from relay.media.voice_line import VoiceLine
from transport.sdp import HALL_CAMERA_CODECS, HALLCAST_VOICE, AnswerPolicy, NegotiatedMedia

TICK_S = 0.25


class Fanout:
    """The subscribers of one lecture (halls' media sessions and standard players)."""

    def __init__(self, voices: Mapping[str, VoiceLine], camera: CameraLine) -> None:
        self._voices = voices
        self._camera = camera
        self._subscribers: dict[Subscriber, MediaSession] = {}
        self._tick_at = 0.0

    def __len__(self) -> int:
        return len(self._subscribers)

    def policy(self, *, camera: bool, hall: bool) -> AnswerPolicy:
        """How to answer someone who wants to listen: with all codecs in which the camera may come, untouched or as a
        rung; whichever it will be needs no new offer."""
        first = "AV1" if hall or not self._camera.codec else self._camera.codec.upper()
        codecs = dict.fromkeys((first, *HALL_CAMERA_CODECS))
        return AnswerPolicy(
            direction="sendonly",
            audio_codecs=(HALLCAST_VOICE, "opus") if hall else ("opus",),
            video_codecs=tuple(codecs) if camera else (),
            max_video_codecs=len(codecs),
            h264_profile=self._camera.h264_profile,
            transport_cc=True,
            red=not hall,
            data=hall,
        )

    def add(
        self,
        session: MediaSession,
        language: str,
        *,
        start_kbps: float = PLAYER_START_KBPS,
        data: Callable[[NegotiatedMedia], DataLane] | None = None,
    ) -> Subscriber:
        """Serve a session from now on.

        :param start_kbps: what its link is taken to carry until something is known.
        :param data: makes a hall's data lane.
        """
        subscriber = Subscriber(session.peer, session.media, language, start_kbps=start_kbps, data=data)
        session.on_rtcp = subscriber.push_rtcp
        self._subscribers[subscriber] = session
        if subscriber.voice is not None:
            self._voices[language].senders.add(subscriber.voice)
        if subscriber.camera is not None:
            self._camera.senders.add(subscriber.camera)
        return subscriber

    def remove(self, subscriber: Subscriber) -> None:
        """Serve it no longer."""
        self._subscribers.pop(subscriber, None)
        subscriber.close()
        if subscriber.voice is not None:
            self._voices[subscriber.language].senders.discard(subscriber.voice)
        if subscriber.camera is not None:
            self._camera.senders.discard(subscriber.camera)

    def tick(self, now: float, media_ms: float) -> None:
        """Choices and sender reports; call as often as you like."""
        if now - self._tick_at >= TICK_S:
            self._tick_at = now
            for subscriber, session in self._subscribers.items():
                with fenced("a subscriber", partial(session.end, "failed")):
                    subscriber.tick(now, media_ms)

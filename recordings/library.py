"""The library: every recording of a data folder, and the files derived from them for replay."""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lecture.log import Span
from lecture.tracks import LANGUAGE_FORM
from recordings import camera, screen, voice
from recordings.captions import captions_of
from recordings.errors import RecordingError
from recordings.files import written_whole
from recordings.recording import LECTURE_ID, Recording
from recordings.replay import caption_facts, drawings, pages_shown, replay_manifest
from recordings.waveform import waveform

_DISK_REFUSES = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})

_NOTHING_DRAWN = b'{"ink":[],"pointer":[]}'


class NotMadeError(Exception):
    """A derived file is not there yet and was not to be made."""


@dataclass(frozen=True, slots=True)
class VoiceSegment:
    """A piece of a voice for replay.

    :ivar pages: :func:`recordings.replay.pages_shown` meanwhile, for an asker who does not know them yet.
    """

    data: bytes
    language: str
    revision: str
    pages: Sequence[tuple[int, str]]


class Library:
    """Lecture files in a folder. Blocking: call it off the event loop.

    Files for replay (voice as Ogg, camera as film) are derived from the lecture file when first asked for and kept in
    ``cache_dir``; what belongs to an older revision of a recording is removed. Those that take seconds of a processor
    (a voice, a camera, a waveform, how a shared screen stood) are only looked for with ``make=False``
    (:class:`NotMadeError`). A disk that takes nothing refuses that with ``disk_full``.
    """

    def __init__(self, lectures_dir: Path, cache_dir: Path) -> None:
        """
        :ivar elsewhere: what to say of a recording whose file is not here but elsewhere; from any thread.
        """
        self.elsewhere: Callable[[str], RecordingError | None] = lambda lecture_id: None
        self._lectures_dir = lectures_dir
        self._cache_dir = cache_dir

    def open(self, lecture_id: str) -> Recording:
        """Open a recording.

        :raises RecordingError: ``recording_unknown``; what ``elsewhere`` says.
        :raises LectureFileError: if the file cannot be read.
        """
        path = self._lectures_dir / f"{lecture_id}.lecture"
        known = LECTURE_ID.fullmatch(lecture_id)
        if not known or not path.is_file():
            elsewhere = self.elsewhere(lecture_id) if known else None
            raise elsewhere or RecordingError("recording_unknown", f"There is no recording “{lecture_id[:64]}” here.")
        recording = Recording.open(path)
        with contextlib.suppress(OSError):  # on a read-only disk
            found = path.stat()
            os.utime(path, ns=(time.time_ns(), found.st_mtime_ns))  # what is used least need not stay here
        return recording

    def manifest(self, lecture_id: str) -> Path:
        """:func:`recordings.replay.replay_manifest` as JSON."""
        with self.open(lecture_id) as recording:

            def write(path: Path) -> None:
                lines = self._drawings(recording).read_bytes().splitlines()
                drawn = [index for index, line in enumerate(lines) if line != _NOTHING_DRAWN]
                _write_bytes(_json(replay_manifest(recording, drawn)), path)

            return self._derived(recording, "replay.json", write)

    def revision(self, lecture_id: str) -> str:
        """Changes whenever something was added to the recording.

        :raises RecordingError: ``recording_unknown``.
        """
        with self.open(lecture_id) as recording:
            return recording.revision

    def drawing(self, lecture_id: str, page: int) -> bytes:
        """Ink and pointer of a page, counted as in the manifest, from 0 (:func:`recordings.replay.drawings`), as JSON.

        :raises RecordingError: ``recording_unknown``, ``page_missing``.
        """
        with self.open(lecture_id) as recording:
            path = self._drawings(recording)
        with path.open("rb") as lines:
            found = next(itertools.islice(lines, page, None), None)
        if found is None:
            raise RecordingError("page_missing", "There is no such page.")
        return found.rstrip()

    def captions(self, lecture_id: str, language: str) -> bytes:
        """The captions of a language (:func:`recordings.replay.caption_facts`), as JSON.

        :raises RecordingError: ``recording_unknown``, ``captions_missing``.
        """
        with self.open(lecture_id) as recording:
            cues = captions_of(recording).get(language)
        if cues is None:
            raise RecordingError("captions_missing", "There are no captions in that language.")
        return _json(caption_facts(cues))

    def _drawings(self, recording: Recording) -> Path:
        """What is drawn on each page, a line of JSON for each, so that one can be read without the others."""

        def write(path: Path) -> None:
            found = drawings(recording, recording.pages())
            _write_bytes(b"".join(_json(drawing) + b"\n" for drawing in found), path)

        return self._derived(recording, "drawings.jsonl", write)

    def voice_segment(
        self,
        lecture_id: str,
        language: str,
        rung: str,
        number: int,
        *,
        from_ms: int = 0,
        revision: str | None = None,
    ) -> VoiceSegment:
        """A piece of a voice (:func:`recordings.voice.segment`).

        :param language: ``-`` stands for the lecture's first.
        :param from_ms: lecture time from which on it is wanted.
        :param revision: of the recording that the asker knows: it knows the pages then.
        :raises RecordingError: ``recording_unknown``, ``voice_missing``, ``segment_missing``.
        """
        with self.open(lecture_id) as recording:
            if language == "-":
                language = next(iter(recording.languages()), language)
            data = voice.segment(recording, language, rung, number, from_ms)
            span = Span(number * voice.SEGMENT_MS, (number + 1) * voice.SEGMENT_MS)
            shown = [] if revision == recording.revision else pages_shown(recording, span)
            return VoiceSegment(data, language, recording.revision, shown)

    def screen_segment(self, lecture_id: str, number: int, *, whole: bool, make: bool = True) -> bytes:
        """See :func:`recordings.screen.segment`.

        :raises RecordingError: ``recording_unknown``, ``segment_missing``.
        """
        with self.open(lecture_id) as recording:
            if not 0 <= number * screen.SEGMENT_MS <= recording.duration_ms:
                raise RecordingError("segment_missing", "The recording ends before that segment.")
            if not whole:
                return screen.segment(recording, number, whole=False)
            path = self._derived(
                recording,
                f"screen-{number}",
                lambda path: _write_bytes(screen.segment(recording, number, whole=True), path),
                make=make,
            )
            return path.read_bytes()

    def waveform(self, lecture_id: str, language: str, *, make: bool = True) -> Path:
        """How loud a voice is along the lecture (:func:`recordings.waveform.waveform`).

        :raises RecordingError: ``recording_unknown``, ``voice_missing``.
        """
        if not re.fullmatch(LANGUAGE_FORM, language):
            raise RecordingError("voice_missing", "That is no language tag.")
        with self.open(lecture_id) as recording:
            return self._derived(
                recording,
                f"waveform-{language}",
                lambda path: _write_bytes(waveform(recording, language), path),
                make=make,
            )

    def voice_file(self, lecture_id: str, language: str, *, make: bool = True) -> Path:
        """The voice of a language as Ogg Opus.

        :raises RecordingError: ``recording_unknown``, ``voice_missing``.
        """
        if not re.fullmatch(LANGUAGE_FORM, language):
            raise RecordingError("voice_missing", "That is no language tag.")
        with self.open(lecture_id) as recording:
            return self._derived(
                recording,
                f"voice-{language}.ogg",
                lambda path: voice.write_ogg(recording, language, path),
                make=make,
            )

    def camera_file(self, lecture_id: str, *, make: bool = True) -> tuple[Path, str]:
        """The camera as a film, with its media type.

        :raises RecordingError: ``recording_unknown``, ``camera_missing``.
        """
        with self.open(lecture_id) as recording:
            track = recording.camera_track()
            if track is None:
                raise RecordingError("camera_missing", "No camera was recorded in this lecture.")
            path = self._derived(recording, "camera.film", lambda path: camera.write_film(recording, path), make=make)
            return path, camera.media_type(track)

    def _derived(self, recording: Recording, name: str, write: Callable[[Path], None], *, make: bool = True) -> Path:
        folder = self._cache_dir / recording.path.stem
        path = folder / f"{recording.revision}-{name}"
        if not path.is_file():
            if not make:
                raise NotMadeError
            try:
                write(path)
            except OSError as error:
                if error.errno not in _DISK_REFUSES:
                    raise
                text = "The relay's disk takes nothing now, so that nothing can be prepared for replay."
                raise RecordingError("disk_full", text) from error
            for old in folder.glob(f"*-{name}"):
                if old != path:
                    old.unlink(missing_ok=True)
        return path


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _write_bytes(data: bytes, path: Path) -> None:
    with written_whole(path) as partial:
        partial.write_bytes(data)


def summary(recording: Recording) -> dict[str, Any]:
    """What a list of recordings says of one; durations in ms, times as ISO 8601 UTC."""
    return {
        "id": recording.lecture_id,
        "title": recording.title,
        "course": recording.course,
        "state": recording.state,
        "started_at": recording.started_at,
        "duration_ms": recording.duration_ms,
        "languages": recording.languages(),
        "has_camera": recording.camera_track() is not None,
        "page_count": len(recording.pages()),
    }

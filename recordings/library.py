"""The library: every recording of a data folder, and the files derived from them for replay."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recordings import camera, voice
from recordings.errors import RecordingError
from recordings.recording import LECTURE_ID, Recording
from recordings.replay import replay_manifest

_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}")


class Library:
    """Lecture files in a folder. Blocking: call it off the event loop.

    Files for replay (voice as Ogg, camera as film) are derived from the lecture file when first asked for and kept in
    ``cache_dir``; what belongs to an older revision of a recording is removed.
    """

    def __init__(self, lectures_dir: Path, cache_dir: Path) -> None:
        self._lectures_dir = lectures_dir
        self._cache_dir = cache_dir

    def open(self, lecture_id: str) -> Recording:
        """Open a recording.

        :raises RecordingError: ``recording_unknown``.
        :raises LectureFileError: if the file cannot be read.
        """
        path = self._lectures_dir / f"{lecture_id}.lecture"
        if not LECTURE_ID.fullmatch(lecture_id) or not path.is_file():
            raise RecordingError("recording_unknown", f"There is no recording “{lecture_id[:64]}” here.")
        return Recording.open(path)

    def manifest(self, lecture_id: str) -> dict[str, Any]:
        """See :func:`recordings.replay.replay_manifest`."""
        with self.open(lecture_id) as recording:
            return replay_manifest(recording)

    def voice_file(self, lecture_id: str, language: str) -> Path:
        """The voice of a language as Ogg Opus.

        :raises RecordingError: ``recording_unknown``, ``voice_missing``.
        """
        if not _LANGUAGE.fullmatch(language):
            raise RecordingError("voice_missing", "That is no language tag.")
        with self.open(lecture_id) as recording:
            return self._derived(
                recording, f"voice-{language}.ogg", lambda path: voice.write_ogg(recording, language, path)
            )

    def camera_file(self, lecture_id: str) -> tuple[Path, str]:
        """The camera as a film, with its media type.

        :raises RecordingError: ``recording_unknown``, ``camera_missing``.
        """
        with self.open(lecture_id) as recording:
            track = recording.camera_track()
            if track is None:
                raise RecordingError("camera_missing", "No camera was recorded in this lecture.")
            path = self._derived(recording, "camera.film", lambda path: camera.write_film(recording, path))
            return path, camera.media_type(track)

    def _derived(self, recording: Recording, name: str, write: Callable[[Path], None]) -> Path:
        folder = self._cache_dir / recording.path.stem
        path = folder / f"{recording.revision}-{name}"
        if not path.is_file():
            write(path)
            for old in folder.glob(f"*-{name}"):
                if old != path:
                    old.unlink(missing_ok=True)
        return path


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

"""The hall's own lecture file: what it received, kept so that a power cut loses at most a second."""

from __future__ import annotations

import base64
import contextlib
import errno
import hashlib
import json
import logging
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path

from lecture.chunks import Chunker
from lecture.coverage import Coverage
from lecture.entries import EVENT_KINDS, EncodedFrame, Entry, Flag, Kind, pack_frames, readable_frames, unpack_event
from lecture.errors import LectureFileError
from lecture.file import LectureFile
from lecture.lock import WriterLock
from lecture.log import Span
from lecture.message_parts import Have, LectureSummary
from lecture.messages import EntryMessage
from lecture.tracks import RECORDED_KBPS, SCREEN_CODEC, VOICE_FRAME_MS, Track

log = logging.getLogger("hallcast.hall")

_COPY_RUNG = str(RECORDED_KBPS)
"""Rung under which the copy keeps its one voice track per language: that of the relay's log, whose frames fill the
gaps. Frames that came live in a lower rung stand in it too, since all rungs share the grid."""

_PROGRESS_KEY = "hall.progress"
_BEYOND_USE = frozenset({"file_damaged", "not_a_lecture_file"})
_MEMORY = Path("/dev/shm")
"""Where a system has files in memory: the stand-in of a copy for which the disk has no room."""
_STAND_IN_BYTES = 256_000_000
_STAND_IN_PREFIX = "hallcast-hall-"
_STARTING_S = 60.0
_PARTIAL_LIMIT, _COMPLETE_LIMIT = 200, 4000  # of blobs named in a hello, which may not exceed 64 kB
_SHORT_DIGEST = 12  # hex digits


@dataclass(slots=True)
class Progress:
    """How far the hall has come, kept across restarts.

    :ivar heard: lecture time whose voice came out of the loudspeaker.
    :ivar shown: seqs of the page turns whose page was on the screen while it was in force.
    :ivar questions: those that the relay may not have yet, as (id, text); ``asked``: how many it has.
    """

    position_ms: int | None = None
    heard: list[tuple[int, int]] = field(default_factory=list)
    shown: list[int] = field(default_factory=list)
    longest_silence_ms: int = 0
    reconnects: int = 0
    wire_bytes: int = 0
    connected_s: float = 0.0
    questions: list[tuple[str, str]] = field(default_factory=list)
    asked: int = 0

    def heard_coverage(self) -> Coverage:
        """:attr:`heard` as a set of intervals."""
        return Coverage(Span(start, end) for start, end in self.heard)


class HallCopy:
    """One lecture's file in the hall's folder. Calls are quick but :meth:`commit`; all are safe from any thread."""

    def __init__(self, file: LectureFile, stand_in: tempfile.TemporaryDirectory[str] | None = None) -> None:
        """
        :param stand_in: the folder of a file that is not kept, removed when that is closed.
        """
        self._file = file
        self._stand_in = stand_in
        self._tracks: dict[str, int] = {
            track.language: track.track_id for track in file.tracks() if track.kind == "voice"
        }
        self._cameras: dict[str, Chunker] = {}

    @classmethod
    def open(cls, folder: Path, lecture_id: str, title: str = "") -> HallCopy:
        """Open the lecture's file in ``folder``, or begin it. Where the disk has no room for one, another stands in for
        it that is not kept (:attr:`kept`): the lecture is shown and heard all the same.

        :raises LectureFileError: the folder or the file cannot be used.
        """
        _remove_left_over()
        try:
            return cls._open(folder, lecture_id, title)
        except LectureFileError as error:
            if error.error_id != "disk_full":
                raise
            log.error("the lecture is not kept: %s", error)
            return cls._open_stand_in(lecture_id, title, error)

    @classmethod
    def _open(cls, folder: Path, lecture_id: str, title: str) -> HallCopy:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            error_id = "disk_full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "file_unwritable"
            raise LectureFileError(error_id, f"The folder {folder} cannot be used.") from error
        path = folder / f"{_file_stem(lecture_id)}.lecture"
        if path.exists():
            try:
                return cls(LectureFile.open(path))
            except LectureFileError as error:
                if error.error_id not in _BEYOND_USE:
                    raise
                # The lecture goes on, whatever happened to an old copy; nothing is thrown away.
                aside = _free_name(path)
                log.error("the hall's copy is damaged and set aside as %s: %s", aside.name, error)
                path.rename(aside)
        return cls(LectureFile.create(path, {"lecture": lecture_id, "title": title, "role": "hall"}))

    @classmethod
    def _open_stand_in(cls, lecture_id: str, title: str, full: LectureFileError) -> HallCopy:
        """
        :raises LectureFileError: ``disk_full``, there is no room anywhere.
        """
        for place in _stand_in_places():
            folder: tempfile.TemporaryDirectory[str] | None = None
            try:
                folder = tempfile.TemporaryDirectory(prefix=_STAND_IN_PREFIX, dir=place, ignore_cleanup_errors=True)
                path = Path(folder.name, f"{_file_stem(lecture_id)}.lecture")
                facts = {"lecture": lecture_id, "title": title, "role": "hall"}
                return cls(LectureFile.create(path, facts, limit_bytes=_STAND_IN_BYTES), folder)
            except (OSError, LectureFileError) as error:
                log.info("nothing can be kept in %s either: %s", place, error)
                if folder is not None:
                    folder.cleanup()
        raise full

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self._file.path

    @property
    def kept(self) -> bool:
        """Whether the file outlives the lecture; what stands in for it on a full disk does not."""
        return self._stand_in is None

    # Voice

    def voice_spans(self, language: str) -> list[Span]:
        """What of a language's voice the file holds."""
        track_id = self._tracks.get(language)
        if track_id is None:
            return []
        whole = Span(0, self._file.last_t_ms())
        missing = Coverage(self._file.gaps([track_id], whole))
        return missing.missing(whole)

    def frames(self, language: str, span: Span) -> list[EncodedFrame]:
        """The frames of a span, in order."""
        track_id = self._tracks.get(language)
        if track_id is None:
            return []
        frames = [frame for entry in self._file.read_span(track_id, span) for frame in readable_frames(entry)]
        return [frame for frame in frames if span.start_ms <= frame.t_ms < span.end_ms]

    def keep_voice(self, language: str, frames: Iterable[EncodedFrame]) -> None:
        """Append frames that the file does not hold yet, in order of time."""
        track_id = self._tracks.get(language)
        if track_id is None:
            track = Track("voice", "opus", 48_000, language, _COPY_RUNG, 1)
            track_id = self._tracks[language] = self._file.add_track(track).track_id
        # Entries are without holes, so that the file's own book-keeping of gaps is exact.
        numbered = enumerate(sorted(frames, key=lambda frame: frame.t_ms))
        for _, run in groupby(numbered, lambda item: item[1].t_ms - item[0] * VOICE_FRAME_MS):
            piece = [frame for _, frame in run]
            start_ms = piece[0].t_ms
            duration_ms = piece[-1].t_ms + VOICE_FRAME_MS - start_ms
            self._file.append(Entry(Kind.VOICE, start_ms, pack_frames(start_ms, piece), track_id, duration_ms))

    def keep_screen(self, t_ms: int, update: bytes, *, whole: bool) -> None:
        """Append an update of the lecturer's screen, as it came."""
        track_id = self._file.add_track(Track("screen", SCREEN_CODEC, 1000)).track_id
        flags = int(Flag.KEYFRAME if whole else Flag.NONE)
        payload = pack_frames(t_ms, [EncodedFrame(t_ms, 0, update, flags)])
        self._file.append(Entry(Kind.SCREEN, t_ms, payload, track_id, flags=flags))

    def keep_camera(self, codec: str, frame: EncodedFrame) -> None:
        """Append a coded picture of the camera as it came, untouched or as a rung: there is a track for each codec.

        What is lacking is not asked for later: the relay's recording has the whole camera.
        """
        chunker = self._cameras.get(codec)
        if chunker is None:
            track = self._file.add_track(Track("camera", codec, 90_000))
            chunker = self._cameras[codec] = Chunker(Kind.CAMERA, track.track_id)
        self._append_all(chunker.push(frame))

    def _append_all(self, entries: list[Entry]) -> None:
        for entry in entries:
            self._file.append(entry)

    # Events and pages

    def events(self) -> list[EntryMessage]:
        """All events in the file, in order."""
        found: list[EntryMessage] = []
        after_seq = 0
        while entries := self._file.read(after_seq, kinds=EVENT_KINDS):
            after_seq = entries[-1].seq
            for entry in entries:
                try:
                    found.append(EntryMessage(entry.seq, entry.t_ms, int(entry.kind), unpack_event(entry)))
                except ValueError:
                    log.warning("an unreadable event in %s is left out", self._file.path.name)
        return found

    def keep_event(self, message: EntryMessage) -> EntryMessage | None:
        """Append an event of the relay's log; None if it was there, else with the seq that it has in this file."""
        entry = self._file.append(message.to_entry(), origin_seq=message.seq)
        return None if entry is None else EntryMessage(entry.seq, message.t_ms, message.entry_kind, message.fields)

    def describe(self, summary: LectureSummary) -> None:
        """Keep what the relay says of the lecture."""
        told = {"title": summary.title, "course": summary.course, "languages": json.dumps(summary.languages)}
        for key, value in told.items():
            if self._file.get_meta(key) != value:
                self._file.set_meta(key, value)

    def facts(self) -> dict[str, str]:
        """What is kept by :meth:`describe`."""
        return {key: self._file.get_meta(key) or "" for key in ("title", "course", "languages")}

    def keep_blob_part(self, digest: str, media_type: str, offset: int, total: int, data: bytes) -> bool:
        """Keep a piece of a page's picture; True once the picture is complete.

        :raises LectureFileError: it is damaged, or contradicts earlier pieces.
        """
        return self._file.put_blob_part(digest, media_type, offset, total, data)

    def complete_blobs(self) -> list[str]:
        """Digests of the pictures that are here."""
        return [digest for digest, _ in self._file.blob_sizes()]

    def picture(self, digest: str) -> tuple[bytes, str] | None:
        """A picture's bytes and media type."""
        blob = self._file.get_blob(digest)
        return None if blob is None else (blob.data, blob.media_type)

    def have(self, voice_end_ms: int | None = None, language: str = "") -> Have:
        """What to tell the relay in the hello.

        :param voice_end_ms: the voice from there on is wanted at once.
        :param language: which voice the hall hears.
        """
        complete = b"".join(bytes.fromhex(digest[:_SHORT_DIGEST]) for digest in self.complete_blobs()[:_COMPLETE_LIMIT])
        return Have(
            self._file.last_origin_seq(),
            tuple(self._file.partial_blobs()[:_PARTIAL_LIMIT]),
            base64.urlsafe_b64encode(complete).decode(),
            voice_end_ms,
            language,
        )

    # The hall's own state

    def progress(self) -> Progress:
        """How far the hall had come when the file was last written; a fresh one if that cannot be read."""
        text = self._file.get_meta(_PROGRESS_KEY)
        if text is None:
            return Progress()
        try:
            return Progress(**json.loads(text))
        except (ValueError, TypeError):
            return Progress()

    def set_progress(self, progress: Progress) -> None:
        """Note how far the hall has come; durable with the next commit."""
        self._file.set_meta(_PROGRESS_KEY, json.dumps(asdict(progress), separators=(",", ":")))

    def commit(self) -> None:
        """Make everything durable; blocks on the disk.

        :raises LectureFileError: ``disk_full`` and the like; nothing kept so far is harmed.
        """
        self._file.commit()

    def close(self, *, finished: bool) -> None:
        """Commit and close.

        :param finished: the lecture is complete: fold the file into one.
        :raises LectureFileError: as :meth:`commit`.
        """
        try:
            for chunker in self._cameras.values():
                self._append_all(chunker.flush())
            if finished:
                self._file.finish()
        finally:
            try:
                self._file.close()
            finally:
                if self._stand_in is not None:
                    self._stand_in.cleanup()


def _stand_in_places() -> tuple[Path, ...]:
    return _MEMORY, Path(tempfile.gettempdir())


def _remove_left_over() -> None:
    """Remove the stand-ins of halls that were killed: nobody else would before the machine is restarted."""
    for place in _stand_in_places():
        for path in place.glob(f"{_STAND_IN_PREFIX}*/*.lecture"):
            with contextlib.suppress(LectureFileError, OSError):  # a hall that runs has it open
                folder = path.parent.lstat()
                if sys.platform != "win32" and folder.st_uid != os.geteuid():
                    continue  # these places are everybody's
                if time.time() - folder.st_mtime < _STARTING_S:
                    continue  # of a hall that starts just now, and has made the file but not locked it
                lock = WriterLock(path)
                shutil.rmtree(path.parent, ignore_errors=True)
                lock.release()


def _free_name(path: Path) -> Path:
    names = (path.with_name(f"{path.stem}.damaged-{number}.lecture") for number in range(1, 10_000))
    return next(name for name in names if not name.exists())


def _file_stem(lecture_id: str) -> str:
    """The id where it can be a file's name, else its digest: the name comes from another machine."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", lecture_id):
        return lecture_id
    return hashlib.sha256(lecture_id.encode()).hexdigest()[:32]

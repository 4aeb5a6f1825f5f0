"""The lecturer's own lecture file: everything in full quality, whatever the line does.

Its times are lecture time as far as it was known when the voice began, and then go with this machine's clock. By how
much the relay's lecture time turned out to differ in each run is a fact of the file (:mod:`lecture.copy_time`).
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lecture.chunks import Chunker
from lecture.copy_time import COPY_TIME_KEY, CopyTime
from lecture.decks import Deck, PageTurn, write_deck_event
from lecture.entries import EncodedFrame, Entry, Flag, Kind, pack_event, pack_frames
from lecture.errors import LectureFileError
from lecture.file import LectureFile
from lecture.tracks import SCREEN_CODEC, SOURCE_RUNG, Track
from streamer.camera_pump import CodedPicture
from streamer.errors import StreamError
from streamer.pacing import FRAME_MS
from streamer.screen_share import CodedScreen
from streamer.voice_pump import VoicePacket

log = logging.getLogger("hallcast.streamer")

COMMIT_EVERY_S = 0.5
"""With entries of half a second: a power cut costs a second at most."""
COPY_KEY = "copy"
"""The file's fact: its id, by which a relay knows it again."""


def open_own_copy(folder: Path, lecture: str, title: str = "") -> LectureFile:
    """Open the lecture's file in ``folder`` for append, or make it (blocks). A finished one is left alone.

    :raises StreamError: ``keep_unwritable``.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(1, 1000):
            path = folder / (f"{lecture}.lecture" if number == 1 else f"{lecture}-{number}.lecture")
            if not path.exists():
                return LectureFile.create(path, _facts(lecture, title))
            try:
                file = LectureFile.open(path)
            except LectureFileError as error:
                if error.error_id == "file_damaged":
                    continue  # kept as it is, for repair; the lecture goes on in a file of its own
                raise
            if not file.finished:
                return file
            file.close()
    except (OSError, LectureFileError) as error:
        text = error.text if isinstance(error, LectureFileError) else f"{error.strerror}."
        raise StreamError(
            "keep_unwritable", f"Your own copy cannot be kept in {folder}: {text} --keep names another folder."
        ) from error
    raise StreamError("keep_unwritable", f"There are a thousand copies of this lecture in {folder}.")


def _facts(lecture: str, title: str) -> dict[str, str]:
    return {"lecture": lecture, "title": title, "role": "lecturer", COPY_KEY: secrets.token_hex(8)}


class OwnCopy:
    """Writes the lecture's file. Times given to it are stream time (ms since the streamer began).

    :ivar trouble: why it cannot be written just now, empty if it can.
    """

    def __init__(self, file: LectureFile, language: str) -> None:
        self._base_ms = file.last_t_ms()
        self.trouble = ""
        self._file = file
        self._voice = _Recorded(file, Kind.VOICE, Track("voice", "opus", 48_000, language, SOURCE_RUNG, 1))
        self._camera: _Recorded | None = None
        self._times = CopyTime.of_meta(file.get_meta)

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self._file.path

    def begin(self, at_ms: int, lecture_ms: int) -> None:
        """The voice begins about now.

        :param lecture_ms: lecture time as far as it is known; what an earlier run has written comes before in any case.
        """
        start_ms = max(lecture_ms, self._file.last_t_ms())
        self._base_ms = start_ms - at_ms
        self._times.begin(start_ms)
        self._file.set_meta(COPY_TIME_KEY, self._times.to_meta())

    def voice(self, packet: VoicePacket) -> None:
        """Keep a packet of the voice."""
        self._voice.add(EncodedFrame(self._base_ms + packet.at_ms, FRAME_MS, packet.data))

    def camera(self, picture: CodedPicture) -> None:
        """Keep a picture."""
        if self._camera is None:
            self._camera = _Recorded(self._file, Kind.CAMERA, Track("camera", "vp8", 90_000))
        flags = Flag.KEYFRAME if picture.keyframe else Flag.NONE
        self._camera.add(EncodedFrame(self._base_ms + picture.at_ms, 0, picture.data, int(flags)))

    def screen(self, update: CodedScreen) -> None:
        """Keep an update of the screen."""
        t_ms = max(0, self._base_ms + update.at_ms)
        flags = int(Flag.KEYFRAME if update.whole else Flag.NONE)
        track_id = self._file.add_track(Track("screen", SCREEN_CODEC, 1000)).track_id
        payload = pack_frames(t_ms, [EncodedFrame(t_ms, 0, update.data, flags)])
        self._file.append(Entry(Kind.SCREEN, t_ms, payload, track_id, flags=flags))

    def deck(self, deck: str, title: str, pdf: bytes, at_ms: int) -> None:
        """Keep the deck as it is."""
        digest = self._file.put_blob(pdf, "application/pdf")
        kind, fields = write_deck_event(Deck(deck, title))
        self._append(kind, self._base_ms + at_ms, {**fields, "pdf": digest})

    def turn(self, deck: str, page: int, at_ms: int) -> None:
        """Keep a page turn."""
        kind, fields = write_deck_event(PageTurn(deck, page))
        self._append(kind, self._base_ms + at_ms, fields)

    def lecture_time(self, at_ms: int, lecture_ms: int) -> None:
        """Note which lecture time a stream time turned out to be."""
        t_ms = self._base_ms + at_ms
        if self._times.learn(t_ms, lecture_ms - t_ms):
            self._file.set_meta(COPY_TIME_KEY, self._times.to_meta())

    def flush(self) -> None:
        """Voice and camera are over: what has been gathered of them is in the file."""
        for track in (self._voice, self._camera):
            if track is not None:
                track.flush()

    def _append(self, kind: Kind, t_ms: int, fields: dict[str, Any]) -> None:
        self._file.append(Entry(kind, max(0, t_ms), pack_event(fields)))

    async def run(self, say: Callable[[str], None]) -> None:
        """Commit twice a second until cancelled. A full disk is told and does not stop the lecture."""
        while True:
            await asyncio.sleep(COMMIT_EVERY_S)
            await self._commit(say)

    async def _commit(self, say: Callable[[str], None]) -> None:
        try:
            await asyncio.to_thread(self._file.commit)
        except LectureFileError as error:
            if not self.trouble:
                say(f"WARNING: your own copy cannot be written: {error.text} The lecture goes on.")
            self.trouble = error.text
        else:
            if self.trouble:
                say("Your own copy is being written again.")
            self.trouble = ""

    def close(self, *, finished: bool) -> None:
        """Write what is held and release the file (blocks)."""
        try:
            self.flush()
            if finished:
                self._file.finish()
        except LectureFileError as error:
            self.trouble = error.text
        try:
            empty = not self._file.read(limit=1)
            self._file.close()
            if empty:
                # Nothing was given, as where the relay refused the lecture: no file that looks like one.
                self._file.path.unlink(missing_ok=True)
        except (LectureFileError, OSError) as error:
            self.trouble = error.text if isinstance(error, LectureFileError) else str(error)


class _Recorded:
    """One track: its frames gathered, and appended to the file."""

    def __init__(self, file: LectureFile, kind: Kind, track: Track) -> None:
        self._file = file
        self._chunks = Chunker(kind, file.add_track(track).track_id)

    def add(self, frame: EncodedFrame) -> None:
        self._append(self._chunks.push(frame))

    def flush(self) -> None:
        self._append(self._chunks.flush())

    def _append(self, entries: list[Entry]) -> None:
        for entry in entries:
            self._file.append(entry)

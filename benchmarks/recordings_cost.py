"""What recording a lecture costs: CPU, and bytes written.

The entries of a recorded lecture are given to a fresh lecture file at the times at which they came, with the relay's
own recorder committing them; then the same entries at the same times without a file. The difference is the recording.
All threads of this process count, nothing else runs in it. Bytes are those of this process's write calls
(``/proc/self/io``: write-ahead log, checkpoints, and the file's finishing).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from lecture.entries import MEDIA_KINDS, Entry
from lecture.file import LectureFile
from relay.media.recorder import Recorder
from relay.media.settings import MediaSettings
from transport.tasks import until_first


@dataclass(frozen=True, slots=True)
class Cost:
    """Recording one lecture.

    :ivar cpu_percent: of one core, for the recording alone.
    :ivar written_bytes_per_s: while it goes on and to finish it, 0 where the system does not tell.
    :ivar file_bytes_per_s: what is there in the end.
    """

    seconds: float
    entries: int
    cpu_percent: float
    written_bytes_per_s: float
    file_bytes_per_s: float


async def cost(path: Path, folder: Path, seconds: float, *, speed: float = 1.0) -> Cost:
    """Record the first seconds of a lecture again; takes twice as long.

    :param speed: faster than a lecture is for trying only: caches are warm and commits fewer.
    """
    with LectureFile.open(path, readonly=True) as given:
        entries = [entry for entry in given.read(limit=1_000_000) if _came_s(entry) < seconds]
        tracks = given.tracks()
    entries.sort(key=_came_s)
    length_s = _came_s(entries[-1])
    copy = folder / f"{path.stem}-again.lecture"
    file = LectureFile.create(copy, {"lecture": path.stem})
    ids = {track.track_id: file.add_track(replace(track, track_id=0)).track_id for track in tracks}
    recorder = Recorder(file, MediaSettings().commit_interval_s)

    def record(entry: Entry) -> None:
        file.append(replace(entry, seq=0, track_id=ids.get(entry.track_id, 0)))
        if entry.kind not in MEDIA_KINDS:
            recorder.commit_soon()

    written, began_s = _written_bytes(), time.process_time()
    await until_first(recorder.run(), _feed(entries, record, speed))
    await recorder.finish()
    with_s = time.process_time() - began_s
    await recorder.close()
    written = _written_bytes() - written
    began_s = time.process_time()
    await _feed(entries, lambda _: None, speed)
    without_s = time.process_time() - began_s
    return Cost(
        seconds=round(length_s, 1),
        entries=len(entries),
        cpu_percent=round(100 * (with_s - without_s) / length_s, 2),
        written_bytes_per_s=round(written / length_s),
        file_bytes_per_s=round(copy.stat().st_size / length_s),
    )


def _came_s(entry: Entry) -> float:
    """When an entry is in the log: media when its last frame is there."""
    return (entry.t_ms + entry.duration_ms) / 1000


async def _feed(entries: list[Entry], take: Callable[[Entry], None], speed: float) -> None:
    began_s = time.monotonic()
    for entry in entries:
        wait_s = _came_s(entry) / speed - (time.monotonic() - began_s)
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        take(entry)


def _written_bytes() -> int:
    """What this process has written so far."""
    try:
        lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("wchar:")), 0)

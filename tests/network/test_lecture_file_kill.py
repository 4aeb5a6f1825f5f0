"""A lecture file outlives the sudden death of the process that writes it."""

from __future__ import annotations

import contextlib
import os
import random
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lecture.entries import Entry, Kind, pack_event
from lecture.errors import LectureFileError
from lecture.file import SEQ_BLOCK, LectureFile
from lecture.log import Span

# Appends a chunk of 100 ms every millisecond or so, commits from a second thread as the relay does, and says after
# each commit up to which lecture time everything is on disk.
WRITER = """
import sys, threading, time
from lecture.entries import EncodedFrame, Entry, Kind, pack_event, pack_frames
from lecture.errors import LectureFileError
from lecture.file import LectureFile
from lecture.tracks import Track

file = LectureFile.open(sys.argv[1])
track = file.add_track(Track("voice", "opus", 48000, "en", "16", 1))
start_ms = file.last_t_ms()

def commit():
    while True:
        upto = file.last_t_ms()
        file.commit()
        print(upto, flush=True)

threading.Thread(target=commit, daemon=True).start()
for n in range(10**9):
    t_ms = start_ms + n * 100
    payload = pack_frames(t_ms, [EncodedFrame(t_ms, 60, bytes(1500))])
    file.append(Entry(Kind.VOICE, t_ms, payload, track.track_id, 100))
    if n % 10 == 0:
        file.put_blob(b"page %d " % t_ms * 500, "image/avif")
        file.put_blob_part("%064x" % n, "image/avif", 0, 5000, bytes(2500))
        file.append(Entry(Kind.TURN, t_ms, pack_event({"deck": "d", "page": n + 1})))
    time.sleep(0.001)
"""


@contextmanager
def writing(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A writer, killed on leaving."""
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        yield writer
    finally:
        writer.kill()
        writer.communicate()


def committed_after(writer: subprocess.Popen[str], commits: int) -> int:
    """Lecture time in ms that the writer says is on disk after so many more commits."""
    assert writer.stdout is not None
    deadline = time.monotonic() + 30
    committed = 0
    with selectors.DefaultSelector() as selector:
        selector.register(writer.stdout, selectors.EVENT_READ)
        for _ in range(commits):
            assert selector.select(deadline - time.monotonic()), "the writer says nothing"
            line = writer.stdout.readline()
            assert line, "the writer died by itself"
            committed = int(line)
    return committed


def write_and_kill(path: Path, after_commits: int) -> int:
    """Lecture time in ms up to which the writer had committed when it was killed."""
    with writing(path) as writer:
        committed = committed_after(writer, after_commits)
        writer.kill()
        assert writer.stdout is not None
        rest = writer.stdout.read()
    whole_lines = rest.splitlines() if rest.endswith("\n") else rest.splitlines()[:-1]
    return int(whole_lines[-1]) if whole_lines else committed


@pytest.mark.parametrize("after_commits", [2, 5, 40])
def test_a_killed_writer_loses_at_most_what_it_had_not_committed(tmp_path: Path, after_commits: int) -> None:
    path = tmp_path / "a.lecture"
    LectureFile.create(path).close()
    committed = write_and_kill(path, after_commits)

    # Another process looks at it before anybody has repaired anything.
    with LectureFile.open(path, readonly=True) as reader:
        report = reader.verify()
        assert report.ok, report.problems
        assert report.duration_ms >= committed > 0
        (track,) = reader.tracks()
        assert reader.gaps([track.track_id], Span(0, committed)) == []

    # The lecture goes on in the same file; no number is given out again, even one that never came to the disk.
    with LectureFile.open(path) as file:
        entry = file.append(Entry(Kind.TURN, committed, pack_event({"deck": "d", "page": 1})))
        assert entry.seq > 2 * SEQ_BLOCK
    write_and_kill(path, 3)
    with LectureFile.open(path) as file:
        assert file.verify().ok
        assert all(held == 2500 for _, held in file.partial_blobs())
        file.finish()
    assert os.listdir(tmp_path) == ["a.lecture"]
    with LectureFile.open(path, readonly=True) as file:
        assert file.verify().ok


def test_a_copy_of_the_moment_of_a_power_cut_is_whole_in_any_state_of_its_index_and_its_last_words(
    tmp_path: Path,
) -> None:
    """What a disk holds when the power goes: all that commits have returned from, then anything."""
    path = tmp_path / "a.lecture"
    LectureFile.create(path).close()
    rng = random.Random(11)
    tails = [b"", bytes(20_000), rng.randbytes(7_001), b"\xff" * 24]
    with writing(path) as writer:
        for number, commits in enumerate((1, 3, 9, 4, 30, 2, 11, 5)):
            committed = committed_after(writer, commits)
            writer.send_signal(signal.SIGSTOP)
            os.waitpid(writer.pid, os.WUNTRACED)
            cut = tmp_path / f"cut-{number}.lecture"
            wal, index = Path(f"{path}-wal").read_bytes(), Path(f"{path}-shm").read_bytes()
            cut.write_bytes(path.read_bytes())
            writer.send_signal(signal.SIGCONT)
            Path(f"{cut}-wal").write_bytes(wal + tails[number % len(tails)])
            states = [None, index, rng.randbytes(len(index)), index[: len(index) // 2]]
            state = states[rng.randrange(len(states))]
            if state is not None:
                Path(f"{cut}-shm").write_bytes(state)
            with LectureFile.open(cut, readonly=True) as file:
                report = file.verify()
                assert report.ok, report.problems
                assert report.duration_ms >= committed
            with LectureFile.open(cut) as file:
                file.finish()
            with LectureFile.open(cut, readonly=True) as file:
                assert file.verify().ok
                assert file.last_t_ms() == report.duration_ms


def test_a_file_copied_piecemeal_while_it_is_written_is_an_error_or_a_report(tmp_path: Path) -> None:
    path = tmp_path / "a.lecture"
    LectureFile.create(path).close()
    with writing(path) as writer:
        for number, with_wal in enumerate((True, False, True, True)):
            committed_after(writer, 5)
            copy = tmp_path / f"copy-{number}.lecture"
            copy.write_bytes(path.read_bytes())
            committed_after(writer, 40)
            if with_wal:
                Path(f"{copy}-wal").write_bytes(Path(f"{path}-wal").read_bytes())
            with contextlib.suppress(LectureFileError), LectureFile.open(copy, readonly=True) as file:
                report = file.verify()
                if report.ok:
                    assert len(file.read(limit=1 << 20)) == report.entries


def test_a_file_is_read_while_another_process_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "a.lecture"
    LectureFile.create(path).close()
    with (
        subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as writer,
        LectureFile.open(path, readonly=True) as reader,
    ):
        assert writer.stdout is not None
        try:
            for _ in range(10):
                committed = int(writer.stdout.readline())
                assert reader.last_t_ms() >= committed
                tracks = [track.track_id for track in reader.tracks()]
                assert reader.gaps(tracks, Span(0, committed)) == []
            assert committed > 0
            assert reader.verify().ok
        finally:
            writer.kill()


@pytest.mark.parametrize("left", [[], ["-wal", "-shm"], ["-wal"]])
def test_a_file_in_a_folder_that_cannot_be_written_is_read(left: list[str]) -> None:
    """A USB stick with its switch on read-only: a file that was closed in good order without being finished, and one
    whose writer died before the disk turned read-only."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.lecture")
        with LectureFile.create(Path(folder, "live.lecture")) as file:
            file.append(Entry(Kind.TURN, 0, pack_event({"deck": "d", "page": 1})))
            file.commit()
            for suffix in left:
                shutil.copy(f"{file.path}{suffix}", f"{path}{suffix}")
            if left:
                shutil.copy(file.path, path)
        if not left:
            shutil.copy(file.path, path)
        for name in os.listdir(folder):
            os.chmod(Path(folder, name), 0o444)
        os.chmod(folder, 0o555)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)  # root may write everywhere; nobody may not
        try:
            assert not os.access(folder, os.W_OK, effective_ids=True)
            with LectureFile.open(path, readonly=True) as reader:
                assert len(reader.read()) == 1
                assert reader.verify().ok
            with pytest.raises(LectureFileError) as caught:
                LectureFile.open(path)
            assert caught.value.error_id == "file_unwritable"
        finally:
            os.seteuid(user)
            os.chmod(folder, 0o755)

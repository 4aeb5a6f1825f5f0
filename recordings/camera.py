"""A recorded camera as a film that a browser plays, without coding it anew."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import cast

import av
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from lecture.entries import EncodedFrame, Flag
from lecture.tracks import Track
from recordings.errors import RecordingError
from recordings.files import written_whole
from recordings.recording import Recording

_MS = Fraction(1, 1000)
_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9", "av1": "libdav1d", "h264": "h264"}
_MUXED_AS = {"vp8": "vp8", "vp9": "vp9", "av1": "av1"}


def _decoder(codec: str) -> VideoCodecContext:
    return cast(VideoCodecContext, av.CodecContext.create(_DECODERS[codec], "r"))


def media_type(track: Track) -> str:
    """The file type :func:`write_film` makes of a camera: H.264 goes into MP4, the others into WebM."""
    return "video/mp4" if track.codec == "h264" else "video/webm"


def _from_keyframe(frames: Iterator[EncodedFrame]) -> Iterator[EncodedFrame]:
    """Skip what no decoder can start with."""
    for frame in frames:
        if frame.flags & Flag.KEYFRAME:
            yield frame
            yield from frames


def decoded(recording: Recording) -> Iterator[tuple[int, VideoFrame]]:
    """The camera's pictures with their lecture time in ms; nothing for a lecture without camera.

    Pictures that do not decode are left out; decoding goes on at the next one that does.
    """
    track = recording.camera_track()
    if track is None or track.codec not in _DECODERS:
        return
    decoder = _decoder(track.codec)
    for frame in _from_keyframe(recording.frames(track)):
        packet = av.Packet(frame.data)
        packet.pts, packet.time_base = frame.t_ms, _MS
        try:
            pictures = decoder.decode(packet)
        except av.FFmpegError:
            continue
        for picture in pictures:
            yield (frame.t_ms if picture.pts is None else picture.pts), picture
    for picture in decoder.decode(None):  # what a decoder with several threads still holds
        yield picture.pts or 0, picture


def write_film(recording: Recording, path: Path) -> None:
    """Write the recorded camera; its first picture has time 0 (the replay page knows the offset).

    :raises RecordingError: ``camera_missing``.
    """
    track = recording.camera_track()
    frames = _from_keyframe(recording.frames(track)) if track is not None else iter(())
    first = next(frames, None)
    if track is None or first is None:
        raise RecordingError("camera_missing", "No camera was recorded in this lecture.")
    write = _write_mp4 if track.codec == "h264" else _write_webm
    with written_whole(path) as partial:
        try:
            write(track, first, frames, partial)
        except (av.error.FFmpegError, IndexError) as error:
            raise RecordingError("camera_missing", "The camera of this lecture cannot be read.") from error


def _write_webm(track: Track, first: EncodedFrame, rest: Iterator[EncodedFrame], path: Path) -> None:
    decoder = _decoder(track.codec)
    picture = (decoder.decode(av.Packet(first.data)) + decoder.decode(None))[0]
    with av.open(str(path), "w", format="webm") as container:
        stream = container.add_mux_stream(_MUXED_AS[track.codec], width=picture.width, height=picture.height)
        stream.time_base = _MS
        for frame in chain([first], rest):
            packet = av.Packet(frame.data)
            packet.stream = stream
            packet.time_base = _MS
            packet.pts = packet.dts = frame.t_ms - first.t_ms
            packet.is_keyframe = bool(frame.flags & Flag.KEYFRAME)
            container.mux(packet)


def _write_mp4(_: Track, first: EncodedFrame, rest: Iterator[EncodedFrame], path: Path) -> None:
    annex_b = _AnnexB(chain([first], rest))
    with av.open(annex_b, "r", format="h264") as source, av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream_from_template(source.streams.video[0])
        stream.time_base = _MS
        for packet in source.demux(video=0):
            if packet.size and annex_b.times:
                packet.stream = stream
                packet.time_base = _MS
                packet.pts = packet.dts = annex_b.times.popleft() - first.t_ms
                container.mux(packet)


class _AnnexB:
    """Frames of H.264 one after the other, as a file that is read from its beginning to its end.

    :ivar times: lecture times in ms of the frames that were read; who takes a picture takes its time.
    """

    def __init__(self, frames: Iterator[EncodedFrame]) -> None:
        self._frames = frames
        self._left = b""
        self.times: deque[int] = deque()  # bounded by what FFmpeg reads ahead

    def read(self, size: int) -> bytes:
        """The next bytes, at most ``size``; none at the end."""
        if not self._left and (frame := next(self._frames, None)) is not None:
            self._left = frame.data
            self.times.append(frame.t_ms)
        piece, self._left = self._left[:size], self._left[size:]
        return piece

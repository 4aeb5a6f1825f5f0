"""What the projector showed at a moment: page with pen and pointer or the shared screen, and the camera over it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray
from PIL import Image

from lecture.errors import ProtocolError
from lecture.ink_book import NOTHING, Drawing
from lecture.inset import place_inset
from lecture.screen import ScreenUpdate
from lecture.screen_canvas import ScreenCanvas
from recordings import camera
from recordings.pictures import Box, Picture, drawn_over, fitted, on_black, read_image
from recordings.recording import Recording, Turn
from transport import webp

Planes = NDArray[np.uint8]
"""A picture as films want it (YUV 4:2:0, ITU-R BT.709), shape (height × 3 / 2, width)."""

_INSET_SHARE = 0.25
"""Height of the camera, as a share of the picture's."""
_INSET_MARGIN = 16
_CAMERA_HELD_MS = 4000
"""A camera that has sent nothing for so long was switched off."""


class Projector:
    """Goes through a recording forwards and gives the picture of each moment.

    :param with_camera: whether the camera is shown, if there is one.
    :ivar page_shown: the page turn in force; a new object at each turn.
    """

    def __init__(self, recording: Recording, width: int, height: int, *, with_camera: bool = True) -> None:
        self.page_shown: Turn | None = None
        self._whole = Box(0, 0, width, height)
        self._recording = recording
        self._turns = iter(recording.turns())
        self._next_turn = next(self._turns, None)
        self._digests = {(page.deck, page.page): page.images[-1].digest for page in recording.pages() if page.images}
        self._ink = recording.ink()
        self._updates = recording.screen_updates()
        self._next_update = next(self._updates, None)
        self._canvas = ScreenCanvas(webp.decode)
        self._pictures = camera.decoded(recording) if with_camera else iter(())
        self._next_picture: tuple[int, VideoFrame] | None = next(self._pictures, None)
        self._camera: tuple[int, VideoFrame] | None = None
        self._inset: Box | None = None
        self._page = self._blank()
        self._base, self._drawing, self._drawn = self._page, NOTHING, np.zeros((0, 0), np.uint8)
        self._page_scaler, self._camera_scaler = _Scaler(), _Scaler()
        self._shown: tuple[object, object] = (None, None)
        self._picture = self._drawn

    def at(self, t_ms: int) -> Planes:
        """The picture at lecture time ``t_ms``; times must not go back. The same object while nothing changes."""
        base_changed = self._advance_page(t_ms) | self._advance_screen(t_ms)
        if base_changed:
            self._base = self._screen() or self._page
        camera_came = self._advance_camera(t_ms)
        if base_changed or camera_came:
            self._inset = self._place_camera()
        drawing = self._drawing_at(t_ms)
        if base_changed or drawing is not self._drawing or not self._drawn.size:
            self._drawing = drawing
            self._drawn = self._draw()
        shown = (self._drawn, self._camera)
        if shown[0] is not self._shown[0] or shown[1] is not self._shown[1]:
            self._shown, self._picture = shown, self._with_camera()
        return self._picture

    def _blank(self) -> tuple[Picture, Box]:
        return np.zeros((self._whole.height, self._whole.width, 3), np.uint8), Box(0, 0, 0, 0)

    def _advance_page(self, t_ms: int) -> bool:
        turned: Turn | None = None
        while self._next_turn is not None and self._next_turn.t_ms <= t_ms:
            turned, self._next_turn = self._next_turn, next(self._turns, None)
        if turned is None:
            return False
        self.page_shown = turned
        blob = self._recording.blob(self._digests.get((turned.deck, turned.page), ""))
        image = read_image(blob.data) if blob is not None else None
        if image is not None:  # else the page before stays, as it does in a hall that waits for one
            self._page = on_black(image, self._whole.width, self._whole.height)
        return True

    def _advance_screen(self, t_ms: int) -> bool:
        changed = False
        while self._next_update is not None and self._next_update[0] <= t_ms:
            changed |= self._apply(self._next_update[1])
            self._next_update = next(self._updates, None)
        return changed

    def _apply(self, update: ScreenUpdate) -> bool:
        try:
            self._canvas.apply(update)
        except ProtocolError:  # what it needs was not recorded; the next whole one mends it
            return False
        return True

    def _screen(self) -> tuple[Picture, Box] | None:
        position = self._canvas.position
        if not position.share or position.stopped:
            return None
        picture, _ = on_black(Image.fromarray(self._canvas.pixels), self._whole.width, self._whole.height)
        return picture, Box(0, 0, 0, 0)

    def _advance_camera(self, t_ms: int) -> bool:
        """Whether the camera has come or gone."""
        before = self._camera is None
        while self._next_picture is not None and self._next_picture[0] <= t_ms:
            self._camera, self._next_picture = self._next_picture, next(self._pictures, None)
        if self._camera is not None and t_ms - self._camera[0] > _CAMERA_HELD_MS:
            self._camera = None
        return before != (self._camera is None)

    def _place_camera(self) -> Box | None:
        if self._camera is None:
            return None
        width, height = self._camera[1].width, self._camera[1].height
        if self.page_shown is None and self._base is self._page:
            return fitted(width, height, self._whole)  # there is nothing but the camera to be seen
        small = fitted(width, height, Box(0, 0, self._whole.width // 3, int(self._whole.height * _INSET_SHARE)))
        place = place_inset(self._base[0], small.width, small.height, _INSET_MARGIN)
        if place is None:
            return None
        return Box(*(side // 2 * 2 for side in (place.left, place.top, place.width, place.height)))

    def _drawing_at(self, t_ms: int) -> Drawing:
        turn = self.page_shown
        return NOTHING if turn is None or self._base is not self._page else self._ink.at(t_ms, turn.deck, turn.page)

    def _draw(self) -> Planes:
        picture, box = self._base
        if self._drawing is not NOTHING and box.width:
            picture = np.asarray(drawn_over(Image.fromarray(picture), box, self._drawing))
        frame = VideoFrame.from_ndarray(picture, format="rgb24")
        return self._page_scaler.planes_of(frame, self._whole.width, self._whole.height)

    def _with_camera(self) -> Planes:
        if self._camera is None or self._inset is None:
            return self._drawn
        picture, box = self._drawn.copy(), self._inset
        inset = self._camera_scaler.planes_of(self._camera[1], box.width, box.height)
        for into, what, scale in zip(
            _split(picture, self._whole.width, self._whole.height),
            _split(inset, box.width, box.height),
            (1, 2, 2),
            strict=True,
        ):
            top, left = box.top // scale, box.left // scale
            into[top : top + what.shape[0], left : left + what.shape[1]] = what
        return picture


class _Scaler:
    """Makes frames of one size into planes of another; one for each use, as it is dear to set up anew."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def planes_of(self, frame: VideoFrame, width: int, height: int) -> Planes:
        """A frame in this size, both even."""
        scaled = self._reformatter.reformat(
            frame, width, height, "yuv420p", dst_colorspace=Colorspace.ITU709, interpolation=Interpolation.BILINEAR
        )
        return np.asarray(scaled.to_ndarray(), np.uint8)


def _split(planes: Planes, width: int, height: int) -> Iterator[Planes]:
    """Brightness and the two colours, as views."""
    flat, luma = planes.reshape(-1), width * height
    yield flat[:luma].reshape(height, width)
    for start in (luma, luma * 5 // 4):
        yield flat[start : start + luma // 4].reshape(height // 2, width // 2)

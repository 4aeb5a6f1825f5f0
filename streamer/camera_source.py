"""Where the camera's pictures come from, and how large they are sent."""

from __future__ import annotations

from streamer.devices import camera_source
from streamer.picture_source import PictureSource

MAX_WIDTH, MAX_HEIGHT = 640, 480
MAX_PICTURES_PER_S = 15


def fit(width: int, height: int, max_width: int = MAX_WIDTH, max_height: int = MAX_HEIGHT) -> tuple[int, int]:
    """The size, even in both ways, to which a picture is scaled; never larger than it is."""
    scale = min(1.0, max_width / width, max_height / height)
    return max(2, int(width * scale) // 2 * 2), max(2, int(height * scale) // 2 * 2)


class CameraSource(PictureSource):
    """A film or a camera (blocks on opening).

    :raises StreamError: ``camera_unreadable``.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text, camera_source(text), what="camera", pictures_per_s=MAX_PICTURES_PER_S)

"""What ``--voice``, ``--camera`` and ``--screen`` may name: a file, or a device of this system."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, field

_FORMATS = ("alsa", "pulse", "avfoundation", "dshow", "v4l2")
_SCREEN_FORMATS = ("x11grab", "gdigrab", "avfoundation")
_X11_DISPLAY = re.compile(r"[A-Za-z0-9.-]*:\d+(\.\d+)?")

_DEFAULT_VOICE = {"linux": ("alsa", "default"), "darwin": ("avfoundation", ":default"), "win32": ("dshow", "audio=")}
_DEFAULT_CAMERA = {
    "linux": ("v4l2", "/dev/video0"),
    "darwin": ("avfoundation", "default:"),
    "win32": ("dshow", "video="),
}


@dataclass(frozen=True, slots=True)
class Source:
    """Something that FFmpeg opens.

    :param file: path, or the device's name.
    :param format: FFmpeg input format of a device, empty for a file.
    """

    file: str
    format: str = ""
    options: dict[str, str] = field(default_factory=dict)

    @property
    def live(self) -> bool:
        """Whether it is a device: it sets the pace and has no end."""
        return bool(self.format)


def voice_source(text: str, platform: str = sys.platform) -> Source:
    """``mic`` (the system's default), ``mic:NAME``, ``alsa:NAME`` and the like, else a file."""
    return _source(text, "mic", _DEFAULT_VOICE.get(platform, _DEFAULT_VOICE["linux"]), {})


def camera_source(text: str, platform: str = sys.platform) -> Source:
    """``camera``, ``camera:NAME``, ``/dev/video0``, ``v4l2:NAME`` and the like, else a film."""
    options = {"framerate": "30" if platform == "darwin" else "15", "video_size": "640x480"}
    if text.startswith("/dev/video"):
        return Source(text, "v4l2", options)
    return _source(text, "camera", _DEFAULT_CAMERA.get(platform, _DEFAULT_CAMERA["linux"]), options)


def screen_source(text: str, platform: str = sys.platform, display: str | None = None) -> Source:
    """``display`` (this machine's screen), an X11 display as ``:0.0``, ``gdigrab:title=…`` and the like, else a film.

    :param display: the X11 display that this program runs on; default: as the environment says.
    """
    options = {"framerate": "5"}
    kind, _, name = text.partition(":")
    if text == "display":
        match platform:
            case "win32":
                return Source("desktop", "gdigrab", options)
            case "darwin":
                return Source("Capture screen 0:none", "avfoundation", {**options, "capture_cursor": "1"})
        return Source(display or os.environ.get("DISPLAY", ":0.0"), "x11grab", options)
    if _X11_DISPLAY.fullmatch(text):
        return Source(text, "x11grab", options)
    if kind in _SCREEN_FORMATS and name:
        return Source(name, kind, options)
    return Source(text)


def _source(text: str, word: str, default: tuple[str, str], options: dict[str, str]) -> Source:
    kind, _, name = text.partition(":")
    if kind == word:
        prefix = default[1] if default[0] == "dshow" else ""
        return Source(prefix + name if name else default[1], default[0], options)
    if kind in _FORMATS:
        return Source(name, kind, options)
    return Source(text)

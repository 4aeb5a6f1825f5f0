"""Finds and declares libopus for :mod:`transport.opus`."""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib.util
from functools import cache
from pathlib import Path

from lecture.errors import HallcastError


class OpusError(HallcastError):
    """libopus is not to be found (``opus_missing``), refused its arguments (``opus_bad_argument``), or got a packet
    that is not Opus (``opus_bad_packet``)."""


_PATTERNS = ("libopus-*.so*", "libopus.*.dylib", "libopus*.dylib", "libopus-*.dll", "opus-*.dll", "libopus*.dll")


def bundled_libraries() -> list[Path]:
    """The libopus files that PyAV's wheel brings along, newest name last; empty for a PyAV built from source."""
    spec = importlib.util.find_spec("av")
    if spec is None or not spec.submodule_search_locations:
        return []
    package = Path(next(iter(spec.submodule_search_locations)))
    folders = (package.parent / "av.libs", package / ".dylibs", package / "lib", package)  # Linux and Windows, macOS
    found = {path for folder in folders if folder.is_dir() for pattern in _PATTERNS for path in folder.glob(pattern)}
    return sorted(found)


@cache
def load() -> ctypes.CDLL:
    """The library, with its functions declared.

    :raises OpusError: ``opus_missing``.
    """
    system = ctypes.util.find_library("opus")
    names = [str(path) for path in reversed(bundled_libraries())] + ([system] if system else [])
    for name in names:
        try:
            library = ctypes.CDLL(name)
            _declare(library)
        except (OSError, AttributeError):
            continue
        return library
    raise OpusError(
        "opus_missing",
        "libopus was not found: install PyAV from its wheel (pip install --only-binary av av), which brings it along, "
        "or the system's library (Debian: apt install libopus0, macOS: brew install opus)",
    )


def _declare(library: ctypes.CDLL) -> None:
    """State the C types. ``*_ctl`` are variadic: declaring their fixed arguments only is what Apple's ARM64 needs."""
    pointer, integer, size = ctypes.c_void_p, ctypes.c_int, ctypes.c_int32
    data = ctypes.c_char_p
    for name, result, arguments in (
        ("opus_encoder_create", pointer, [size, integer, integer, ctypes.POINTER(integer)]),
        ("opus_encoder_destroy", None, [pointer]),
        ("opus_encode", size, [pointer, pointer, integer, pointer, size]),
        ("opus_encoder_ctl", integer, [pointer, integer]),
        ("opus_decoder_create", pointer, [size, integer, ctypes.POINTER(integer)]),
        ("opus_decoder_destroy", None, [pointer]),
        ("opus_decode", integer, [pointer, data, size, pointer, integer, integer]),
        ("opus_decoder_ctl", integer, [pointer, integer]),
        ("opus_strerror", data, [integer]),
    ):
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments

"""SDL's push audio, by ctypes on the library that pygame brings along.

pygame's own ``AudioDevice`` calls Python from the sound card's thread; closing or pausing it waits for that thread
while holding the interpreter lock that the thread waits for, and hangs for ever (reproduced within a few hundred
openings with pygame-ce 2.5.8). With ``SDL_QueueAudio`` no Python runs in the sound card's thread at all.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

import pygame.base

_INIT_AUDIO = 0x10
_FORMAT_S16 = 0x8010  # AUDIO_S16SYS on little-endian machines, which are all that pygame's wheels are made for


class SdlAudioError(Exception):
    """There is no sound device, or it does not work."""


class _Spec(ctypes.Structure):
    _fields_ = (
        ("freq", ctypes.c_int),
        ("format", ctypes.c_uint16),
        ("channels", ctypes.c_uint8),
        ("silence", ctypes.c_uint8),
        ("samples", ctypes.c_uint16),
        ("padding", ctypes.c_uint16),
        ("size", ctypes.c_uint32),
        ("callback", ctypes.c_void_p),
        ("userdata", ctypes.c_void_p),
    )


def _load() -> ctypes.CDLL:
    """The SDL that pygame itself uses: symbols of a module's dependencies are found through the module."""
    module = Path(str(pygame.base.__file__))
    beside = module.parent / "SDL2.dll"
    library = ctypes.CDLL(str(beside if beside.exists() else module))
    try:
        library.SDL_OpenAudioDevice.restype = ctypes.c_uint32
        library.SDL_OpenAudioDevice.argtypes = [
            ctypes.c_char_p,
            ctypes.c_int,
            ctypes.POINTER(_Spec),
            ctypes.POINTER(_Spec),
            ctypes.c_int,
        ]
        library.SDL_QueueAudio.argtypes = [ctypes.c_uint32, ctypes.c_char_p, ctypes.c_uint32]
        library.SDL_GetQueuedAudioSize.argtypes = [ctypes.c_uint32]
        library.SDL_GetQueuedAudioSize.restype = ctypes.c_uint32
        library.SDL_PauseAudioDevice.argtypes = [ctypes.c_uint32, ctypes.c_int]
        library.SDL_CloseAudioDevice.argtypes = [ctypes.c_uint32]
        library.SDL_InitSubSystem.argtypes = [ctypes.c_uint32]
        library.SDL_GetError.restype = ctypes.c_char_p
    except AttributeError as error:
        raise SdlAudioError("this pygame brings no SDL 2") from error
    return library


class SdlDevice:
    """The default sound device, mono, 16 bit, open and running.

    :raises SdlAudioError: there is none.
    """

    def __init__(self, sample_rate: int, chunk_samples: int) -> None:
        try:
            self._sdl = _load()
        except OSError as error:
            raise SdlAudioError(str(error)) from error
        if self._sdl.SDL_InitSubSystem(_INIT_AUDIO) != 0:
            raise SdlAudioError(self._error())
        wanted = _Spec(freq=sample_rate, format=_FORMAT_S16, channels=1, samples=chunk_samples)
        # No changes allowed: SDL converts to whatever the device really takes.
        self._device = int(self._sdl.SDL_OpenAudioDevice(None, 0, ctypes.byref(wanted), None, 0))
        if self._device == 0:
            raise SdlAudioError(self._error())
        self._sdl.SDL_PauseAudioDevice(self._device, 0)

    @property
    def queued_bytes(self) -> int:
        """Written and not yet taken by the device."""
        return int(self._sdl.SDL_GetQueuedAudioSize(self._device))

    def write(self, data: bytes) -> None:
        """Add samples.

        :raises SdlAudioError: the device is gone.
        """
        if self._sdl.SDL_QueueAudio(self._device, data, len(data)) != 0:
            raise SdlAudioError(self._error())

    def close(self) -> None:
        """Stop at once."""
        self._sdl.SDL_CloseAudioDevice(self._device)

    def _error(self) -> str:
        return (self._sdl.SDL_GetError() or b"").decode(errors="replace")

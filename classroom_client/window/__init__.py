"""The hall's window: full-screen page, camera inset, a strip and signs in plain words, sound. SDL through pygame-ce."""

import os

# What a hall prints on standard output is for people and programs that asked for it.
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")

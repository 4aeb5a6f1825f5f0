"""Which Hallcast this is, as each side tells the other."""

from __future__ import annotations

from functools import cache
from importlib import metadata


@cache
def version() -> str:
    """The version that is installed, empty for code that runs without having been installed."""
    try:
        return metadata.version("hallcast")
    except metadata.PackageNotFoundError:
        return ""

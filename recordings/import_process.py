"""Imports in a child process of the lowest priority: what came from elsewhere neither harms nor holds up the relay."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from recordings.errors import RecordingError
from recordings.importing import Imported, Prepared
from recordings.merge import Merged
from transport import child_process

_LINE_BYTES = 1_000_000
_MEMORY_BYTES = 2_000_000_000
"""Address space; checking and merging take a tenth of it."""
_CPU_S = 3600
_TIME_S = 6 * 3600.0
"""Altogether; a busy relay leaves an import little of its processor."""


async def prepare_in_child(path: Path, folder: Path, *, most_bytes: int, damaged: bool) -> list[Prepared]:
    """:func:`recordings.importing.prepare` for every lecture file at a path. Cancelled, it kills the child.

    :param folder: workplace, to be removed by the caller.
    :raises RecordingError: as there and :func:`recordings.import_source.find_sources`; ``import_failed``,
        ``import_interrupted``: the child was told to end.
    """
    job = {"step": "prepare", "path": str(path), "folder": str(folder), "damaged": damaged}
    found = await _run(job, most_bytes, lambda done_ms, of_ms: None)
    return [Prepared(**one | {"path": Path(one["path"]), "problems": tuple(one["problems"])}) for one in found]


async def place_in_child(
    prepared: Prepared, target: Path, progress: Callable[[int, int], None], *, most_bytes: int
) -> Imported:
    """:func:`recordings.importing.place`. Cancelled, it kills the child; SQLite keeps what it wrote whole.

    :param most_bytes: size of the recording that comes of it.
    :raises RecordingError: as there; ``import_failed``, ``import_interrupted``.
    """
    job = {"step": "place", "prepared": asdict(prepared) | {"path": str(prepared.path)}, "target": str(target)}
    done = await _run(job, most_bytes, progress)
    return Imported(**done | {"problems": tuple(done["problems"]), "merged": Merged(**done["merged"])})


async def _run(job: dict[str, Any], most_bytes: int, progress: Callable[[int, int], None]) -> Any:
    limits = {"memory_bytes": _MEMORY_BYTES, "cpu_s": _CPU_S, "file_bytes": most_bytes}
    process = await child_process.start("recordings.import_worker", limit=_LINE_BYTES)
    try:
        async with (
            asyncio.timeout(_TIME_S),
            contextlib.aclosing(child_process.converse(process, job | limits)) as told,
        ):
            async for said in told:
                if "done" in said:
                    return said["done"]
                if "error" in said:
                    raise RecordingError(str(said["error"]["id"]), str(said["error"]["text"]))
                progress(int(said["done_ms"]), int(said["of_ms"]))
            if await child_process.was_ended_from_outside(process):
                raise RecordingError("import_interrupted", "The import was interrupted; it begins anew by itself.")
    except TimeoutError:
        raise RecordingError("import_failed", "This import took too long and was given up.") from None
    finally:
        await child_process.end(process)
    raise RecordingError("import_failed", "The import broke off: this file is damaged or needs too much for it.")

"""Makes an export in a child process of the lowest priority, which a live lecture beside it does not notice.

The recording may have come from elsewhere: the child is bound in memory, processor time, size of its file and time
altogether, so that nothing in a recording can harm or hold up the program that asked.
"""

from __future__ import annotations

import asyncio
import contextlib
from asyncio.subprocess import Process
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from recordings.errors import RecordingError
from recordings.export_order import ExportOrder
from transport import child_process

_LINE_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class ExportLimits:
    """What one export may cost.

    :param memory_bytes: address space (a film with camera takes 0.5 GB of it).
    :param cpu_s: processor time; a lecture of three hours with camera takes a twelfth of it.
    :param file_bytes: size of the exported file.
    :param time_s: altogether; a busy relay leaves an export little of its processor.
    """

    memory_bytes: int = 2_000_000_000
    cpu_s: int = 2 * 3600
    file_bytes: int = 20_000_000_000
    time_s: float = 12 * 3600.0


async def export_in_child(
    recording: Path,
    order: ExportOrder,
    out: Path,
    *,
    limits: ExportLimits | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Export the lecture file ``recording`` to ``out``. Cancelled, it kills the child before it returns.

    What a killed child leaves behind lies beside ``out``: give it a folder of its own.

    :param progress: called in the loop with the lecture time (ms) that has been written, and that of the whole.
    :raises RecordingError: as :func:`recordings.export.export`; ``export_failed``, ``export_timeout``.
    """
    limits = limits or ExportLimits()
    job = {
        "recording": str(recording),
        "order": asdict(order),
        "out": str(out),
        "memory_bytes": limits.memory_bytes,
        "cpu_s": limits.cpu_s,
        "file_bytes": limits.file_bytes,
    }
    process = await child_process.start("recordings.export_worker", limit=_LINE_BYTES)
    try:
        async with asyncio.timeout(limits.time_s):
            await _follow(process, job, progress)
    except TimeoutError:
        raise RecordingError("export_timeout", "This export took too long and was given up.") from None
    finally:
        await child_process.end(process)


async def _follow(process: Process, job: dict[str, Any], progress: Callable[[int, int], None] | None) -> None:
    try:
        async with contextlib.aclosing(child_process.converse(process, job)) as told:
            async for said in told:
                if "done" in said:
                    return
                if "error" in said:
                    raise RecordingError(str(said["error"]["id"]), str(said["error"]["text"]))
                if progress is not None:
                    progress(int(said["t_ms"]), int(said["of_ms"]))
    except (ValueError, KeyError, TypeError):
        pass  # no line of ours: as good as none
    raise RecordingError("export_failed", "The export broke off: this recording is damaged or needs too much for it.")

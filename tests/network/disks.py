"""File systems of a test's own, which a script run on them may fill, or have go read-only."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TMPFS = "mount -t tmpfs -o size={size_kb}k,mode=700 tmpfs {disk}"
# A kernel has a disk whose file system finds itself damaged go read-only, whoever is writing.
EXT4 = (
    "truncate -s {size_kb}k {disk}.image && mkfs.ext4 -q {disk}.image && "
    "mount -o loop,errors=remount-ro {disk}.image {disk}"
)


def on_a_disk_of(size_kb: int, script: str, tmp_path: Path, mount: str = TMPFS) -> tuple[str, Path]:
    """Run a script on a file system of its own; gives what it printed and a folder outside of that."""
    disk, out = tmp_path / "disk", tmp_path / "out"
    disk.mkdir()
    mounting = mount.format(size_kb=size_kb, disk=disk)
    ways = [["unshare", "--user", "--map-root-user", "--mount"]]
    if os.geteuid() == 0:  # who may mount needs no user namespace, which some systems have switched off
        ways.insert(0, ["unshare", "--mount"])
    namespace = next((way for way in ways if _works([*way, "sh", "-c", mounting])), None)
    if namespace is None:
        pytest.skip("this system does not let us mount a file system of our own")
    words = [*namespace, "sh", "-c", f'{mounting} && exec "$@"', "sh", sys.executable, "-c", script, disk, out]
    done = subprocess.run(words, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, out


def _works(words: list[str]) -> bool:
    return bool(shutil.which(words[0])) and not subprocess.run(words, capture_output=True, check=False).returncode

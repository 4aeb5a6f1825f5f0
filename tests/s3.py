"""A server of the S3 API for the tests, in a process of its own on loopback."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import obstore
from obstore.store import S3Store

BUCKET = "recordings"
REGION = "us-east-1"
KEYS = {"AWS_ACCESS_KEY_ID": "tester", "AWS_SECRET_ACCESS_KEY": "a secret of the tests"}


@dataclass
class S3Server:
    """:ivar settings: for :class:`recordings.retention.LibrarySettings`."""

    url: str

    @property
    def settings(self) -> dict[str, object]:
        return {
            "storage_url": f"s3://{BUCKET}/hallcast",
            "storage_endpoint": self.url,
            "storage_region": REGION,
            "storage_allow_http": True,
        }

    @property
    def bucket(self) -> S3Store:
        """What lies in the bucket, by itself."""
        return S3Store(
            BUCKET,
            endpoint=self.url,
            region=REGION,
            access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
            client_options={"allow_http": True},
        )

    def listed(self) -> list[str]:
        """Keys of all objects."""
        return sorted(one["path"] for page in obstore.list(self.bucket) for one in page)


@contextmanager
def served(log: Path) -> Iterator[S3Server]:
    """Serve an empty bucket."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
            stderr=out,
            stdout=out,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
        )
    try:
        while not (port := re.search(rb"http://127.0.0.1:(\d+)", log.read_bytes())):
            assert process.poll() is None, log.read_text()
            time.sleep(0.02)
        url = f"http://127.0.0.1:{int(port[1])}"
        made = urllib.request.Request(f"{url}/{BUCKET}", method="PUT")
        made.add_header("Authorization", f"AWS4-HMAC-SHA256 Credential=tester/20260101/{REGION}/s3/aws4_request")
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(made, timeout=60).close()
        yield S3Server(url)
    finally:
        process.kill()
        process.wait()

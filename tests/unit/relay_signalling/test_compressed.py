"""Answers made smaller."""

from __future__ import annotations

import asyncio
import gzip
import json

from starlette.requests import Request

from relay.signalling.compressed import compressed_response

TEXT = json.dumps(list(range(200_000))).encode()


def asked_by(accept_encoding: str, **more: str) -> Request:
    headers = {"accept-encoding": accept_encoding, **{name.replace("_", "-"): value for name, value in more.items()}}
    return Request({"type": "http", "headers": [(name.encode(), value.encode()) for name, value in headers.items()]})


async def test_the_loop_turns_while_an_answer_is_made_smaller() -> None:
    making = asyncio.create_task(compressed_response(asked_by("gzip"), TEXT, "application/json", {}))
    turns = 0
    while not making.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 1  # else live voice had to wait for it
    assert gzip.decompress(bytes(making.result().body)) == TEXT


async def test_whoever_has_it_gets_it_no_second_time() -> None:
    first = await compressed_response(asked_by("gzip"), TEXT, "application/json", {})
    again = await compressed_response(
        asked_by("identity", if_none_match=first.headers["etag"]), TEXT, "application/json", {}
    )
    assert (again.status_code, bytes(again.body)) == (304, b"")

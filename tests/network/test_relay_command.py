"""``hallcast relay`` and ``hallcast lectures`` as processes, the way people and service managers use them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pypdfium2
import pytest

from lecture.file import LectureFile
from tests.network.parts import SAMPLES
from tests.network.relays import SDP, bearer, publisher_offer, self_signed

WAIT_S = 30


@asynccontextmanager
async def hallcast(*words: str | Path, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hallcast", *map(str, words),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env={**os.environ, **environment},
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def run(*words: str | Path, **environment: str) -> tuple[int | None, str, str]:
    async with hallcast(*words, **environment) as process:
        out, err = await asyncio.wait_for(process.communicate(), WAIT_S)
        return process.returncode, out.decode(), err.decode()


@asynccontextmanager
async def relay(data: Path, *words: str | Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, dict[str, Any]]]:
    command = ("relay", "--host", "127.0.0.1", "--port", "0", "--data", data, "--json", *words)
    async with hallcast(*command) as process:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), WAIT_S)
        assert line, (await process.communicate())[1].decode()
        yield process, json.loads(line)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_relay_says_when_it_serves_and_stops_when_told(tmp_path: Path, number: signal.Signals) -> None:
    async with relay(tmp_path / "data") as (process, ready):
        assert ready["event"] == "ready"
        assert ready["url"] == f"http://127.0.0.1:{ready['port']}"
        assert Path(ready["staff_token_file"]).read_text().strip()
        async with httpx.AsyncClient(base_url=ready["url"], trust_env=False) as http:
            assert (await http.get("/readyz")).status_code == 200
            process.send_signal(number)
            assert await asyncio.wait_for(process.wait(), WAIT_S) == 0
    assert process.stderr is not None
    mode = os.stat(tmp_path / "data").st_mode & 0o777
    assert mode == 0o700


async def test_a_killed_relay_goes_on_where_it_was(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with relay(data) as (process, ready):
        code, out, err = await run("lectures", "create", "Waves", "--relay", ready["url"], "--data", data, "--json")
        assert code == 0, err
        facts = json.loads(out)
        process.send_signal(signal.SIGKILL)
        await asyncio.wait_for(process.wait(), WAIT_S)
    async with (
        relay(data) as (_, ready),
        publisher_offer() as offer,
        httpx.AsyncClient(trust_env=False) as http,
    ):
        joined = await http.post(f"{ready['url']}/join", json={"code": facts["hall_code"]})
        assert joined.json()["lecture"] == facts["lecture"]
        headers = {**SDP, **bearer(facts["lecturer_token"])}
        made = await http.post(f"{ready['url']}/whip/{facts['lecture']}", content=offer, headers=headers)
        assert made.status_code == 201


async def test_lectures_are_planned_shown_listed_and_ended_from_the_command_line(tmp_path: Path) -> None:
    data, deck = tmp_path / "data", tmp_path / "Wave mechanics.pdf"
    document = pypdfium2.PdfDocument.new()
    document.new_page(320, 180)
    document.save(deck)
    async with relay(data) as (_, ready):
        where = ("--relay", ready["url"], "--data", data)
        words = ("--id", "waves-1", "--course", "Physics", "--languages", "en, ko", "--planned", "2031-03-02T10:00")
        code, out, err = await run("lectures", "create", "Waves 파동", *words, "--deck", deck, *where)
        assert code == 0, err
        shown = dict(line.split(maxsplit=1) for line in out.splitlines() if " " in line)
        token = (await run("lectures", "show", "waves-1", *where, "--json"))[1]
        facts = json.loads(token)
        for value in (
            facts["hall_code"], facts["lecturer_token"], facts["interpreter_token"], facts["urls"]["studio"],
            facts["urls"]["whip"], facts["urls"]["library"], facts["urls"]["hall"], "Waves 파동", "2031-03-02 10:00",
        ):  # fmt: skip
            assert value in out
        assert shown["deck"]
        assert facts["languages"] == ["en", "ko"]
        code, out, _ = await run("lectures", "list", *where, "--state", "planned", COLUMNS="200")
        assert "waves-1" in out
        assert (await run("lectures", "list", *where, "--state", "live"))[1] == "No lectures.\n"
        assert facts["hall_code"] in out
        assert json.loads((await run("lectures", "end", "waves-1", *where, "--json"))[1])["state"] == "ended"
        assert json.loads((await run("lectures", "list", "--state", "live", *where, "--json"))[1]) == {"lectures": []}
        code, out, err = await run("lectures", "show", "no-such-lecture", *where, "--json")
        assert code == 2
        assert json.loads(out)["error"]["id"] == "lecture_unknown"
        assert err == "error: There is no such lecture. (lecture_unknown)\n"
        code, _, err = await run("lectures", "list", "--relay", ready["url"], "--staff-token", "wrong")
        assert (code, "(unauthorised)" in err) == (2, True)


@pytest.mark.parametrize(
    ("words", "error_id"),
    [
        (("lectures", "list", "--relay", "http://127.0.0.1:9", "--staff-token", "x"), "relay_unreachable"),
        (("lectures", "list", "--relay", "no address", "--staff-token", "x"), "relay_unreachable"),
        (("lectures", "list", "--data", "/nonexistent"), "staff_token_missing"),
        (("lectures", "create", "x", "--planned", "soon", "--staff-token", "x"), "time_malformed"),
        (("lectures", "create", "x", "--deck", "/nonexistent.pdf", "--staff-token", "x"), "deck_unreadable"),
        (("lectures", "create", "x", "--deck", __file__, "--staff-token", "x"), "deck_not_pdf"),
        (("relay", "--config", "/nonexistent.toml"), "config_unreadable"),
        (("relay", "--data", "/proc/nowhere"), "data_folder_unusable"),
        (("relay", "--host", "no such host", "--data", "{tmp}"), "address_unusable"),
        (("relay", "--port", "70000"), "config_invalid"),
    ],
)
async def test_what_cannot_be_done_is_said_in_one_line(tmp_path: Path, words: tuple[str, ...], error_id: str) -> None:
    code, out, err = await run(*(word.format(tmp=tmp_path) for word in words))
    assert code == 2
    assert out == ""
    assert err.splitlines()[-1].startswith("error: ")
    assert f"({error_id})" in err
    assert "Traceback" not in err


async def test_two_relays_keep_out_of_each_others_way(tmp_path: Path) -> None:
    async with relay(tmp_path / "data") as (_, ready):
        code, _, err = await run("relay", "--port", "0", "--data", tmp_path / "data")
        assert (code, "(data_folder_in_use)" in err) == (2, True)
        code, _, err = await run(
            "relay", "--host", "127.0.0.1", "--port", str(ready["port"]), "--data", tmp_path / "other"
        )
        assert (code, "(address_unusable)" in err) == (2, True)


async def test_the_configuration_file_is_used(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    config = tmp_path / "relay.toml"
    config.write_text(
        f'[server]\ntls_certificate = "{certificate}"\ntls_key = "{key}"\npublic_url = "https://relay.example.org"\n'
    )
    async with relay(tmp_path / "data", "--config", config) as (_, ready):
        assert ready["url"] == "https://relay.example.org"
        assert ready["local_url"] == f"https://127.0.0.1:{ready['port']}"
        reader, writer = await asyncio.open_connection("127.0.0.1", ready["port"])
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert not (await reader.read(1000)).startswith(b"HTTP/1.1 200")
        writer.close()
    config.write_text(f'[server]\ntls_certificate = "{certificate}"\ntls_key = "{certificate}"\n')
    code, _, err = await run("relay", "--config", config, "--data", tmp_path / "data")
    assert (code, "(tls_unusable)" in err) == (2, True)


async def test_the_greeting_tells_a_person_where_to_go(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with hallcast("relay", "--host", "127.0.0.1", "--port", str(port), "--data", tmp_path / "data") as process:
        assert process.stdout is not None
        text = (await asyncio.wait_for(process.stdout.readuntil(b"stops it."), WAIT_S)).decode()
    assert f"http://127.0.0.1:{port}/hall" in text
    assert "50000-59999" in text
    assert "hallcast lectures create" in text
    assert (tmp_path / "data" / "staff.token").read_text().strip() not in text


async def test_a_certificate_of_your_own_is_trusted_when_named_and_asked_for_when_not(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    config = tmp_path / "relay.toml"
    config.write_text(f'[server]\ntls_certificate = "{certificate}"\ntls_key = "{key}"\n')
    async with relay(tmp_path / "data", "--config", config) as (_, ready):
        create = ("lectures", "create", "Waves", "--relay", ready["url"], "--data", tmp_path / "data", "--json")
        code, _, err = await run(*create, SSL_CERT_FILE="")
        assert (code, "(certificate_untrusted)" in err, "SSL_CERT_FILE=" in err) == (2, True, True)
        code, out, err = await run(*create, SSL_CERT_FILE=str(certificate))
        assert code == 0, err
        handout = json.loads(out)

        join = ("join", "--relay", ready["url"], "--code", handout["hall_code"], "--headless", "--json")
        code, _, err = await run(*join, "--keep", tmp_path / "hall", SSL_CERT_FILE="")
        assert (code, "(certificate_untrusted)" in err) == (2, True)
        async with hallcast(*join, "--keep", tmp_path / "hall", SSL_CERT_FILE=str(certificate)) as process:
            await said(process, "Connected.")

        stream = ("stream", "--relay", ready["url"], "--lecture", handout["lecture"], "--keep", tmp_path / "own")
        words = (*stream, "--token", handout["lecturer_token"], "--voice", SAMPLES / "voice.opus", "--json")
        async with hallcast(*words, SSL_CERT_FILE="") as process:
            await said(process, "certificate is not trusted here")
        async with hallcast(*words, SSL_CERT_FILE=str(certificate)) as process:
            await said(process, "Connected to the relay.")

        copy = tmp_path / "copy.lecture"
        LectureFile.create(copy, {"lecture": handout["lecture"], "copy": "laptop"}).close()
        repair = ("repair", "--relay", ready["url"], "--token", handout["lecturer_token"], copy)
        code, _, err = await run(*repair, SSL_CERT_FILE="")
        assert (code, "(certificate_untrusted)" in err) == (2, True)
        code, out, _ = await run(*repair, SSL_CERT_FILE=str(certificate))
        assert (code, "The recording is whole." in out) == (0, True)
        away = ("repair", "--relay", "http://127.0.0.1:9", "--token", "t", copy, "--json")
        async with hallcast(*away) as process:
            await said(process, "No answer from the relay at http://127.0.0.1:9")


async def said(process: asyncio.subprocess.Process, words: str) -> None:
    assert process.stdout is not None
    lines: list[str] = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(WAIT_S):
            async for line in process.stdout:
                lines.append(line.decode())
                if words in lines[-1]:
                    return
    raise AssertionError(f"{words!r} is not in {lines[-8:]}")

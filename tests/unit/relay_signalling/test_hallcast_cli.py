from __future__ import annotations

import json
import subprocess
import sys

import pytest

from hallcast import cli
from lecture.errors import RefusedError


def test_help_names_every_command_without_importing_any_part() -> None:
    code = (
        "import sys; from hallcast.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'aiortc', 'fastapi', 'pygame', 'uvicorn', 'av', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for name in cli.COMMANDS:
        assert name in done.stdout


def test_relay_and_lectures_are_explained_without_the_relay_installed() -> None:
    code = (
        "import sys\n"
        "for name in ('fastapi', 'starlette', 'uvicorn', 'uvloop', 'prometheus_client'): sys.modules[name] = None\n"
        "from hallcast.cli import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)

    assert run("relay", "--help").returncode == 0
    started = run("relay", "--port", "0")
    assert started.returncode == 2
    assert "pip install 'hallcast[relay]'" in started.stderr
    assert "Traceback" not in started.stderr


def test_errors_are_said_in_words_and_in_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(args: object) -> int:
        raise RefusedError("lecture_unknown", "There is no such lecture.", 404)

    monkeypatch.setattr("relay.cli._lectures", fail)
    assert cli.main(["lectures", "show", "x"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "error: There is no such lecture. (lecture_unknown)\n"
    assert cli.main(["lectures", "show", "x", "--json"]) == 2
    out, _ = capsys.readouterr()
    assert json.loads(out) == {"error": {"id": "lecture_unknown", "text": "There is no such lecture."}}


def test_ctrl_c_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(args: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("relay.cli._lectures", interrupt)
    assert cli.main(["lectures", "list"]) == 130


def test_a_bug_in_our_own_imports_is_not_blamed_on_the_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(args: object) -> int:
        raise ModuleNotFoundError("No module named 'relay.misspelt'", name="relay.misspelt")

    monkeypatch.setattr("relay.cli._lectures", fail)
    with pytest.raises(ModuleNotFoundError):
        cli.main(["lectures", "list"])

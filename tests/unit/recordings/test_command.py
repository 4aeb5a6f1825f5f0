"""``hallcast recordings`` as cron runs it: exit codes and JSON, whatever state the library is in."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hallcast.cli import main
from recordings import cli_library
from recordings.passages import PassageKind
from recordings.recycle_bin import held
from recordings.search import Hit
from relay import pages
from tests.recorded import HOLE_MS, LECTURE, VOICE_MS

CAPTIONS = "0:01.0 --> 0:02.0\n가격\n"

ACTIONS: dict[str, tuple[str, ...]] = {
    "list": ("list",),
    "search": ("search", "질문"),
    "info": ("info", LECTURE),
    "verify": ("verify", LECTURE),
    "export": ("export", LECTURE, "--to", "pdf", "--out", "{out}"),
    "repair": ("repair", LECTURE, "--from", "{copy}"),
    "captions": ("captions", LECTURE, "{captions}"),
    "import": ("import", "{copy}"),
    "rebuild": ("rebuild",),
    "retention": ("retention", "--dry-run"),
    "delete": ("delete", LECTURE),
}


def changed(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    return lambda path: (path.write_bytes(change(path.read_bytes())), None)[1]


STATES: dict[str, Callable[[Path], None]] = {
    "good": lambda path: None,
    "empty": lambda path: path.unlink(),
    "missing": lambda path: shutil.rmtree(path.parent),
    "without its end": changed(lambda whole: whole[: len(whole) * 3 // 4]),
    "without its first page": changed(lambda whole: bytes(4096) + whole[4096:]),
    "foreign": changed(lambda whole: b"<html>" * 1000),
    "a folder": lambda path: (path.unlink(), path.mkdir(), None)[2],
}
# Exit codes; of an error also its id.
EXPECTED: dict[str, dict[str, tuple[int, str]]] = {
    "good": {"repair": (1, ""), **dict.fromkeys((action for action in ACTIONS if action != "repair"), (0, ""))},
    "empty": {
        **dict.fromkeys(("list", "search", "import", "rebuild", "retention"), (0, "")),
        **dict.fromkeys(("info", "verify", "export", "repair", "captions"), (2, "recording_unknown")),
        "delete": (2, "lecture_unknown"),
    },
    "missing": {
        **dict.fromkeys(("info", "verify", "export", "repair", "captions"), (2, "recording_unknown")),
        **dict.fromkeys(("list", "search", "import", "rebuild", "retention", "delete"), (2, "data_folder_unknown")),
    },
    "without its end": {
        **dict.fromkeys(("list", "verify", "rebuild"), (1, "")),
        **dict.fromkeys(("search", "info", "retention", "delete"), (0, "")),
        "export": (2, "pages_missing"),
        "repair": (1, ""),
        **dict.fromkeys(("captions", "import"), (2, "file_damaged")),
    },
    "without its first page": {
        **dict.fromkeys(("list", "verify", "rebuild"), (1, "")),
        **dict.fromkeys(("search", "info", "export", "retention", "delete"), (0, "")),
        "repair": (1, ""),
        **dict.fromkeys(("captions", "import"), (2, "file_damaged")),
    },
    "foreign": {
        **dict.fromkeys(("list", "rebuild"), (1, "")),
        **dict.fromkeys(("search", "retention"), (0, "")),
        **dict.fromkeys(("info", "verify", "export", "repair", "captions", "import"), (2, "not_a_lecture_file")),
        "delete": (2, "lecture_unknown"),
    },
    "a folder": {
        **dict.fromkeys(("list", "rebuild"), (1, "")),
        **dict.fromkeys(("info", "verify", "export", "repair", "captions"), (2, "recording_unknown")),
        "import": (2, "file_missing"),
    },
}


@pytest.fixture
def data(tmp_path: Path, lectures_dir: Path) -> Path:
    shutil.copytree(lectures_dir, tmp_path / "data" / "lectures")
    return tmp_path / "data"


@pytest.mark.parametrize(("state", "action"), [(state, action) for state in EXPECTED for action in EXPECTED[state]])
def test_exit_codes_and_json_whatever_is_in_the_library(
    data: Path, lecture_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], state: str, action: str
) -> None:
    path = data / "lectures" / lecture_path.name
    STATES[state](path)
    before = path.read_bytes() if path.is_file() else b""
    words = filled(ACTIONS[action], tmp_path, lecture_path)
    code, error_id = EXPECTED[state][action]
    assert main(["recordings", *words, "--data", str(data), "--json"]) == code
    out, err = capsys.readouterr()
    said = json.loads(out)
    assert error_of(said) == error_id
    assert bool(err) == (code == 2), "errors are on standard error"
    assert error_id in err
    if state not in ("good", "empty") and before:
        places = [path, data / "recycle" / path.name, path.with_name(f"{LECTURE}.damaged-1.lecture")]
        kept = [place.read_bytes() for place in places if place.exists()]
        assert before in kept, "what is damaged is not touched"
    assert main(["recordings", *words, "--data", str(data)]) in (code, 0, 2), "told in words, too"
    capsys.readouterr()


def filled(words: tuple[str, ...], folder: Path, copy: Path) -> list[str]:
    captions = folder / "captions.srt"
    captions.write_text(CAPTIONS)
    return [word.format(out=folder / "out.pdf", copy=copy, captions=captions) for word in words]


def error_of(said: dict[str, Any]) -> str:
    failed = said.get("failed") or [said.get("error") or {}]
    return str(failed[0].get("id", ""))


def test_a_file_that_lacks_its_end_is_known_as_damaged_at_once(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    STATES["without its end"](data / "lectures" / f"{LECTURE}.lecture")
    assert main(["recordings", "rebuild", "--data", str(data), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["storage"]["damaged"] == [LECTURE]
    assert main(["recordings", "list", "--data", str(data), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["recordings"][0]["scan_problems"]


def test_the_configuration_names_the_data_folder_for_every_action(
    data: Path, tmp_path: Path, lecture_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.delenv(cli_library.CATALOGUE_VARIABLE, raising=False)
    config = tmp_path / "relay.toml"
    config.write_text(f'[data]\nfolder = "{data}"\n[library]\nrecycle_days = 3\n')
    for action, words in ACTIONS.items():
        code = main(["recordings", *filled(words, tmp_path, lecture_path), "--config", str(config), "--json"])
        assert code == EXPECTED["good"][action][0], capsys.readouterr()
    assert list(elsewhere.iterdir()) == []
    assert (data / "recycle" / f"{LECTURE}.lecture").is_file()
    # What is said on the command line goes first.
    assert main(["recordings", "list", "--config", str(config), "--data", str(tmp_path), "--json"]) == 2


@pytest.mark.parametrize(
    ("text", "error_id"),
    [
        ("[data", "config_invalid"),
        ("data = 3", "config_invalid"),
        ("library = []", "config_invalid"),
        ("[data]\nfolder = 3", "config_invalid"),
        ("[data]\ncatalogue_url = true", "config_invalid"),
        ("[library]\nstorage_url = 3", "config_invalid"),
        ("[library]\nstorage_url = 's3://a'\nstorage_allow_http = 'yes'", "config_invalid"),
        ("[library]\nkeep_days = 'long'", "config_invalid"),
        ("[library]\nstorage_url = 'ftp://a'", "storage_invalid"),
        ("[data]\ncatalogue_url = 'mysql://a'", "catalogue_unusable"),
        ("\x00\xff", "config_invalid"),
        (None, "config_unreadable"),
    ],
)
def test_a_configuration_that_cannot_be_used_says_so(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, error_id: str
) -> None:
    config = tmp_path / "relay.toml"
    if text is not None:
        config.write_bytes(text.encode("latin-1"))
    assert main(["recordings", "list", "--data", str(data), "--config", str(config), "--json"]) == 2
    assert error_of(json.loads(capsys.readouterr().out)) == error_id


def test_what_the_system_refuses_is_an_error_and_no_traceback(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A traceback's exit code is 1, which says that something was found."""
    (data / "lock").mkdir()
    assert main(["recordings", "delete", LECTURE, "--data", str(data), "--json"]) == 2
    out, err = capsys.readouterr()
    assert error_of(json.loads(out)) == "system_refused"
    assert "Traceback" not in err


def test_verify_and_export_name_what_is_missing(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here = ("--data", str(data), "--json")
    assert main(["recordings", "verify", LECTURE, *here]) == 0, "a gap is no damage"
    assert json.loads(capsys.readouterr().out)["gaps"]["en"] == [{"start_ms": HOLE_MS[0], "end_ms": HOLE_MS[1]}]
    assert main(["recordings", "export", LECTURE, "--to", "opus", "--out", str(tmp_path / "out.opus"), *here]) == 1
    assert json.loads(capsys.readouterr().out)["missing_ms"] == HOLE_MS[1] - HOLE_MS[0]
    assert main(["recordings", "list", *here]) == 0, "nor is it for a list"
    listed = json.loads(capsys.readouterr().out)
    assert listed["recordings"][0]["missing_ms"] == HOLE_MS[1] - HOLE_MS[0]
    assert listed["storage"]["incomplete"] == [LECTURE]
    assert main(["recordings", "info", LECTURE, *here]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["duration_ms"], facts["place"], len(facts["chapters"])) == (VOICE_MS, "local", 3)


@pytest.mark.parametrize("at", [0, 20_000])
def test_a_damaged_catalogue_is_made_again_from_the_lecture_files(
    data: Path, capsys: pytest.CaptureFixture[str], at: int
) -> None:
    here = ("--data", str(data), "--json")
    assert main(["recordings", "list", *here]) == 0
    catalogue = data / "catalogue.db"
    whole = catalogue.read_bytes()
    assert len(whole) > 20_000
    damaged = whole[:at] + b"\xa5" * (len(whole) - at)
    catalogue.write_bytes(damaged)
    capsys.readouterr()
    with held(data) as alone:
        assert alone
        assert main(["recordings", "rebuild", *here]) == 2, "beside a relay"
        assert "Stop the relay" in json.loads(capsys.readouterr().out)["error"]["text"]
    assert catalogue.read_bytes() == damaged
    assert main(["recordings", "rebuild", *here]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["read"], said["storage"]["recordings"]) == ([LECTURE], 1)
    assert (data / "catalogue.db.damaged-1").read_bytes() == damaged
    assert main(["recordings", "search", "질문", *here]) == 0
    assert json.loads(capsys.readouterr().out)["total"] == 1


def test_a_search_says_in_the_words_of_the_librarys_page_where_something_was_found(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["recordings", "search", "질문", "--data", str(data)]) == 0
    assert "  Page 2 " in capsys.readouterr().out
    texts = json.loads((pages.FOLDER / "i18n/texts.json").read_text(encoding="utf-8"))
    kinds: tuple[PassageKind, ...] = ("mark", "caption", "question")
    for kind in kinds:
        assert cli_library.where(Hit(kind, None, (), [])) == texts[f"hit_{kind}"]["en"]

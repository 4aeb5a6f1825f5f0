"""The pages' files: what is served, that every text exists in both languages, that nothing breaks the policy."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from relay import pages

HTML = sorted(pages.FOLDER.glob("*.html"))
SCRIPTS = sorted([*pages.FOLDER.glob("lib/*.js"), *pages.FOLDER.glob("ui/*.js")])
TEXTS: dict[str, dict[str, str]] = json.loads((pages.FOLDER / "i18n/texts.json").read_text())


class _Page(HTMLParser):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inline_script = ""
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] in ("script", "style"):
            self.inline_script += data.strip()


def test_every_route_has_its_page() -> None:
    assert set(pages.ROUTES.values()) == {path.name for path in HTML}


@pytest.mark.parametrize("path", ["studio.html", "lib/whip.js", "ui/hall.js", "css/hallcast.css", "i18n/texts.json"])
def test_files_are_served_with_their_types(path: str) -> None:
    found = pages.static_file(path)
    assert found is not None
    assert found[1] == pages.SERVED_SUFFIXES[Path(path).suffix]


@pytest.mark.parametrize(
    "path", ["__init__.py", "../app.py", "../../pyproject.toml", "lib", "nothing.js", "", "../pages/../config.py"]
)
def test_nothing_else_is_served(path: str) -> None:
    assert pages.static_file(path) is None


@pytest.mark.parametrize("path", HTML, ids=lambda path: path.name)
def test_pages_keep_to_their_own_policy(path: Path) -> None:
    page = _Page(path)
    assert page.inline_script == ""
    for tag, attributes in page.tags:
        assert "style" not in attributes, tag
        assert not [name for name in attributes if name.startswith("on")], tag
        for name in ("src", "href"):
            assert re.match(r"/(?!/)|#|data:,$|$", attributes.get(name) or ""), (
                f"{tag} leads elsewhere: {attributes[name]}"
            )


@pytest.mark.parametrize("path", HTML, ids=lambda path: path.name)
def test_controls_have_names(path: Path) -> None:
    page = _Page(path)
    labelled = {attributes["for"] for tag, attributes in page.tags if tag == "label" and "for" in attributes}
    for tag, attributes in page.tags:
        if tag in ("input", "select") and attributes.get("type") != "checkbox":
            assert attributes.get("id") in labelled or "data-t-label" in attributes, attributes


def _used_keys() -> set[str]:
    keys: set[str] = set()
    for path in HTML:
        keys |= set(re.findall(r'data-t(?:-\w+)?="(\w+)"', path.read_text()))
    for path in SCRIPTS:
        for call in re.findall(r"\btext\(([^`\n]*)", path.read_text()):
            keys |= set(re.findall(r'(?<!=== )"([a-z]\w+)"', call.split("{")[0]))
    return keys


def test_every_text_that_is_used_exists() -> None:
    assert _used_keys() - set(TEXTS) == set()


def test_every_text_is_used() -> None:
    sources = "".join(path.read_text() for path in SCRIPTS)
    families = tuple({*re.findall(r"`(\w+_)\$\{", sources)})
    assert families
    unused = {key for key in TEXTS if not key.startswith(families)} - _used_keys()
    assert {key for key in unused if f'"{key}"' not in sources} == set()


def test_every_text_is_in_both_languages_with_the_same_places() -> None:
    for key, languages in TEXTS.items():
        assert set(languages) == {"en", "ko"}, key
        places = {language: sorted(re.findall(r"\{(\w+)\}", text)) for language, text in languages.items()}
        assert places["en"] == places["ko"], key
        assert bool(languages["en"]) == bool(languages["ko"]), key


def test_no_script_reaches_out() -> None:
    for path in SCRIPTS:
        assert not re.search(r"https?://(?!localhost|www\.w3\.org/2000/svg)", path.read_text()), path.name

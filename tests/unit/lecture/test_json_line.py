"""What a command says to programs can be read by them, whatever stands in it and wherever it goes."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout

import pytest

from lecture.json_line import print_json


@pytest.mark.parametrize(
    ("encoding", "text", "printed"),
    [
        ("utf-8", "강의 😀", '{"text": "강의 😀"}'),
        ("cp949", "강의 😀", '{"text": "\\uac15\\uc758 \\ud83d\\ude00"}'),
        ("utf-8", "name-\udcff.lecture", '{"text": "name-\\udcff.lecture"}'),
        ("utf-8", "two\nlines", '{"text": "two\\nlines"}'),
    ],
)
def test_facts_are_one_line_that_reads_back_as_they_were(encoding: str, text: str, printed: str) -> None:
    raw = io.BytesIO()
    with redirect_stdout(io.TextIOWrapper(raw, encoding=encoding, newline="\n")):
        print_json({"text": text})
        line = raw.getvalue().decode()  # nothing waits to be written
    assert line == printed + "\n"
    assert json.loads(line) == {"text": text}

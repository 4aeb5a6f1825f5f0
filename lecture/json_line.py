"""What a command says to programs."""

from __future__ import annotations

import codecs
import json
import sys
from collections.abc import Mapping
from typing import Any


def print_json(facts: Mapping[str, Any]) -> None:
    """Print one JSON object on a line of standard output, at once; whatever the system's encoding, it is UTF-8."""
    line = json.dumps(facts, ensure_ascii=codecs.lookup(sys.stdout.encoding or "utf-8").name != "utf-8")
    try:
        line.encode()
    except UnicodeEncodeError:  # a file's name may be no text
        line = json.dumps(facts)
    print(line, flush=True)

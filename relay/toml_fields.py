"""Reads TOML tables into dataclasses: the fields' types are the check, and misspelt keys are pointed out."""

from __future__ import annotations

import difflib
import math
import types
import typing
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, TypeVar

_T = TypeVar("_T")


def read_section(kind: type[_T], table: dict[str, Any], path: str, problems: list[str]) -> _T:
    """An instance of the dataclass ``kind`` with what ``table`` says, defaults for the rest.

    :param path: dotted key of the table, empty for the document.
    :param problems: what is wrong is appended to it in plain words; the default stands in its place.
    """
    hints = typing.get_type_hints(kind)
    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for key, value in table.items():
        dotted = f"{path}.{key}" if path else key
        if key not in known:
            problems.append(_unknown(dotted, key, known))
            continue
        try:
            values[key] = _read_value(hints[key], value, dotted, problems)
        except _Unfit as unfit:
            problems.append(f"{dotted} must be {unfit}")
    for field in fields(kind):  # type: ignore[arg-type]
        if field.default is MISSING and field.default_factory is MISSING and field.name not in values:
            raise _Unfit(f"a table with the key {field.name!r}")
    return kind(**values)


class _Unfit(Exception):
    """A value of the wrong type; the text says what it must be."""


def _read_value(hint: Any, value: Any, path: str, problems: list[str]) -> Any:
    if isinstance(hint, types.UnionType):  # "X | None": TOML has no null, leaving the key out means None
        hint = next(option for option in typing.get_args(hint) if option is not type(None))
    if is_dataclass(hint):
        if not isinstance(value, dict):
            raise _Unfit("a table")
        return read_section(typing.cast("type[Any]", hint), value, path, problems)
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise _Unfit("a list")
        item = typing.get_args(hint)[0]
        return tuple(_read_value(item, entry, f"{path}[{number}]", problems) for number, entry in enumerate(value))
    return _read_scalar(hint, value)


def _read_scalar(hint: type, value: Any) -> Any:
    # bool is an int to Python, but "port = true" is a mistake.
    if hint is bool and isinstance(value, bool):
        return value
    if hint is str and isinstance(value, str):
        return value
    if hint in (int, float) and isinstance(value, int | float) and not isinstance(value, bool):
        if hint is int and not isinstance(value, int):
            raise _Unfit("a whole number")
        if not math.isfinite(value) or value < 0:
            raise _Unfit("a number from 0 up")
        return hint(value)
    raise _Unfit({bool: "true or false", str: "a text", int: "a whole number", float: "a number"}[hint])


def _unknown(dotted: str, key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(sorted(known))}"
    return f"unknown key {dotted!r} ({hint})"

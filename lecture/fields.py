"""Checks of message fields, declared by the types of frozen dataclasses.

A field's type says what is allowed: ``int`` (0 to 2^53-1, the integers that JSON carries everywhere), ``float``
(finite, 0 and up), ``str`` (at most 255 characters), ``bool``, :data:`JsonObject`, ``X | None``, ``tuple[X, ...]``,
``tuple[X, Y]``, another dataclass; ``Annotated`` with :class:`Limit` narrows or widens the range. Fields that a
dataclass does not have are ignored; a missing field takes its default, and is an error if it has none.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import re
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

MAX_INT = (1 << 53) - 1
MAX_TEXT_CHARS = 255
MAX_ITEMS = 10_000

JsonObject = dict[str, Any]
"""Any JSON object; its content is checked by whoever reads it."""


@dataclass(frozen=True, slots=True)
class Limit:
    """Range of a number, or of a text's length in characters, or of a list's number of items (both ends included)."""

    low: float = 0
    high: float = MAX_INT


@dataclass(frozen=True, slots=True)
class Form:
    """What a text has to look like: a regular expression that matches all of it."""

    pattern: str


Ms = Annotated[int, Limit(0, MAX_INT)]
"""Lecture time or a duration, in ms."""
Fraction = Annotated[float, Limit(0, 1)]
"""A share, 0 to 1."""
Language = Annotated[str, Limit(0, 35)]
"""A BCP 47 language tag (RFC 5646 section 4.4.1: 35 characters are enough)."""
Digest = Annotated[str, Limit(64, 64)]
"""A SHA-256 in lower-case hex."""
Colour = Annotated[str, Form("#[0-9a-f]{6}")]
"""Red, green and blue as in CSS, in lower-case hex."""
LongText = Annotated[str, Limit(0, 4000)]
"""A few paragraphs written by a person."""

Check = Callable[[object, str], Any]
"""Takes a JSON value and the name of its place; returns the Python value or raises ValueError."""
_CHECKS: dict[type[Any], Check] = {}


def from_json(cls: type[Any], value: object, where: str = "") -> Any:
    """Build the dataclass ``cls`` from a JSON object.

    :raises ValueError: naming the field at fault.
    """
    check = _CHECKS.get(cls)
    if check is None:
        check = _CHECKS[cls] = _dataclass_check(cls)
    return check(value, where)


def to_json(value: Any) -> Any:
    """The JSON value of a dataclass, tuple or plain value."""
    if dataclasses.is_dataclass(value):
        return {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    return value


def _dataclass_check(cls: type[Any]) -> Check:
    hints = typing.get_type_hints(cls, include_extras=True)
    checks = {field.name: _check_for(hints[field.name]) for field in dataclasses.fields(cls)}
    required = {
        field.name
        for field in dataclasses.fields(cls)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }

    def check(value: object, where: str) -> Any:
        if not isinstance(value, dict):
            raise ValueError(f"{where or 'message'} is not an object")
        prefix = f"{where}." if where else ""
        absent = sorted(required - value.keys())
        if absent:
            raise ValueError(f"{prefix}{absent[0]} is missing")
        return cls(**{name: one(value[name], prefix + name) for name, one in checks.items() if name in value})

    return check


def _check_for(hint: Any) -> Check:
    """The check that a type stands for."""
    limit: Limit | None = None
    form: Form | None = None
    if typing.get_origin(hint) is Annotated:
        hint, *extras = typing.get_args(hint)
        limit = next((extra for extra in extras if isinstance(extra, Limit)), None)
        form = next((extra for extra in extras if isinstance(extra, Form)), None)
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _optional(_check_for(next(arg for arg in args if arg is not types.NoneType)))
    if origin is Literal:
        return functools.partial(_one_of, args)
    if origin is tuple and len(args) == 2 and args[1] is Ellipsis:
        return functools.partial(_items, _check_for(args[0]), limit or Limit(0, MAX_ITEMS))
    if origin is tuple:
        return functools.partial(_fixed, tuple(_check_for(arg) for arg in args))
    if dataclasses.is_dataclass(hint):
        return lambda value, where: from_json(typing.cast("type[Any]", hint), value, where)
    if origin is dict:
        return _object
    if form is not None:
        return functools.partial(_formed, form)
    make, default = _SCALARS[hint]
    return functools.partial(make, limit or default)


def _int(limit: Limit, value: object, where: str) -> int:
    # bool is an int to Python, not to JSON.
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{where} is not an integer")
    if not limit.low <= value <= limit.high:
        raise ValueError(f"{where} is out of range")
    return value


def _float(limit: Limit, value: object, where: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError(f"{where} is not a number")
    if not limit.low <= value <= limit.high or not math.isfinite(value):
        raise ValueError(f"{where} is out of range")
    return float(value)


def _str(limit: Limit, value: object, where: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{where} is not a text")
    if not limit.low <= len(value) <= limit.high:
        raise ValueError(f"{where} has {len(value)} characters")
    # JSON can spell half of a surrogate pair, which no UTF-8 file or socket would take later.
    if not _is_utf8(value):
        raise ValueError(f"{where} is not Unicode text")
    return value


def _formed(form: Form, value: object, where: str) -> str:
    if not isinstance(value, str) or re.fullmatch(form.pattern, value) is None:
        raise ValueError(f"{where} does not look right")
    return value


def _bool(_limit: Limit, value: object, where: str) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{where} is not true or false")
    return value


def _object(value: object, where: str) -> JsonObject:
    if not isinstance(value, dict):
        raise ValueError(f"{where} is not an object")
    if not _is_utf8(json.dumps(value, ensure_ascii=False)):
        raise ValueError(f"{where} is not Unicode text")
    return value


def _one_of(choices: tuple[object, ...], value: object, where: str) -> object:
    if not any(type(value) is type(choice) and value == choice for choice in choices):
        raise ValueError(f"{where} is none of {', '.join(map(str, choices))}")
    return value


def _optional(check: Check) -> Check:
    return lambda value, where: None if value is None else check(value, where)


def _items(check: Check, limit: Limit, value: object, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise ValueError(f"{where} is not a list")
    if not limit.low <= len(value) <= limit.high:
        raise ValueError(f"{where} has {len(value)} items")
    return tuple(check(item, f"{where}[{index}]") for index, item in enumerate(value))


def _fixed(checks: tuple[Check, ...], value: object, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list) or len(value) != len(checks):
        raise ValueError(f"{where} is not a list of {len(checks)}")
    return tuple(
        check(item, f"{where}[{index}]") for index, (check, item) in enumerate(zip(checks, value, strict=True))
    )


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


_SCALARS: dict[Any, tuple[Callable[[Limit, object, str], Any], Limit]] = {
    int: (_int, Limit(0, MAX_INT)),
    float: (_float, Limit(0, MAX_INT)),
    str: (_str, Limit(0, MAX_TEXT_CHARS)),
    bool: (_bool, Limit()),
}

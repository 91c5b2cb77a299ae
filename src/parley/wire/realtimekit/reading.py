"""Requests into values, with the error texts that clients know (`realtimekit.md` 1.2, 1.4, 1.5).

A request is checked against a `msgspec.Struct`; the first failing field is named with its dotted path.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Annotated, Any, TypeVar
from urllib.parse import unquote_plus

import msgspec
from msgspec import Meta, inspect

from parley.base.errors import Invalid
from parley.base.paging import PageRequest

T = TypeVar("T")
PAGE_SIZE, MAX_PAGE_SIZE = 25, 100
REMEMBERED_QUERY = 256
"""Bytes of the longest query string that is remembered."""
Count = Annotated[float, Meta(ge=0, le=2**31, multiple_of=1)]
"""A whole number that clients may write as `2` or `2.0`; the limit keeps offsets within 64 bits."""
Instant = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
"""ISO 8601; read with `instant`."""


class PageQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of a list."""

    page_no: Count = 1
    per_page: Count = PAGE_SIZE

    def page(self) -> PageRequest:
        """0 stands for the default of both; pages have at most 100 rows."""
        size = min(int(self.per_page) or PAGE_SIZE, MAX_PAGE_SIZE)
        return PageRequest(int(self.page_no) or 1, size)


_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""NUL inside a JSON text, where it can only be escaped (RFC 8259 section 7)."""


def _unstorable() -> Invalid:
    """PostgreSQL keeps no NUL; both databases refuse the same."""
    return Invalid("A text must not contain U+0000")


# --- bodies -----------------------------------------------------------------------------------


def read_body(raw: bytes, shape: type[T]) -> T:
    """The body as the shape; nothing counts as an empty object, whatever the content type says.

    Raises:
        Invalid: not JSON, or not of that shape.
    """
    if b"\\u0000" in raw and _NUL.search(raw):
        raise _unstorable()
    try:
        value: T = _decoder(_key(shape)).decode(raw or b"{}")
    except msgspec.ValidationError as error:
        raise explain(error, shape) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid("The body is not valid JSON") from error
    return value


def convert(value: Any, shape: type[T]) -> T:
    """Plain JSON values as the shape.

    Raises:
        Invalid: not of that shape.
    """
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        raise explain(error, shape) from error


def _key(shape: Any) -> Hashable:
    """A shape as the caches below want it."""
    known: Hashable = shape
    return known


@cache
def _decoder(shape: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(shape)


# --- queries ----------------------------------------------------------------------------------


def read_query(raw: bytes, shape: type[T]) -> T:
    """The query string as the shape: unknown and empty parameters are ignored.

    Lists may be repeated, written with `[]`, or separated by commas.

    Raises:
        Invalid: a parameter of the wrong form.
    """
    is_short = len(raw) <= REMEMBERED_QUERY
    found: T = _known_query(raw, _key(shape)) if is_short else _query(raw, shape)
    return found


def _query(raw: bytes, shape: Any) -> Any:
    if b"%00" in raw or b"\x00" in raw:
        raise _unstorable()
    lists = _list_fields(_key(shape))
    given: dict[str, Any] = {}
    for key, value in _pairs(raw):
        name = key.removesuffix("[]")
        if name in lists:
            given.setdefault(name, []).extend(part for part in value.split(",") if part)
        else:
            given[name] = value
    try:
        return msgspec.convert(given, shape, strict=False)
    except msgspec.ValidationError as error:
        raise explain(error, shape) from error


@lru_cache(maxsize=2048)
def _known_query(raw: bytes, shape: Any) -> Any:
    """Clients ask for the same pages again and again; what is read cannot be changed."""
    return _query(raw, shape)


def _pairs(raw: bytes) -> Iterator[tuple[str, str]]:
    """`urllib.parse.parse_qsl` in a third of the time: most queries have nothing escaped."""
    for pair in raw.decode("latin-1").split("&"):
        key, _, value = pair.partition("=")
        if value:
            is_escaped = "%" in pair or "+" in pair
            yield (unquote_plus(key), unquote_plus(value)) if is_escaped else (key, value)


@cache
def _list_fields(shape: Any) -> frozenset[str]:
    kind = inspect.type_info(shape)
    assert isinstance(kind, inspect.StructType)
    return frozenset(field.encode_name for field in kind.fields if isinstance(field.type, inspect.ListType))


def instant(text: str, field: str) -> datetime | None:
    """An instant of a query: ISO 8601 with offset, or a date for the start of that day in UTC.

    Raises:
        Invalid: neither.
    """
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text.replace(" ", "+", 1) if "T" in text else text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Invalid(f'"{field}" must be a valid date', field=field) from error


def time_range(start: str, end: str) -> tuple[datetime | None, datetime | None]:
    """`start_time` and `end_time` of a list.

    Raises:
        Invalid: one is no time, or the range is upside down.
    """
    first, last = instant(start, "start_time"), instant(end, "end_time")
    if first is not None and last is not None and first > last:
        raise Invalid('"start_time" must not be after "end_time"', field="start_time")
    return first, last


# --- error texts ------------------------------------------------------------------------------

_WHERE = re.compile(r" - at `(?:key in )?\$\.?([^`]*)`$")
_KINDS = {
    "str": "a string",
    "int": "a number",
    "float": "a number",
    "bool": "a boolean",
    "array": "an array",
    "object": "of type object",
    "null": "null",
}
_MISSING = re.compile(r"Object missing required field `(.+)`")
Explain = Callable[[str, re.Match[str]], str]
_TEXTS: Sequence[tuple[re.Pattern[str], Explain]] = [
    (re.compile(r"Expected `str` of length >= 1$"), lambda f, _: f'"{f}" is not allowed to be empty'),
    (
        re.compile(r"Expected `str` of length >= (\d+)"),
        lambda f, m: f'"{f}" length must be at least {m[1]} characters long',
    ),
    (
        re.compile(r"Expected `str` of length <= (\d+)"),
        lambda f, m: f'"{f}" length must be less than or equal to {m[1]} characters long',
    ),
    (
        re.compile(r"Expected `array` of length >= (\d+)"),
        lambda f, m: f'"{f}" must contain at least {m[1]} items',
    ),
    (
        re.compile(r"Expected `array` of length <= (\d+)"),
        lambda f, m: f'"{f}" must contain less than or equal to {m[1]} items',
    ),
    (
        re.compile(r"Expected `(?:int|float)` >= ([\d.]+)"),
        lambda f, m: f'"{f}" must be greater than or equal to {_number(m[1])}',
    ),
    (
        re.compile(r"Expected `(?:int|float)` <= ([\d.]+)"),
        lambda f, m: f'"{f}" must be less than or equal to {_number(m[1])}',
    ),
    (re.compile(r"Expected `float` that's a multiple of 1"), lambda f, _: f'"{f}" must be an integer'),
    (re.compile(r"Expected `str` matching regex .+:"), lambda f, _: f'"{f}" must be a valid uri'),
    (re.compile(r"Expected `str` matching regex"), lambda f, _: f'"{f}" has an invalid format'),
    (
        re.compile(r"Expected `([a-z]+)(?: \| [a-z| ]+)?`, got `"),
        lambda f, m: f'"{f or "value"}" must be {_KINDS.get(m[1], m[1])}',
    ),
]


def explain(error: msgspec.ValidationError, shape: Any) -> Invalid:
    """The same complaint in the words of the API."""
    text = str(error)
    where = _WHERE.search(text)
    path = where[1] if where else ""
    field = path.replace("[...]", "")
    complaint = text[: where.start()] if where else text
    missing = _MISSING.match(complaint)
    if missing:
        name = f"{field}.{missing[1]}" if field else missing[1]
        return Invalid(f'"{name}" is required', field=name)
    if complaint.startswith("Invalid enum value"):
        choices = _choices(inspect.type_info(shape), re.findall(r"[^.\[\]]+|\[[^\]]*\]", path))
        if choices:
            return Invalid(f'"{field}" must be one of [{", ".join(map(str, choices))}]', field=field)
    for pattern, words in _TEXTS:
        found = pattern.match(complaint)
        if found:
            return Invalid(words(field, found), field=field or None)
    return Invalid(f'"{field or "value"}" is invalid', field=field or None)


def _number(text: str) -> str:
    return text.removesuffix(".0")


def _choices(kind: inspect.Type, path: Sequence[str]) -> tuple[Any, ...]:
    """The allowed values at a place inside a shape."""
    if isinstance(kind, inspect.UnionType):
        found = (_choices(each, path) for each in kind.types)
        return next((choices for choices in found if choices), ())
    if isinstance(kind, inspect.Metadata):
        return _choices(kind.type, path)
    if not path:
        if isinstance(kind, inspect.LiteralType):
            return kind.values
        return tuple(each.value for each in kind.cls) if isinstance(kind, inspect.EnumType) else ()
    first, *rest = path
    if isinstance(kind, inspect.StructType):
        inner = {field.encode_name: field.type for field in kind.fields}.get(first)
    elif isinstance(kind, inspect.ListType):
        inner = kind.item_type
    else:
        inner = kind.value_type if isinstance(kind, inspect.DictType) else None
    return _choices(inner, rest) if inner is not None else ()

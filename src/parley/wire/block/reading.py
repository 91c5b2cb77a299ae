"""Requests into values (`realtime-block.md` 17.2, 17.3), wherever their dialect puts the members.

{"message": {…}}    as the client wraps them
{"data": {"type": …, "attributes": {…}}}    JSON:API
{…}    bare
"""

from __future__ import annotations

import re
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec

from parley.base.errors import Invalid
from parley.base.paging import PageRequest
from parley.store.listing import Sort, read_sort
from parley.wire.block.errors import BadRequest, ValidationFailed

T = TypeVar("T")
PAGE_SIZE, MAX_PAGE_SIZE = 25, 100
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_WHERE = re.compile(r" - at `(?:key in )?\$\.?([^`]*)`$")
_REQUIRED = re.compile(r"Object missing required field `(.+)`")


class PageQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of a list."""

    page: int = 1
    records: int | None = None
    per_page: int | None = None
    """An alias of `records`."""

    def wanted(self, default: int = PAGE_SIZE) -> PageRequest:
        """Pages count from 1 and have at most 100 rows.

        Raises:
            Invalid: not positive.
        """
        size = self.records if self.records is not None else self.per_page
        size = default if size is None else size
        if self.page < 1:
            raise Invalid("Pages count from 1.", field="?page")
        if size < 1:
            raise Invalid("A page has at least one record.", field="?records")
        if self.page > 1 << 31:
            raise Invalid("There are not so many pages.", field="?page")
        return PageRequest(self.page, min(size, MAX_PAGE_SIZE))


class ListQuery(PageQuery, frozen=True, kw_only=True):
    """Which part of a list, in which order; every other member is a filter of its name."""

    sort: str | None = None

    def order(self) -> Sort:
        """Newest first, unless another order is asked for.

        Raises:
            Invalid: no order.
        """
        return read_sort(self.sort)

    def filters(self) -> dict[str, Any]:
        """What rows must be like; None = whatever."""
        names = set(self.__struct_fields__) - set(ListQuery.__struct_fields__)
        return {name: getattr(self, name) for name in names}


def read_body(raw: bytes, shape: type[T], wrapper: str | None = None) -> T:
    """The body as the shape; nothing counts as an empty object.

    Raises:
        BadRequest: not a JSON object.
        Invalid: a field is wrong; named as a JSON pointer.
        ValidationFailed: several are.
    """
    members, pointer = members_of(raw, wrapper)
    return read_members(members, shape, pointer)


def read_members(members: Any, shape: type[T], pointer: str) -> T:
    """Decoded JSON as the shape.

    Raises:
        Invalid: a field is wrong; named as a JSON pointer below `pointer`.
        ValidationFailed: several are.
    """
    try:
        return msgspec.convert(members, shape)
    except msgspec.ValidationError as error:
        several = _wrong_fields(members, shape, f"{pointer}/") if isinstance(members, dict) else []
        raise (ValidationFailed(*several) if len(several) > 1 else _explain(error, pointer)) from error


def members_of(raw: bytes, wrapper: str | None = None) -> tuple[dict[str, Any], str]:
    """The members of a body, and the JSON pointer to where they are."""
    if b"\\u0000" in raw and _NUL.search(raw):
        raise Invalid("A text must not contain U+0000.", field="/")
    try:
        body = msgspec.json.decode(raw or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest("The body is not valid JSON.") from error
    if not isinstance(body, dict):
        raise BadRequest("The body must be a JSON object.")
    data = body.get("data")
    if isinstance(data, dict) and isinstance(data.get("attributes"), dict):
        return data["attributes"], "/data/attributes"
    if wrapper is not None and wrapper in body:
        inner = body[wrapper]
        if not isinstance(inner, dict):
            raise BadRequest(f'"{wrapper}" must be an object.')
        return inner, f"/{wrapper}"
    return body, ""


def read_query(raw: bytes, shape: type[T]) -> T:
    """The query string as the shape: unknown and empty parameters are ignored.

    `name[]` is a list, `name[key]` an object of texts.

    Raises:
        Invalid: a parameter of the wrong form.
    """
    if b"%00" in raw or b"\x00" in raw:
        raise Invalid("A text must not contain U+0000.", field="?")
    given: dict[str, Any] = {}
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=False, errors="strict", max_num_fields=200)
    except (UnicodeDecodeError, ValueError) as error:
        raise BadRequest("The query string is not well formed.") from error
    for key, value in pairs:
        name, bracket, rest = key.partition("[")
        if not bracket:
            given[key] = value
        elif rest == "]":
            listed = given.setdefault(name, [])
            if isinstance(listed, list):
                listed.append(value)
        elif rest.endswith("]"):
            keyed = given.setdefault(name, {})
            if isinstance(keyed, dict):
                keyed[rest[:-1]] = value
    try:
        return msgspec.convert(given, shape, strict=False)
    except msgspec.ValidationError as error:
        raise _explain(error, "?") from error


def _wrong_fields(members: dict[str, Any], shape: Any, before: str) -> list[Invalid]:
    """What is wrong with each field of the shape, a struct."""
    found = []
    for field in msgspec.structs.fields(shape):
        name = field.encode_name
        if name in members:
            try:
                msgspec.convert(members[name], field.type)
            except msgspec.ValidationError as error:
                found.append(_explain(error, f"{before}{name}"))
        elif field.required:
            found.append(Invalid(f"`{name}` is required.", field=f"{before}{name}"))
    return found


def _explain(error: msgspec.ValidationError, pointer: str) -> Invalid:
    text = str(error)
    where = _WHERE.search(text)
    path = where[1] if where else ""
    complaint = text[: where.start()] if where else text
    missing = _REQUIRED.match(complaint)
    if missing:
        path = f"{path}.{missing[1]}" if path else missing[1]
        complaint = f"`{missing[1]}` is required"
    path = re.sub(r"\[(\d+|\.\.\.)\]", r".\1", path).replace(".....", ".")
    if pointer == "?":
        return Invalid(f"{complaint}.", field=f"?{path}")
    return Invalid(f"{complaint}.", field=f"{pointer}/{path.replace('.', '/')}" if path else pointer or "/")

"""Between a table's rows and objects.

`RowMap(Meeting, meetings)` reads the annotations of a `msgspec.Struct` once: each field is a column of that
name, and its type says how the stored value becomes the field's. Instants are stored as milliseconds,
structures as JSON text, everything else as it is. A field that wants something else says so::

    created_at: Annotated[str, Stored(iso_from_ms)]

so that what is only shown need not become a domain object first: a list reads the columns it shows, in the
form in which it shows them.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import partial
from operator import attrgetter
from typing import Annotated, Any, Generic, NewType, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from sqlalchemy import Column, Table

from parley.base.times import from_ms, to_ms

T = TypeVar("T", bound=msgspec.Struct)
Convert = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Stored:
    """In an `Annotated` field: how its value is made of the stored one; such a field is only read."""

    read: Convert
    null: Any = None
    """What stands for NULL."""
    read_all: Callable[[Sequence[Any]], Iterable[Any]] | None = None
    """`read` and `null` for the values of many rows at once, where that is quicker."""


class RowMap(Generic[T]):
    """Maps one table (or a part of its columns) to one struct.

    Structs whose fields may be given by position are read several times faster than those with `kw_only`.
    """

    def __init__(self, shape: type[T], table: Table) -> None:
        hints = get_type_hints(shape, include_extras=True)
        names = [field.name for field in msgspec.structs.fields(shape)]
        self.columns: list[Column[Any]] = [table.c[name] for name in names]
        """The columns to select, in the order `read` expects."""
        self._shape = shape
        self._names = names
        self._is_positional = shape.__match_args__ == tuple(names)
        self._readers = [
            (index, reader.read, reader.null, reader.read_all or _each(reader, bool(table.c[name].nullable)))
            for index, name in enumerate(names)
            if (reader := _reader(hints[name])) is not None
        ]
        self._writers = [(i, w) for i, n in enumerate(names) if (w := _writer(hints[n])) is not None]

    def read(self, row: Sequence[Any]) -> T:
        """The object of one row."""
        values = list(row)
        for index, convert, null, _ in self._readers:
            value = values[index]
            values[index] = null if value is None else convert(value)
        if self._is_positional:
            return self._shape(*values)
        return self._shape(**dict(zip(self._names, values, strict=True)))

    def read_all(self, rows: Sequence[Sequence[Any]]) -> list[T]:
        """The objects of many rows, which may have further columns behind those of `columns`.

        They are made column by column, so that the loops are those of `map` and `zip`.
        """
        if not rows:
            return []
        columns: list[Any] = list(zip(*rows, strict=True))[: len(self._names)]
        for index, _, _, convert_all in self._readers:
            columns[index] = convert_all(columns[index])
        if self._is_positional:
            return list(map(self._shape, *columns))
        names, shape = self._names, self._shape
        return [shape(**dict(zip(names, values, strict=True))) for values in zip(*columns, strict=True)]

    def write(self, value: T) -> dict[str, Any]:
        """Parameters by column name."""
        values = list(msgspec.structs.astuple(value))
        for index, convert in self._writers:
            given = values[index]
            values[index] = None if given is None else convert(given)
        return dict(zip(self._names, values, strict=True))


def _each(reader: Stored, is_nullable: bool) -> Callable[[Sequence[Any]], Iterable[Any]]:
    """Convert the values of a column one by one."""
    read, null = reader.read, reader.null
    if is_nullable:
        return lambda column: [null if value is None else read(value) for value in column]
    return partial(map, read)


def _bare(hint: Any) -> Any:
    """The type without `| None`, `Annotated` and NewType."""
    if get_origin(hint) is Annotated:
        return _bare(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        rest = [a for a in get_args(hint) if a is not types.NoneType]
        if len(rest) == 1:
            return _bare(rest[0])
    if isinstance(hint, NewType):
        return _bare(hint.__supertype__)
    return hint


def _is_structured(hint: Any) -> bool:
    origin = get_origin(hint) or hint
    return origin in (list, dict, tuple, set, frozenset) or (
        isinstance(origin, type) and issubclass(origin, msgspec.Struct)
    )


def _reader(hint: Any) -> Stored | None:
    if get_origin(hint) is Annotated:
        for note in get_args(hint)[1:]:
            if isinstance(note, Stored):
                return note
    bare = _bare(hint)
    if bare is datetime:
        return Stored(from_ms)
    if bare is bool:
        return Stored(bool)
    if _is_structured(bare):
        return Stored(msgspec.json.Decoder(bare).decode)
    if isinstance(bare, type) and issubclass(bare, Enum):
        # A tenth of the time of `bare(value)`.
        return Stored({member.value: member for member in bare}.__getitem__)
    return None


def _writer(hint: Any) -> Convert | None:
    bare = _bare(hint)
    if bare is datetime:
        return to_ms
    if _is_structured(bare):
        return _json_text
    if isinstance(bare, type) and issubclass(bare, Enum):
        return attrgetter("_value_")  # what `value` is, without the two calls of its descriptor
    return None


def _json_text(value: Any) -> str:
    return msgspec.json.encode(value).decode()

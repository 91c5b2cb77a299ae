"""Between a table's rows and a domain's objects.

`RowMap(Meeting, meetings)` reads the annotations of a `msgspec.Struct` once and builds two functions:
row to object and object to parameters. Instants are stored as milliseconds, structures as JSON text,
everything else as it is.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, Generic, NewType, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from sqlalchemy import Column, Table

from parley.base.times import from_ms, to_ms

T = TypeVar("T", bound=msgspec.Struct)
Convert = Callable[[Any], Any]


class RowMap(Generic[T]):
    """Maps one table (or a part of its columns) to one struct."""

    def __init__(self, shape: type[T], table: Table) -> None:
        hints = get_type_hints(shape)
        names = [field.name for field in msgspec.structs.fields(shape)]
        self.columns: list[Column[Any]] = [table.c[name] for name in names]
        """The columns to select, in the order `read` expects."""
        self._shape = shape
        self._names = names
        self._readers = [(i, r) for i, n in enumerate(names) if (r := _reader(hints[n])) is not None]
        self._writers = [(n, w) for n in names if (w := _writer(hints[n])) is not None]

    def read(self, row: Sequence[Any]) -> T:
        """The object of one row."""
        values = list(row)
        for index, convert in self._readers:
            if values[index] is not None:
                values[index] = convert(values[index])
        return self._shape(**dict(zip(self._names, values, strict=True)))

    def write(self, value: T) -> dict[str, Any]:
        """Parameters by column name."""
        params = {name: getattr(value, name) for name in self._names}
        for name, convert in self._writers:
            if params[name] is not None:
                params[name] = convert(params[name])
        return params


def _bare(hint: Any) -> Any:
    """The type without `| None` and NewType."""
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


def _reader(hint: Any) -> Convert | None:
    bare = _bare(hint)
    if bare is datetime:
        return from_ms
    if bare is bool:
        return bool
    if _is_structured(bare):
        return msgspec.json.Decoder(bare).decode
    if isinstance(bare, type) and issubclass(bare, Enum):
        return {member.value: member for member in bare}.__getitem__  # a tenth of the time of `bare(value)`
    return None


def _writer(hint: Any) -> Convert | None:
    bare = _bare(hint)
    if bare is datetime:
        return to_ms
    if _is_structured(bare):
        return lambda value: msgspec.json.encode(value).decode()
    if isinstance(bare, type) and issubclass(bare, Enum):
        return lambda value: value.value
    return None

"""Pages of a table with the filters that are asked for and a chosen order (`realtime-block.md` 17.3)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from sqlalchemy import ColumnElement, FromClause, Table, bindparam, func, insert, select, update

from parley.base.errors import Invalid
from parley.base.paging import PageRequest
from parley.store.ports import Row
from parley.store.query import Query

_SORT = re.compile(r"(-?)([a-z_]{1,64})(?::(asc|desc))?", re.ASCII)


class Sort(NamedTuple):
    """By what a list is ordered."""

    field: str
    descending: bool


NEWEST_FIRST = Sort("created_at", True)


def read_sort(text: str | None, default: Sort = NEWEST_FIRST) -> Sort:
    """`field`, `-field`, `field:asc` or `field:desc`.

    Raises:
        Invalid: something else.
    """
    if text is None:
        return default
    found = _SORT.fullmatch(text)
    if found is None or (found[1] and found[3]):
        raise Invalid("Sort by a field, such as `created_at` or `-created_at`.", field="?sort")
    return Sort(found[2], bool(found[1]) or found[3] == "desc")


class Scoped(Protocol):
    """Asks inside one app: an `AppScope` or a `Change`."""

    async def all(self, query: Query, **params: Any) -> Sequence[Row]:
        """Every row."""

    async def one(self, query: Query, **params: Any) -> Row | None:
        """The first row."""


class Listing:
    """Every page of one kind of list; a statement is compiled at the first use of its filters and order."""

    def __init__(
        self,
        columns: Sequence[ColumnElement[Any]],
        origin: FromClause,
        *,
        always: ColumnElement[bool],
        filters: Mapping[str, ColumnElement[bool]],
        sorts: Mapping[str, ColumnElement[Any]],
        tie: ColumnElement[Any],
    ) -> None:
        """Describe it.

        Args:
            columns: what is selected.
            origin: where from: a table or a join.
            always: holds for every row; binds `app_id`.
            filters: conditions by name; one that compares binds a parameter of that name.
            sorts: what a list can be ordered by; rows without a value come last.
            tie: decides between rows that are equal otherwise; in the direction of the order.
        """
        self._columns = columns
        self._origin = origin
        self._always = always
        self._filters = filters
        self._sorts = sorts
        self._tie = tie
        self._compiled: dict[tuple[frozenset[str], Sort], tuple[Query, Query]] = {}

    async def page(
        self, reader: Scoped, page: PageRequest, sort: Sort = NEWEST_FIRST, **given: Any
    ) -> tuple[Sequence[Row], int]:
        """The rows of a page, and how many there are on all pages.

        Args:
            reader: inside one app.
            page: which part.
            sort: the order.
            given: values of filters; None = this filter is not wanted.

        Raises:
            Invalid: nothing of the list can be sorted by that field.
        """
        if sort.field not in self._sorts:
            raise Invalid(f"A list cannot be sorted by {sort.field}.", field="?sort")
        wanted = {name: value for name, value in given.items() if value is not None}
        names = frozenset(self._filters.keys() & wanted.keys())
        rows, count = self._statements(names, sort)
        found = await reader.all(rows, **wanted, size=page.size, skip=page.skip)
        if page.number == 1 and len(found) < page.size:
            return found, len(found)
        total = await reader.one(count, **wanted)
        assert total is not None
        return found, total[0]

    def _statements(self, names: frozenset[str], sort: Sort) -> tuple[Query, Query]:
        known = self._compiled.get((names, sort))
        if known is None:
            conditions = [self._always, *(self._filters[name] for name in sorted(names))]
            by, tie = self._sorts[sort.field], self._tie
            first, second = (by.desc(), tie.desc()) if sort.descending else (by.asc(), tie.asc())
            if getattr(by, "nullable", False):  # each database has its own opinion on where they come
                first = first.nulls_last()
            rows = (
                select(*self._columns)
                .select_from(self._origin)
                .where(*conditions)
                .order_by(first, second)
                .limit(bindparam("size"))
                .offset(bindparam("skip"))
            )
            count = select(func.count()).select_from(self._origin).where(*conditions)
            known = self._compiled[names, sort] = Query(rows), Query(count)
        return known


def insert_numbered(table: Table) -> Query:
    """An INSERT that takes every column but `number`, which counts by itself."""
    values = {c.name: bindparam(c.name, type_=c.type) for c in table.columns if c.name != "number"}
    return Query(insert(table).values(values))


def update_fields(table: Table, names: Sequence[str], where: ColumnElement[bool]) -> Query:
    """An UPDATE of those columns, each from a parameter `new_<name>`."""
    columns = {name: bindparam(f"new_{name}", type_=table.c[name].type) for name in names}
    return Query(update(table).where(where).values(columns))

"""Statements: written with SQLAlchemy Core, compiled once per database, run on the raw driver.

SQLAlchemy's execution layer costs 3 to 10 times the driver's own; its compiler costs nothing when it
runs once (`design.md` D7). Every statement must carry the tenant: a `Query` whose SQL binds neither
`app_id` nor `organization_id` is refused at construction. Work across tenants (start-up, sweepers)
says so by being a `SystemQuery`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Integer, Table, bindparam, insert
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import Executable
from sqlalchemy.sql.compiler import SQLCompiler

DialectName = Literal["sqlite", "postgresql"]
_DIALECTS: dict[DialectName, Any] = {
    "sqlite": SQLiteDialect_pysqlite(paramstyle="qmark"),
    "postgresql": PGDialect_asyncpg(),  # type: ignore[no-untyped-call]
}
Statement = Executable | Callable[[DialectName], Executable]
"""Portable, or made for each database where their SQL differs."""
TENANT_BINDS = frozenset({"app_id", "organization_id"})


class Prepared(NamedTuple):
    """SQL text of one database and how to order its parameters."""

    sql: str
    names: tuple[str, ...]
    constants: Mapping[str, Any]

    def arguments(self, params: Mapping[str, Any]) -> tuple[Any, ...]:
        """Positional arguments for the driver."""
        constants = self.constants
        if not constants:
            return tuple([params[n] for n in self.names])
        return tuple([params[n] if n in params else constants[n] for n in self.names])


class SystemQuery:
    """A statement that may see all tenants; for start-up, sweepers and credentials look-up only."""

    __slots__ = ("_prepared", "_statement")

    def __init__(self, statement: Statement) -> None:
        self._statement = statement
        self._prepared: dict[DialectName, Prepared] = {}

    def prepared(self, dialect: DialectName) -> Prepared:
        """The compiled form; compiled at first use."""
        found = self._prepared.get(dialect)
        if found is None:
            found = self._prepared[dialect] = _compile(self._statement, dialect)
        return found


class Query(SystemQuery):
    """A statement inside one tenant."""

    __slots__ = ()

    def __init__(self, statement: Statement) -> None:
        super().__init__(statement)
        if not TENANT_BINDS & set(self.prepared("sqlite").names):
            raise ValueError(f"this statement names no tenant: {self.prepared('sqlite').sql}")


def _compile(statement: Statement, dialect: DialectName) -> Prepared:
    if not isinstance(statement, Executable):
        statement = statement(dialect)
    compiled = statement.compile(dialect=_DIALECTS[dialect])  # type: ignore[attr-defined]
    assert isinstance(compiled, SQLCompiler)
    names = tuple(compiled.positiontup or ())
    given = {name for name, bind in compiled.binds.items() if not bind.required}
    constants = {name: compiled.params[name] for name in names if name in given}
    return Prepared(str(compiled), names, constants)


def insert_row(table: Table) -> Query:
    """An INSERT that takes every column of the table as a parameter."""
    return Query(insert(table).values({c.name: bindparam(c.name, type_=c.type) for c in table.columns}))


def upsert(
    table: Table,
    keys: Sequence[str],
    update: Mapping[str, Any] | None = None,
    *,
    values: Mapping[str, Any] | None = None,
    returning: Sequence[ColumnElement[Any]] = (),
) -> Statement:
    """INSERT that meets an existing row of the same keys.

    Args:
        table: where to.
        keys: the columns of a uniqueness rule.
        update: what to change in the existing row; None leaves it as it is and inserts nothing.
        values: columns to insert; by default every column, as parameters.
        returning: columns to return.
    """
    chosen = values or {c.name: bindparam(c.name, type_=c.type) for c in table.columns}

    def build(dialect: DialectName) -> Executable:
        made: Any = (sqlite_insert if dialect == "sqlite" else postgres_insert)(table).values(dict(chosen))
        if update is None:
            made = made.on_conflict_do_nothing(index_elements=list(keys))
        else:
            made = made.on_conflict_do_update(index_elements=list(keys), set_=dict(update))
        return made.returning(*returning) if returning else made  # type: ignore[no-any-return]

    return build


class in_list(ColumnElement[bool]):  # noqa: N801 - reads as an operator
    """`column IN (values of a JSON array parameter)`, of any length, in a statement compiled once.

    Bind it with `json_list(values)`.
    """

    inherit_cache = False

    def __init__(self, column: ColumnElement[Any], name: str) -> None:
        self.column = column
        self.parameter: Any = bindparam(name, required=True)


@compiles(in_list, "sqlite")
def _in_list_sqlite(element: in_list, compiler: SQLCompiler, **kw: Any) -> str:
    column, parameter = compiler.process(element.column, **kw), compiler.process(element.parameter, **kw)
    return f"{column} IN (SELECT value FROM json_each({parameter}))"


@compiles(in_list, "postgresql")
def _in_list_postgres(element: in_list, compiler: SQLCompiler, **kw: Any) -> str:
    column, parameter = compiler.process(element.column, **kw), compiler.process(element.parameter, **kw)
    cast = "::bigint" if isinstance(element.column.type, Integer) else ""
    return f"{column} IN (SELECT value{cast} FROM jsonb_array_elements_text({parameter}::text::jsonb))"


def json_list(values: Any) -> str:
    """The parameter for `in_list`."""
    return msgspec.json.encode(list(values)).decode()


def like_pattern(text: str) -> str:
    """A LIKE pattern (escape character `\\`) matching the text anywhere."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped.lower()}%"

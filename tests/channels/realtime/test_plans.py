"""What every message and every page costs does not grow with what is stored."""

from __future__ import annotations

import pytest

from parley.channels.realtime import store as publications
from parley.channels.realtime.receipts import store as receipts
from parley.channels.realtime.search import store as search
from parley.store.engine.sqlite import SqliteDatabase
from parley.store.query import DialectName, Prepared, SystemQuery

EXPECTED = {
    "publications._KNOWN": "ix_publications_client (app_id=? AND channel=? AND client_id=?)",
    "publications._FIND": "(app_id=? AND channel=? AND offset=?)",
    "publications._AFTER": "(app_id=? AND channel=? AND offset>? AND offset<?)",
    "publications._OLDER": "(app_id=? AND channel=? AND offset>? AND offset<?)",
    "publications._NEWER": "(app_id=? AND channel=? AND offset>? AND offset<?)",
    "publications._PURGE_EXPIRED": "ix_publications_age (app_id=? AND created_at<?)",
    "publications._PURGE_PASSING": "ix_publications_passing",
    "receipts._RECEIPTS": "(app_id=? AND channel=? AND offset=?)",
    "receipts._PASSED": "(app_id=? AND channel=? AND user_id=? AND read_to>?)",
    "search._TAIL": "INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
    "search._BY_NUMBER": "publications USING INTEGER PRIMARY KEY (rowid=?)",
    "search._MATCHES": "p USING INTEGER PRIMARY KEY (rowid=?)",
}
MODULES = {"publications": publications, "receipts": receipts, "search": search}


class Explained(SystemQuery):
    """Asks how a statement would be run."""

    def __init__(self, query: SystemQuery) -> None:
        self._query = query

    def prepared(self, dialect: DialectName) -> Prepared:
        made = self._query.prepared(dialect)
        return made._replace(sql=f"EXPLAIN QUERY PLAN {made.sql}")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("name", EXPECTED)
async def test_statements_use_the_index_that_was_made_for_them(database: SqliteDatabase, name: str) -> None:
    """SQLite took the index of ages for a client's own ids, and read a day of messages for every new one."""
    module, _, statement = name.partition(".")
    query = getattr(MODULES[module], statement)
    assert isinstance(query, SystemQuery)
    prepared = query.prepared("sqlite")
    plan = await database.all(Explained(query), **dict.fromkeys(prepared.names, 1))
    assert any(EXPECTED[name] in row[3] for row in plan), plan

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import bindparam, select

from parley.store import query
from parley.store.query import Query, SystemQuery, insert_row, like_pattern, upsert
from parley.store.schema import tables as t


def test_a_statement_without_a_tenant_is_refused():
    with pytest.raises(ValueError, match="names no tenant"):
        Query(select(t.apps.c.id).where(t.apps.c.id == bindparam("id")))


def test_a_tenant_column_that_is_only_read_is_not_enough():
    with pytest.raises(ValueError, match="names no tenant"):
        Query(select(t.apps.c.organization_id))


@pytest.mark.parametrize("tenant", ["app_id", "organization_id"])
def test_a_statement_that_binds_a_tenant_is_accepted(tenant):
    column = t.outbox.c[tenant]
    assert tenant in Query(select(t.outbox.c.id).where(column == bindparam(tenant))).prepared("sqlite").names


def test_a_statement_is_compiled_once_for_each_database(monkeypatch):
    compiled = []
    monkeypatch.setattr(query, "_compile", lambda s, d: compiled.append(d) or query.Prepared("", (), {}))
    statement = SystemQuery(select(t.apps.c.id))
    for _ in range(3):
        statement.prepared("sqlite")
        statement.prepared("postgresql")
    assert compiled == ["sqlite", "postgresql"]


def test_a_missing_parameter_is_an_error_of_the_caller():
    with pytest.raises(KeyError, match="organization_id"):
        insert_row(t.apps).prepared("sqlite").arguments({"id": "x"})


def test_constants_of_a_statement_need_no_parameter():
    prepared = SystemQuery(select(t.apps.c.id).where(t.apps.c.name == "fixed")).prepared("postgresql")
    assert prepared.arguments({}) == ("fixed",)


async def test_an_upsert_without_changes_keeps_the_row(database):
    keep = SystemQuery(upsert(t.organizations, ["id"]))
    async with database.transaction() as tx:
        assert await tx.run(keep, id="a", name="first", created_at=1) == 1
        assert await tx.run(keep, id="a", name="second", created_at=2) == 0
    row = await database.one(SystemQuery(select(t.organizations)))
    assert tuple(row) == ("a", "first", 1)


async def test_an_upsert_changes_what_it_names_and_returns_the_row(database):
    put = SystemQuery(
        upsert(
            t.organizations,
            ["id"],
            {"created_at": t.organizations.c.created_at + bindparam("created_at")},
            returning=[t.organizations.c.name, t.organizations.c.created_at],
        )
    )
    async with database.transaction() as tx:
        assert tuple(await tx.one(put, id="a", name="first", created_at=5)) == ("first", 5)
        assert tuple(await tx.one(put, id="a", name="second", created_at=7)) == ("first", 12)


@given(st.text(alphabet="%_\\aB", max_size=8), st.text(alphabet="%_\\abB", max_size=12))
def test_a_like_pattern_matches_exactly_the_texts_that_contain_it(wanted, text):
    connection = sqlite3.connect(":memory:")
    found = connection.execute(
        "SELECT ? LIKE ? ESCAPE '\\'", (text.lower(), like_pattern(wanted))
    ).fetchone()[0]
    connection.close()
    assert bool(found) is (wanted.lower() in text.lower())

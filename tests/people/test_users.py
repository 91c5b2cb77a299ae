"""Users: whoever a token names, and whom servers register."""

from __future__ import annotations

import pytest

from parley.accounts.scope import AppScope
from parley.accounts.user_tokens import User
from parley.base.clock import ManualClock
from parley.base.errors import Invalid, NotAllowed, NotFound
from parley.base.paging import PageRequest
from parley.people.model import Caller, PersonChange
from parley.people.service import People
from parley.store.listing import Sort, read_sort

SERVER = Caller(None, is_server=True)
FIRST = PageRequest()


def token_of(user_id: str, **more: str | None) -> User:
    return User(id=user_id, expires_at=1 << 40, **more)


async def test_a_token_registers_its_user(app_scope: AppScope) -> None:
    people = People()
    await people.ensure_user(app_scope, token_of("ada", name="Ada", email="ada@example.com", role="lead"))
    person = (await people.get(app_scope, "ada")).person
    assert (person.name, person.email, person.role_name, person.status) == (
        "Ada",
        "ada@example.com",
        "lead",
        "active",
    )


async def test_a_later_token_fills_what_is_missing_and_replaces_the_role(app_scope: AppScope) -> None:
    people = People()
    await people.ensure_user(app_scope, token_of("ada", name="Ada", role="lead"))
    await people.ensure_user(app_scope, token_of("ada", name="Other", email="ada@example.com", role="guest"))
    person = (await people.get(app_scope, "ada")).person
    assert (person.name, person.email, person.role_name) == ("Ada", "ada@example.com", "guest")


async def test_a_token_without_a_role_keeps_the_role(app_scope: AppScope) -> None:
    people = People()
    await people.ensure_user(app_scope, token_of("ada", role="lead"))
    await people.ensure_user(app_scope, token_of("ada"))
    assert (await people.get(app_scope, "ada")).person.role_name == "lead"


async def test_two_servers_that_see_a_user_at_once_make_one(app_scope: AppScope) -> None:
    await People().ensure_user(app_scope, token_of("ada"))
    await People().ensure_user(app_scope, token_of("ada"))
    assert (await People().page(app_scope, FIRST)).total == 1


async def test_a_registration_is_new_once_even_if_the_token_was_seen_before(app_scope: AppScope) -> None:
    people = People()
    await people.ensure_user(app_scope, token_of("ada", name="Ada"))
    ada = Caller("ada", is_server=False)
    first = await people.register(app_scope, ada, "ada", PersonChange(username="countess"))
    again = await people.register(app_scope, ada, "ada", PersonChange(name="Ada L."))
    assert (first.is_new, again.is_new) == (True, False)
    assert (again.seen.person.name, again.seen.person.username) == ("Ada L.", "countess")


async def test_a_user_registers_nobody_else(app_scope: AppScope) -> None:
    with pytest.raises(NotAllowed):
        await People().register(app_scope, Caller("ada", is_server=False), "bob", PersonChange())


async def test_a_user_does_not_choose_a_role(app_scope: AppScope) -> None:
    ada = Caller("ada", is_server=False)
    with pytest.raises(NotAllowed):
        await People().register(app_scope, ada, "ada", PersonChange(role_name="lead"))


@pytest.mark.parametrize("user_id", ["", "x" * 201, "a\0b"])
async def test_what_cannot_be_an_id_is_refused(app_scope: AppScope, user_id: str) -> None:
    with pytest.raises(Invalid):
        await People().register(app_scope, SERVER, user_id, PersonChange())


async def test_absent_is_unchanged_and_null_clears(app_scope: AppScope) -> None:
    people = People()
    await people.register(app_scope, SERVER, "ada", PersonChange(name="Ada", payload={"team": 1}))
    after = await people.change(app_scope, SERVER, "ada", PersonChange(payload=None))
    assert (after.person.name, after.person.payload) == ("Ada", None)


async def test_nobody_unknown_is_changed(app_scope: AppScope) -> None:
    with pytest.raises(NotFound):
        await People().change(app_scope, SERVER, "nobody", PersonChange(name="x"))


async def test_users_of_another_app_are_not_found(app_scope: AppScope, other_app_scope: AppScope) -> None:
    people = People()
    await people.ensure_user(app_scope, token_of("ada"))
    with pytest.raises(NotFound):
        await people.get(other_app_scope, "ada")
    assert (await people.page(other_app_scope, FIRST)).total == 0


async def test_a_list_is_newest_first_and_ties_go_by_insertion(
    app_scope: AppScope, clock: ManualClock
) -> None:
    people = People()
    for name in ("ada", "bob"):
        await people.ensure_user(app_scope, token_of(name))
    clock.advance(1)
    await people.ensure_user(app_scope, token_of("cem"))
    page = await people.page(app_scope, FIRST)
    assert [seen.person.id for seen in page.rows] == ["cem", "bob", "ada"]


async def test_a_list_can_be_sorted_and_paged(app_scope: AppScope) -> None:
    people = People()
    for name in ("bob", "ada", "cem"):
        await people.ensure_user(app_scope, token_of(name, name=name))
    page = await people.page(app_scope, PageRequest(2, 2), Sort("name", False))
    assert ([seen.person.id for seen in page.rows], page.total) == (["cem"], 3)


async def test_a_search_finds_parts_of_names_and_addresses_in_either_case(app_scope: AppScope) -> None:
    people = People()
    await people.ensure_user(app_scope, token_of("1", name="Ada Lovelace"))
    await people.ensure_user(app_scope, token_of("2", email="LOVE@example.com"))
    await people.ensure_user(app_scope, token_of("3", name="100% Bob"))
    found = await people.page(app_scope, FIRST, search="love")
    assert {seen.person.id for seen in found.rows} == {"1", "2"}
    literal = await people.page(app_scope, FIRST, search="0%")
    assert [seen.person.id for seen in literal.rows] == ["3"]


async def test_deleted_users_are_listed_only_when_asked_for(app_scope: AppScope) -> None:
    people = People()
    await people.register(app_scope, SERVER, "ada", PersonChange(status="deleted"))
    assert (await people.page(app_scope, FIRST)).total == 0
    assert (await people.page(app_scope, FIRST, status="deleted")).total == 1
    assert await people.known(app_scope, ["ada"]) == set()


async def test_an_unknown_field_cannot_be_sorted_by(app_scope: AppScope) -> None:
    with pytest.raises(Invalid, match="sorted by secret"):
        await People().page(app_scope, FIRST, Sort("secret", True))


@pytest.mark.parametrize(
    ("text", "sort"),
    [
        (None, Sort("created_at", True)),
        ("name", Sort("name", False)),
        ("-name", Sort("name", True)),
        ("name:asc", Sort("name", False)),
        ("name:desc", Sort("name", True)),
    ],
)
def test_orders_are_written_in_two_ways(text: str | None, sort: Sort) -> None:
    assert read_sort(text) == sort


@pytest.mark.parametrize("text", ["", "-", "--name", "name:up", "-name:asc", "na me", "name;drop", "Ñame"])
def test_other_orders_are_refused(text: str) -> None:
    with pytest.raises(Invalid):
        read_sort(text)


async def test_the_mark_of_the_engine_can_be_set_and_cleared(app_scope: AppScope) -> None:
    people = People()
    assert not await people.is_ai_registered(app_scope, "ada")
    await people.set_ai_registered(app_scope, "ada", True)
    assert await people.is_ai_registered(app_scope, "ada")
    await people.set_ai_registered(app_scope, "ada", False)
    assert not await people.is_ai_registered(app_scope, "ada")

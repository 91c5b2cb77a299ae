"""The page of a room, and `POST /rooms/{id}/visit`."""

from __future__ import annotations

from typing import Any

import pytest

from parley.base.errors import NotFound, ParleyError, TooMany
from parley.web.context import RoomVisit, WebContext
from parley.web.rooms import LinkExpired, LinkRefused, NotInvited, RoomEnded
from tests.web.conftest import PUBLIC_URL, Client, OpenSite

PATH = "/rooms/room_183edb870f900b6c1807"


async def visit(room_id: str, token: str | None, earlier: str | None, name: str | None) -> RoomVisit:
    """Says back what it was asked."""
    connection = f"{room_id} {token} {earlier} {name}" if name is not None else None
    return RoomVisit("Stand-up", 2, True, False, True, None, connection)


@pytest.fixture
def site(open_site: OpenSite) -> Client:
    """The pages of a server with rooms."""
    return open_site(WebContext(PUBLIC_URL, "1", visit_room=visit))


def test_page_of_a_room_may_use_the_camera_and_tells_nobody_its_address(site: Client) -> None:
    answer = site.get(PATH)
    assert answer.status_code == 200
    assert "<title>room</title>" in answer.text
    assert "camera=(self)" in answer.headers["permissions-policy"]
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["referrer-policy"] == "no-referrer"


def test_visitor_is_told_what_the_room_is_before_there_is_a_name(site: Client) -> None:
    answer = site.post(f"{PATH}/visit", json={"token": "a.b.c"})
    assert answer.status_code == 200
    assert answer.json() == {
        "room": {"name": "Stand-up", "people": 2, "audio": True, "video": False, "recorded": True},
        "user_name": None,
        "connection_token": None,
    }
    assert answer.headers["cache-control"] == "no-store"


def test_visitor_with_a_name_gets_a_connection_token(site: Client) -> None:
    body = {"token": "a.b.c", "connection_token": "d.e.f", "name": "  Ada   Lovelace "}
    answer = site.post(f"{PATH}/visit", json=body)
    assert answer.json()["connection_token"] == f"{PATH.rpartition('/')[2]} a.b.c d.e.f Ada Lovelace"


@pytest.mark.parametrize(
    "body", [{"name": " "}, {"name": "x" * 61}, {"name": "a\u0000b"}, {"name": 7}, {"token": 7}, [], None]
)
def test_wrong_request_is_refused(site: Client, body: Any) -> None:
    answer = site.post(f"{PATH}/visit", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_request"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (NotFound("x"), 404, "not_found"),
        (RoomEnded("x"), 409, "ended"),
        (NotInvited("x"), 403, "not_invited"),
        (LinkRefused("x"), 401, "link_refused"),
        (LinkExpired("x"), 401, "link_expired"),
        (TooMany("x", retry_after_s=60), 429, "too_many_requests"),
    ],
)
def test_page_can_tell_why_somebody_is_not_let_in(
    open_site: OpenSite, error: ParleyError, status: int, code: str
) -> None:
    async def refuse(*_: str | None) -> RoomVisit:
        raise error

    answer = open_site(WebContext(PUBLIC_URL, "1", visit_room=refuse)).post(f"{PATH}/visit", json={})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_server_without_rooms_has_none(open_site: OpenSite) -> None:
    assert open_site(WebContext(PUBLIC_URL, "1")).post(f"{PATH}/visit", json={}).status_code == 404

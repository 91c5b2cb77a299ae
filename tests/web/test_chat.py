"""`POST /start/chat`, and the page of the chat."""

from __future__ import annotations

from typing import Any

import pytest

from parley.base.errors import TooMany
from parley.web.context import ChatVisitor, WebContext
from tests.web.conftest import PUBLIC_URL, Client, OpenSite

SPACE = "k3f9x2a7q1"


async def admit(name: str, space: str | None, earlier: str | None) -> ChatVisitor:
    """Says back what it was asked."""
    return ChatVisitor(f"guest-{earlier}", name, "pk_live_1", "user.token", f"{space}.token")


@pytest.fixture
def chat(open_site: OpenSite) -> Client:
    """The pages with the demo chat switched on."""
    return open_site(WebContext(PUBLIC_URL, "1", admit_to_demo_chat=admit))


def test_visitor_gets_what_the_client_library_asks_for(chat: Client) -> None:
    body = {"name": "  Ada   Lovelace ", "space": SPACE, "user_token": "before"}
    answer = chat.post("/start/chat", json=body)
    assert answer.status_code == 201
    assert answer.json() == {
        "user": {"id": "guest-before", "name": "Ada Lovelace"},
        "api_key": "pk_live_1",
        "user_token": "user.token",
        "connection_token": f"{SPACE}.token",
    }
    assert answer.headers["cache-control"] == "no-store"


def test_room_needs_no_space(chat: Client) -> None:
    assert chat.post("/start/chat", json={"name": "Ada"}).json()["connection_token"] == "None.token"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": " "},
        {"name": "x" * 61},
        {"name": "a\u0000b"},
        {"name": 7},
        {"name": "Ada", "space": "short"},
        {"name": "Ada", "space": "*" * 10},
        {"name": "Ada", "space": f"{SPACE}:general"},
        [],
    ],
)
def test_wrong_request_is_refused(chat: Client, body: Any) -> None:
    answer = chat.post("/start/chat", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_request"


def test_request_of_another_site_is_refused(chat: Client) -> None:
    answer = chat.post("/start/chat", json={"name": "Ada"}, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403


def test_demo_that_is_switched_off_says_so(open_site: OpenSite) -> None:
    answer = open_site(WebContext(PUBLIC_URL, "1")).post("/start/chat", json={"name": "Ada"})
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "not_allowed"


def test_rate_limit_tells_when_to_come_back(open_site: OpenSite) -> None:
    async def refuse(name: str, space: str | None, earlier: str | None) -> ChatVisitor:
        raise TooMany("Slow down.", retry_after_s=42)

    site = open_site(WebContext(PUBLIC_URL, "1", admit_to_demo_chat=refuse))
    answer = site.post("/start/chat", json={"name": "Ada"})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "42")


def test_page_of_the_chat_may_use_the_camera(chat: Client) -> None:
    answer = chat.get("/chat")
    assert answer.status_code == 200
    assert "<title>chat</title>" in answer.text
    assert "camera=(self)" in answer.headers["permissions-policy"]
    assert "script-src 'self'" in answer.headers["content-security-policy"]

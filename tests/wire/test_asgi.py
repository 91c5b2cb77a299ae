"""Routes as a plain ASGI application, asked without a server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import httpx
import pytest

from parley.base.errors import Conflict, ParleyError
from parley.wire.asgi import Answer, ByPrefix, Header, PathTrie, Request, RestApi

LIMIT = 10


async def echo(request: Request) -> Answer:
    """The parameters of the path and the body."""
    body = await request.body(LIMIT)
    return Answer(200, repr((request.path_params, body)).encode())


async def show(request: Request) -> Answer:
    return Answer(200, request.header(b"x-colour").encode() + b"?" + request.query)


async def fail(request: Request) -> Answer:
    raise LookupError("mine")


async def clash(request: Request) -> Answer:
    raise Conflict("taken")


def refuse(error: ParleyError) -> Answer:
    return Answer(409, error.message.encode())


def refuse_status(status: int, headers: Sequence[Header], _: Request) -> Answer:
    return Answer(status, b"refused", headers)


ROUTES: list[tuple[str, str, Callable[[Request], Awaitable[Answer]]]] = [
    ("POST", "/things/{id}/parts/{part}", echo),
    ("PUT", "/things/{id}/parts/{part}", echo),
    ("GET", "/things/{id}", show),
    ("GET", "/things/all", echo),
    ("GET", "/fail", fail),
    ("GET", "/clash", clash),
]


@pytest.fixture
def api() -> RestApi:
    return RestApi(ROUTES, refuse=refuse, refuse_status=refuse_status)


@pytest.fixture
def http(api: RestApi) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=api), base_url="http://parley.test")


async def test_a_handler_gets_path_parameters_and_body(http):
    answer = await http.post("/things/a%20b/parts/%C3%BC", content=b"body")
    assert answer.text == repr(({"id": "a b", "part": "ü"}, b"body"))
    assert answer.headers["content-length"] == str(len(answer.content))


async def test_a_handler_gets_headers_and_query(http):
    answer = await http.get("/things/a?x=%20&y", headers={"X-Colour": "red"})
    assert answer.text == "red?x=%20&y"
    assert (await http.get("/things/a")).text == "?"


async def test_a_literal_segment_goes_before_a_parameter(http):
    assert (await http.get("/things/all")).text == repr(({}, b""))


@pytest.mark.parametrize("path", ["/things/a/", "//things//a"])
async def test_empty_segments_make_no_difference(http, path):
    assert (await http.get("http://parley.test" + path)).text == "?"


@pytest.mark.parametrize("path", ["/", "/things", "/things/a/parts", "/things/all/parts/x", "/nothing"])
async def test_a_path_without_routes_is_404(http, path):
    answer = await http.get(path)
    assert (answer.status_code, answer.text) == (404, "refused")


async def test_another_method_is_405_and_told_which_are_allowed(http):
    answer = await http.get("/things/a/parts/b")
    assert (answer.status_code, answer.headers["allow"]) == (405, "OPTIONS, POST, PUT")


async def test_options_tells_the_methods_without_a_body(http):
    answer = await http.options("/things/a/parts/b")
    assert (answer.status_code, answer.headers["allow"]) == (204, "OPTIONS, POST, PUT")
    assert "content-length" not in answer.headers


async def test_our_errors_are_told_by_the_dialect(http):
    answer = await http.get("/clash")
    assert (answer.status_code, answer.text) == (409, "taken")


async def test_a_mistake_of_ours_is_told_without_details(http):
    answer = await http.get("/fail")
    assert (answer.status_code, answer.text) == (500, "refused")


async def test_a_body_may_come_in_pieces_up_to_its_limit(http):
    async def pieces(*sizes: int):
        for size in sizes:
            yield b"x" * size

    path = "/things/a/parts/b"
    assert (await http.post(path, content=pieces(4, 6))).status_code == 200
    assert (await http.post(path, content=pieces(4, 6, 1))).text == "The body is too large"


async def test_a_body_that_says_it_is_too_large_is_not_read(api):
    sent: list[Any] = []

    async def receive() -> Any:
        raise AssertionError("nothing needs to be read")

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-length", b"11")]
    scope = {"type": "http", "method": "POST", "path": "/things/a/parts/b", "headers": headers}
    await api(scope, receive, send)
    assert sent[0]["status"] == 409


async def test_nobody_is_answered_when_the_client_has_gone(api):
    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        raise AssertionError("nobody is there")

    scope = {"type": "http", "method": "POST", "path": "/things/a/parts/b", "headers": []}
    await api(scope, receive, send)


def test_a_route_is_declared_once():
    paths = PathTrie()
    paths.add("GET", "/things/{id}", show)
    with pytest.raises(ValueError, match="twice"):
        paths.add("GET", "/things/{id}/", show)
    with pytest.raises(ValueError, match="otherwise"):
        paths.add("POST", "/things/{name}", show)


async def test_what_begins_otherwise_goes_to_the_last_application(api):
    async def pages(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"page"})

    transport = httpx.ASGITransport(app=ByPrefix({"/things/": api}, otherwise=pages))
    async with httpx.AsyncClient(transport=transport, base_url="http://parley.test") as http:
        assert (await http.get("/things/a")).text == "?"
        assert (await http.get("/thing")).text == "page"

"""Whole answers over a real connection, and when they leave as ASGI messages instead."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from parley.stream.http import EXTENSION, HttpProtocol
from tests.stream.serving import WAIT_S, Served, serving

BODY = b"hello"


class App:
    """Answers at once where it may, and keeps count."""

    def __init__(self) -> None:
        self.at_once: list[bool] = []
        self.value = b"blue"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-length", b"5"), (b"x-colour", self.value)]
        connection = scope["extensions"][EXTENSION]
        self.at_once.append(connection.answer(scope, 200, headers, BODY))
        if not self.at_once[-1]:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": BODY})


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
async def served(app):
    async with serving({}, app=app, http=HttpProtocol) as served:
        yield served


async def ask(served: Served, *requests: bytes, answers: int = 1) -> bytes:
    """All that comes back until that many answers are complete, or the connection ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    got = b""
    try:
        async with asyncio.timeout(WAIT_S):
            for request in requests:
                writer.write(request)
            while got.count(BODY) < answers and (data := await reader.read(4096)):
                got += data
    finally:
        writer.close()
    return got


def request(*headers: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} / HTTP/1.1", "host: parley.test", *headers, "", ""]).encode()


async def test_a_whole_answer_has_the_head_that_uvicorn_writes(served, app):
    got = await ask(served, request())
    head, _, body = got.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\ndate: " in head
    assert head.endswith(b"content-length: 5\r\nx-colour: blue")
    assert (body, app.at_once) == (BODY, [True])


async def test_a_connection_serves_the_next_request(served, app):
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    async with asyncio.timeout(WAIT_S):
        for _ in range(3):
            writer.write(request())
            assert BODY in await reader.readuntil(BODY)
    writer.close()
    assert app.at_once == [True] * 3


async def test_requests_sent_together_are_answered_one_after_the_other(served, app):
    got = await ask(served, request() * 3, answers=3)
    assert got.count(b"HTTP/1.1 200 OK") == got.count(BODY) == len(app.at_once) == 3


async def test_a_client_that_closes_is_told_that_the_connection_ends(served, app):
    got = await ask(served, request("connection: close"), answers=2)
    assert b"\r\nconnection: close\r\n" in got
    assert got.endswith(BODY)
    assert app.at_once == [False]


async def test_head_gets_no_body(served, app):
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(request(method="HEAD") + request("connection: close"))
    async with asyncio.timeout(WAIT_S):
        got = await reader.read()
    writer.close()
    assert (got.count(b"HTTP/1.1 200 OK"), got.count(BODY)) == (2, 1)
    assert app.at_once == [False, False]


async def test_a_body_nobody_reads_does_not_become_the_next_request(served, app):
    post = request("content-length: 3", "expect: 100-continue", method="POST")
    got = await ask(served, post + b"abc", request(), answers=2)
    assert got.count(b"HTTP/1.1 200 OK") == 2
    assert b"100 Continue" not in got


async def test_a_header_with_a_line_break_is_refused(served, app):
    app.value = b"blue\r\nx-injected: yes"
    got = await ask(served, request())
    assert got == b""  # uvicorn hangs up
    assert app.at_once == [False]

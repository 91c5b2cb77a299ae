"""A chat-completions server that can be told how to fail, in the words of real ones."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Respond = Callable[[web.Request], Awaitable[web.StreamResponse]]

GOOD = {
    "overall_summary": "The launch moves to Thursday.",
    "categories": ["launch"],
    "action_items": ["Ada updates the release notes"],
    "key_decisions": ["Launch on Thursday"],
    "sentiment": "positive",
    "key_points": ["The build is green"],
}


def completion(content: str | None, tokens: int | None = 42) -> dict[str, Any]:
    """The body of a chat completion."""
    message = {"role": "assistant", "content": content}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "test-model",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": None
        if tokens is None
        else {"prompt_tokens": 30, "completion_tokens": 12, "total_tokens": tokens},
    }


def says(content: str | None, tokens: int | None = 42) -> Respond:
    """Answer with that text."""

    async def respond(request: web.Request) -> web.StreamResponse:
        return web.json_response(completion(content, tokens))

    return respond


def says_good(**changed: Any) -> Respond:
    """Answer with a valid summary, with these members changed."""
    return says(json.dumps({**GOOD, **changed}))


def fails(
    status: int, message: str = "no", headers: dict[str, str] | None = None, code: str = "x"
) -> Respond:
    """Answer with an error as OpenAI words it."""

    async def respond(request: web.Request) -> web.StreamResponse:
        error = {"error": {"message": message, "type": "invalid_request_error", "code": code}}
        return web.json_response(error, status=status, headers=headers)

    return respond


def sends(body: bytes, content_type: str = "application/json") -> Respond:
    """Answer 200 with any body."""

    async def respond(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, content_type=content_type)

    return respond


async def hangs(request: web.Request) -> web.StreamResponse:
    """Never answer."""
    await asyncio.Event().wait()
    return web.Response()


async def closes(request: web.Request) -> web.StreamResponse:
    """Close the connection without an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def knows_only(*formats: str) -> Respond:
    """Refuse other values of `response_format` than these; `text` stands for none."""

    async def respond(request: web.Request) -> web.StreamResponse:
        asked = (await request.json()).get("response_format", {"type": "text"})["type"]
        if asked in formats:
            return await says_good()(request)
        message = f"Invalid parameter: 'response_format' of type '{asked}' is not supported with this model."
        return await fails(400, message)(request)

    return respond


@dataclass(slots=True)
class Provider:
    """Keeps what it was asked; answers in turn, the last one again and again."""

    url: str = ""
    answers: list[Respond] = field(default_factory=lambda: [says_good()])
    asked: list[dict[str, Any]] = field(default_factory=list)
    """Bodies."""
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def will(self, *answers: Respond) -> None:
        """Answer like this from now on."""
        self.answers = list(answers)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One request."""
        self.paths.append(request.path)
        self.headers.append(dict(request.headers))
        self.asked.append(await request.json())
        respond = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return await respond(request)


@asynccontextmanager
async def provider() -> AsyncIterator[Provider]:
    """Serve on a free port."""
    made = Provider()
    app = web.Application()
    app.router.add_post("/{path:.*}", made.handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    made.url = f"http://{host}:{port}/v1"
    try:
        yield made
    finally:
        await runner.cleanup()

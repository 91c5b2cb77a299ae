"""The content of conversations' files, by signed link (`realtime-block.md` 18.11).

An ASGI application of its own, because content comes and goes in pieces: what is under `FOLDER` is its. The
link is the credential, so pages of any origin may use it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any
from urllib.parse import parse_qsl, quote

import structlog

from parley.base.errors import Invalid, NotFound, ParleyError, TooLarge
from parley.conversations.files.service import FOLDER, MessageFiles
from parley.wire.asgi import Answer, ClientGone, Header, Receive, Send
from parley.wire.block.endpoint import refuse
from parley.wire.block.errors import MethodNotAllowed
from parley.wire.parts import send_file

log = structlog.get_logger(__name__)
PREFIX = f"{FOLDER}/"
SILENCE_S = 60.0
"""A client that sends nothing for so long is gone."""
METHODS = b"GET, HEAD, OPTIONS, PUT"
_ANYBODY: tuple[Header, ...] = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"accept-ranges, content-disposition, content-range, etag"),
    (b"cross-origin-resource-policy", b"cross-origin"),
)
_PREFLIGHT: tuple[Header, ...] = (
    (b"access-control-allow-methods", METHODS),
    (b"access-control-allow-headers", b"*"),
    (b"access-control-max-age", b"86400"),
    (b"allow", METHODS),
)


class FileContent:
    """Takes content in and hands it out."""

    def __init__(self, files: MessageFiles) -> None:
        self._files = files

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        try:
            await self._answer(scope, receive, send)
        except ClientGone:
            return
        except ParleyError as refused:
            await _send(send, refuse(refused))

    async def _answer(self, scope: Any, receive: Receive, send: Send) -> None:
        method = scope["method"]
        if method == "OPTIONS":
            return await _send(send, Answer(204, b"", _PREFLIGHT))
        parts = scope["path"].removeprefix(PREFIX).split("/")
        if len(parts) != 2:
            raise NotFound("There is no such file.")
        try:
            query = dict(parse_qsl(scope["query_string"].decode("ascii"), max_num_fields=20))
        except ValueError as error:
            raise Invalid("The query string is not well formed.") from error
        if method == "PUT":
            self._files.check("PUT", parts[0], query)
            return await self._take(parts[0], scope, receive, send)
        if method in ("GET", "HEAD"):
            self._files.check("GET", parts[0], query)
            return await self._give(parts[0], scope, send)
        raise MethodNotAllowed("A file's content is got or put.")

    async def _take(self, file_id: str, scope: Any, receive: Receive, send: Send) -> None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length[:12]) > self._files.max_bytes:
            raise TooLarge(f"A file has at most {self._files.max_bytes >> 20} MiB.")
        kind = headers.get(b"content-type", b"").decode("latin-1")
        await self._files.receive(file_id, kind, chunks(receive))
        await _send(send, Answer(200, b"{}", ((b"content-type", b"application/json"),)))

    async def _give(self, file_id: str, scope: Any, send: Send) -> None:
        found, blob = await self._files.open(file_id)
        shown = "inline" if found.is_inline else "attachment"
        headers: Sequence[Header] = (
            (b"content-type", found.served_type.encode()),
            (b"content-disposition", f"{shown}; filename*=UTF-8''{quote(found.name, safe='')}".encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"content-security-policy", b"default-src 'none'; sandbox"),
            (b"cache-control", b"private, max-age=86400"),
            *_ANYBODY,
        )
        await send_file(scope, send, blob, headers)


async def chunks(receive: Receive) -> AsyncIterator[bytes]:
    """A request's body as it comes.

    Raises:
        ClientGone: it will never be complete.
    """
    while True:
        try:
            async with asyncio.timeout(SILENCE_S):
                message = await receive()
        except TimeoutError as silent:
            raise ClientGone from silent
        if message["type"] == "http.disconnect":
            raise ClientGone
        body = message.get("body", b"")
        if body:
            yield body
        if not message.get("more_body", False):
            return


async def _send(send: Send, answer: Answer) -> None:
    headers = [*answer.headers, *_ANYBODY]
    if answer.status != 204:
        headers.append((b"content-length", b"%d" % len(answer.body)))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})

"""Files that sessions left behind, by signed link (`realtimekit.md` section 13): the link is the credential.

An ASGI application of its own, because content goes out in pieces: what is under `PREFIX` is its.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, quote

from parley.base.errors import Invalid, NotFound, ParleyError
from parley.recordings.service import FILES, Recordings
from parley.wire.asgi import Answer, ClientGone, Header, Receive, Send
from parley.wire.parts import send_file
from parley.wire.realtimekit.errors import refuse, refuse_status

PREFIX = f"{FILES}/"
KINDS = {
    "mp4": "video/mp4",
    "webm": "video/webm",
    "m4a": "audio/mp4",
    "mp3": "audio/mpeg",
    "tar": "application/x-tar",
    "zip": "application/zip",
}
"""Content types by the endings of file names; what Python knows of them differs between systems."""
_ANYBODY: tuple[Header, ...] = (
    (b"access-control-allow-origin", b"*"),
    (
        b"access-control-expose-headers",
        b"accept-ranges, content-disposition, content-length, content-range, etag",
    ),
    (b"cross-origin-resource-policy", b"cross-origin"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; sandbox"),
)


_PREFLIGHT: tuple[Header, ...] = (
    (b"access-control-allow-methods", b"GET, HEAD"),
    (b"access-control-allow-headers", b"range, if-range"),
    (b"allow", b"GET, HEAD, OPTIONS"),
)


class Downloads:
    """Hands recordings out."""

    def __init__(self, recordings: Recordings) -> None:
        self._recordings = recordings

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        try:
            if scope["method"] == "OPTIONS":
                await _send(send, Answer(204, b"", _PREFLIGHT))
            elif scope["method"] not in ("GET", "HEAD"):
                await _send(send, refuse_status(405, [(b"allow", b"GET, HEAD, OPTIONS")]))
            else:
                await self._give(scope, send)
        except ClientGone:
            return
        except ParleyError as refused:
            await _send(send, refuse(refused))

    async def _give(self, scope: Any, send: Send) -> None:
        recording_id, slash, which = scope["path"].removeprefix(PREFIX).partition("/")
        if not slash or "/" in which:
            raise NotFound("There is no such file.")
        try:
            query = dict(parse_qsl(scope["query_string"].decode("ascii"), max_num_fields=20))
        except ValueError as error:
            raise Invalid("The query string is not well formed.") from error
        file, blob = await self._recordings.open(recording_id, which, query)
        kind = KINDS.get(file.name.rpartition(".")[2], "application/octet-stream")
        headers: list[Header] = [
            (b"content-type", kind.encode()),
            (b"content-disposition", f"attachment; filename*=UTF-8''{quote(file.name, safe='')}".encode()),
            (b"cache-control", b"private, max-age=86400"),
            *_ANYBODY,
        ]
        await send_file(scope, send, blob, headers)


async def _send(send: Send, answer: Answer) -> None:
    headers = [*answer.headers, *_ANYBODY]
    if answer.status != 204:  # which has none (RFC 9110 section 8.6)
        headers.append((b"content-length", b"%d" % len(answer.body)))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})

"""What viewers of live streams fetch, as an ASGI application of its own: what is under `PREFIX` is its.

Anybody who has the address may watch, from pages of any origin.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import msgspec

from parley.base.errors import NotFound, ParleyError
from parley.livestreams.playback import Playback
from parley.livestreams.states import HLS
from parley.wire.asgi import Answer, ClientGone, Header, Receive, Send
from parley.wire.realtimekit.errors import refuse, refuse_status

PREFIX = f"{HLS}/"
STANDING = "status"
"""Beside the playlist: how the stream stands (`livestreams.playback.Standing`)."""
_ANYBODY: tuple[Header, ...] = (
    (b"access-control-allow-origin", b"*"),
    (b"cross-origin-resource-policy", b"cross-origin"),
    (b"x-content-type-options", b"nosniff"),
)


class HlsFiles:
    """Hands playlists and segments out."""

    def __init__(self, playback: Playback) -> None:
        self._playback = playback

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        try:
            answer = await self._answer(scope)
        except ClientGone:
            return
        except ParleyError as refused:
            answer = refuse(refused)
        headers = [*answer.headers, *_ANYBODY, (b"content-length", b"%d" % len(answer.body))]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        body = b"" if scope["method"] == "HEAD" else answer.body
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Any) -> Answer:
        if scope["method"] == "OPTIONS":
            allowed = [
                (b"access-control-allow-methods", b"GET, HEAD"),
                (b"access-control-allow-headers", b"range"),
            ]
            return Answer(204, b"", allowed)
        if scope["method"] not in ("GET", "HEAD"):
            return refuse_status(405, [(b"allow", b"GET, HEAD")])
        stream_id, slash, name = scope["path"].removeprefix(PREFIX).partition("/")
        if not slash or "/" in name:
            raise NotFound("There is no such file.")
        if name == STANDING:
            body = msgspec.json.encode(await self._playback.standing(stream_id))
            return Answer(
                200, body, [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
            )
        viewer = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=20).get("v", [""])[0]
        file = await self._playback.file(stream_id, name, viewer)
        cached = b"public, max-age=60" if file.is_final else b"no-store"
        return Answer(200, file.content, [(b"content-type", file.kind.encode()), (b"cache-control", cached)])

"""Asking the customer's own server about a channel (`realtime-block.md` 13.1, 13.2)."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog

from parley.accounts.scope import AppScope
from parley.base.errors import ParleyError
from parley.base.ids import AppId
from parley.base.times import to_ms
from parley.channels.realtime.access import UnauthorizedChannel
from parley.outgoing.ports import Answer, Http

log = structlog.get_logger(__name__)
TIMEOUT_S = 5.0
AT_ONCE = 100
"""Questions of one app under way; a server that does not keep up is not asked more."""
ANSWER_LIMIT_BYTES = 64 << 10

Sign = Callable[[AppScope, str, int, bytes], Awaitable[str]]
"""The signature of a request: for an app, by id, Unix seconds and body; as that of a webhook."""


class _Answered(msgspec.Struct, frozen=True):
    auth: str
    channel_data: str | dict[str, Any] | None = None


class HttpAuthorizer:
    """`access.Authorizer` over HTTP."""

    def __init__(self, http: Http, sign: Sign) -> None:
        self._http = http
        self._sign = sign
        self._asking: Counter[AppId] = Counter()

    async def ask(
        self, scope: AppScope, url: str, socket_id: str, channel: str, user_id: str
    ) -> tuple[str, str | dict[str, Any] | None]:
        """See `Authorizer.ask`. Takes `TIMEOUT_S` at most."""
        if self._asking[scope.app_id] >= AT_ONCE:
            raise UnauthorizedChannel("Too many authorizations are being asked for.")
        self._asking[scope.app_id] += 1
        try:
            async with asyncio.timeout(TIMEOUT_S):
                answer = await self._post(scope, url, socket_id, channel, user_id)
        except (ParleyError, TimeoutError) as away:
            log.info("channel_not_authorized", app=scope.app_id, channel=channel, reason=str(away))
            raise UnauthorizedChannel("The authorization server did not answer.") from away
        finally:
            self._asking[scope.app_id] -= 1
            if not self._asking[scope.app_id]:
                del self._asking[scope.app_id]
        if not 200 <= answer.status < 300 or not answer.is_complete:
            raise UnauthorizedChannel("The authorization server refused.")
        try:
            said = msgspec.json.decode(answer.body, type=_Answered)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as malformed:
            raise UnauthorizedChannel("The authorization server did not answer as it should.") from malformed
        return said.auth, said.channel_data

    async def _post(self, scope: AppScope, url: str, socket_id: str, channel: str, user_id: str) -> Answer:
        body = msgspec.json.encode({"socket_id": socket_id, "channel_name": channel, "user_id": user_id})
        request_id = f"auth_{secrets.token_hex(12)}"
        timestamp = to_ms(scope.store.clock.now()) // 1000
        return await self._http.request(
            "POST",
            url,
            headers={
                "Content-Type": "application/json",
                "Accept": "application/json",
                "webhook-id": request_id,
                "webhook-timestamp": str(timestamp),
                "Parley-Signature": await self._sign(scope, request_id, timestamp, body),
            },
            body=body,
            timeout_s=TIMEOUT_S,
            max_body_bytes=ANSWER_LIMIT_BYTES,
        )

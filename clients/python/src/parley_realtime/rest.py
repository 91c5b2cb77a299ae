"""Requests over HTTP."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import httpx

from parley_realtime.errors import Unreachable, refusal
from parley_realtime.model import (
    ConnectionToken,
    Page,
    Published,
    ReadReceipt,
    ReadStatus,
    instant,
    stored_message_of,
)

TIMEOUT_S = 30.0
ATTEMPTS = 4
RETRIED = frozenset({429, 502, 503, 504})
RETRY_DELAY_S, RETRY_DELAY_MAX_S = 0.25, 10.0
"""Before the first repetition, doubling; and the longest wait that a server may ask for."""


class Rest:
    """The routes under `/v1/realtime`.

    What can be repeated safely is repeated on 429, 502 to 504 and when the connection breaks.
    """

    def __init__(
        self, url: str, api_key: str | None, user_token: str | None, http: httpx.AsyncClient | None
    ) -> None:
        self.api_key = api_key
        self._user_token = user_token
        self.token_in_use: Callable[[], str | None] = lambda: None
        """The connection's: it reads channels too, for whoever has a publishable key and nothing else."""
        self._owns_http = http is None
        self._http = http or httpx.AsyncClient(timeout=TIMEOUT_S)
        self._url = url.rstrip("/")

    @property
    def can_get_tokens(self) -> bool:
        """Whether there are credentials to get connection tokens with."""
        return self.api_key is not None and (self._user_token is not None or self.api_key.startswith("sk_"))

    async def close(self) -> None:
        """Close connections that are our own."""
        if self._owns_http:
            await self._http.aclose()

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        attributes: Mapping[str, Any] | None = None,
        kind: str = "",
        is_repeatable: bool = True,
    ) -> Any:
        """The decoded answer.

        Raises:
            ServerRefused: by the error document.
            Unreachable: no answer.
        """
        headers = {"Accept": "application/json"}
        if self.api_key is not None:
            headers["X-Api-Key"] = self.api_key
        if (bearer := self._user_token or self._connection_token()) is not None:
            headers["Authorization"] = f"Bearer {bearer}"
        body = None if attributes is None else {"data": {"type": kind, "attributes": attributes}}
        params = {name: value for name, value in (query or {}).items() if value is not None}
        for attempt in range(1, ATTEMPTS + 1):
            is_last = attempt == ATTEMPTS or not is_repeatable
            pause = RETRY_DELAY_S * 2 ** (attempt - 1) * random.uniform(0.75, 1.25)  # noqa: S311 - spreads load
            try:
                answer = await self._http.request(
                    method, self._url + path, params=params, json=body, headers=headers
                )
            except httpx.HTTPError as failed:
                if is_last:
                    raise Unreachable(f"{method} {path}: {failed or type(failed).__name__}") from failed
            else:
                if answer.is_success:
                    return answer.json() if answer.content else None
                retry_after = _seconds(answer.headers.get("retry-after"))
                if is_last or answer.status_code not in RETRIED or (retry_after or 0) > RETRY_DELAY_MAX_S:
                    raise refusal(_errors(answer), answer.status_code, retry_after)
                pause = max(pause, retry_after or 0)
            await asyncio.sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    def _connection_token(self) -> str | None:
        is_server = self.api_key is not None and self.api_key.startswith("sk_")
        return None if is_server else self.token_in_use()

    async def ask_elsewhere(
        self, url: str, body: Mapping[str, Any], headers: Mapping[str, str]
    ) -> Mapping[str, Any]:
        """POST JSON to the application's own server.

        Raises:
            httpx.HTTPError, ValueError: no answer, a refusal, or not a JSON object.
        """
        answer = await self._http.post(url, json=body, headers=dict(headers))
        answer.raise_for_status()
        told = answer.json()
        if not isinstance(told, dict):
            raise ValueError("not a JSON object")
        return told

    async def connection_token(
        self, user_id: str | None, channels: Sequence[str] | None, ttl_s: int | None
    ) -> ConnectionToken:
        """See `Realtime.get_token`."""
        given = {"user_id": user_id, "channels": None if channels is None else list(channels), "ttl": ttl_s}
        told = await self.request(
            "POST",
            "/v1/realtime/tokens",
            kind="connection_tokens",
            attributes={name: value for name, value in given.items() if value is not None},
        )
        made = told["data"]["attributes"]
        return ConnectionToken(made["token"], made["user_id"], instant(made["expires_at"]), made["url"])

    async def history(
        self, channel: str, *, limit: int, before: str | None, after: str | None, order: str
    ) -> Page:
        """See `History.page`."""
        query = {"limit": limit, "before": before, "after": after, "order": order}
        return _page(await self.request("GET", f"{_channel(channel)}/messages", query=query))

    async def search(self, text: str, *, channel_id: str | None, limit: int, before: str | None) -> Page:
        """See `MessageSearch.search`."""
        query = {"query": text, "channel_id": channel_id, "limit": limit, "before": before}
        return _page(await self.request("GET", "/v1/realtime/messages/search", query=query))

    async def read_status(self, channel: str, message_id: str) -> ReadStatus:
        """See `ReadMarks.get_read_status`."""
        told = await self.request("GET", f"{_channel(channel)}/messages/{quote(message_id, safe='')}/read")
        found = told["data"]["attributes"]
        return ReadStatus(
            message_id,
            tuple(found["read_by"]),
            found["read_count"],
            tuple(found["delivered_to"]),
            found["delivered_count"],
        )

    async def mark_as_read(
        self, channel: str, message_id: str, user_id: str | None, *, up_to: bool
    ) -> ReadReceipt:
        """See `Client.mark_as_read`."""
        given = {"message_id": message_id, "user_id": user_id, "up_to": up_to or None}
        told = await self.request(
            "POST",
            f"{_channel(channel)}/read",
            kind="read_receipt",
            attributes={name: value for name, value in given.items() if value is not None},
        )
        made = told["data"]["attributes"]
        return ReadReceipt(
            made["message_id"], made["user_id"], made["channel_id"], instant(made["read_at"]), up_to
        )

    async def publish(self, attributes: Mapping[str, Any]) -> Published:
        """See `Client.publish`."""
        told = await self.request(
            "POST",
            "/v1/realtime/publish",
            kind="broadcast",
            attributes=attributes,
            is_repeatable="client_id" in attributes,
        )
        made = told["data"]["attributes"]
        return Published(
            told["data"]["id"],
            made["channel"],
            made["offset"],
            instant(made["created_at"]),
            subscribers=made.get("subscribers"),
        )

    async def publish_batch(self, messages: Sequence[Mapping[str, Any]]) -> tuple[Published, ...]:
        """See `Client.publish_batch`."""
        told = await self.request(
            "POST",
            "/v1/realtime/publish/batch",
            kind="batch_broadcast",
            attributes={"messages": list(messages)},
            is_repeatable=False,
        )
        results = told["data"]["attributes"]["results"]
        return tuple(Published(one["id"], one["channel"], one["offset"]) for one in results)


def _channel(name: str) -> str:
    return f"/v1/realtime/channels/{quote(name, safe=':')}"


def _page(told: Any) -> Page:
    meta = told.get("meta", {})
    return Page(
        tuple(map(stored_message_of, told["data"])),
        meta.get("has_more", False),
        meta.get("oldest_id"),
        meta.get("newest_id"),
        meta.get("total"),
    )


def _errors(answer: httpx.Response) -> Sequence[Mapping[str, Any]]:
    try:
        told = answer.json()["errors"]
    except (ValueError, KeyError, TypeError):
        return ()
    return told if isinstance(told, list) else ()


def _seconds(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None  # a date; nobody of ours sends one

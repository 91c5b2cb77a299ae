"""The client: an address, credentials, and what can be done with them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import httpx

from parley_realtime.model import Json, Published, ReadReceipt
from parley_realtime.options import Options
from parley_realtime.realtime import Realtime
from parley_realtime.rest import Rest

SOCKET_PATH = "/v1/realtime/ws?v=1"


class Client:
    """One app of a Parley server, as one user or as the customer's server.

    Use it with `async with`, or `close` it.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        user_token: str | None = None,
        secret_key: str | None = None,
        options: Options | None = None,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        """Connects to nothing yet.

        Args:
            url: of the server, `https://…` or `http://…`.
            api_key: a publishable key (`pk_…`); for users, with `user_token`.
            user_token: whom the client acts for.
            secret_key: in the place of `api_key`, on servers only: may do everything.
            options: how the connection behaves.
            http: sends the requests, in the place of a client of our own; stays open.

        Raises:
            ValueError: the address is none, or both keys were given.
        """
        if not url.startswith(("http://", "https://")):
            raise ValueError("the server's address begins with http:// or https://")
        if api_key is not None and secret_key is not None:
            raise ValueError("give api_key or secret_key, not both")
        self._rest = Rest(url, secret_key or api_key, user_token, http)
        socket_url = "ws" + url.removeprefix("http").rstrip("/") + SOCKET_PATH
        self.realtime = Realtime(self._rest, socket_url, options or Options())
        """Channels."""

    async def publish(
        self,
        channel: str,
        data: Json,
        *,
        event: str = "message",
        user_id: str | None = None,
        client_id: str | None = None,
        exclude_socket_id: str | None = None,
        ephemeral: bool = False,
    ) -> Published:
        """Publish as the server; needs the secret key, and no connection.

        Args:
            channel: any channel of the app.
            data: at most 32 KiB as JSON.
            event: its name.
            user_id: in whose name; None = nobody's.
            client_id: your own name of it: within 24 hours the same is stored once. By default a new one.
            exclude_socket_id: a connection that does not want it.
            ephemeral: not for the history.
        """
        given = {
            "channel": channel,
            "event": event,
            "data": data,
            "user_id": user_id,
            "client_id": client_id or f"c_{secrets.token_hex(12)}",
            "exclude_socket_id": exclude_socket_id,
            "ephemeral": ephemeral or None,
        }
        return await self._rest.publish({name: value for name, value in given.items() if value is not None})

    async def publish_batch(self, messages: Sequence[Mapping[str, Any]]) -> tuple[Published, ...]:
        """Publish 1 to 100 messages (`channel`, `event`, `data`), all or none; needs the secret key."""
        return await self._rest.publish_batch(messages)

    async def mark_as_read(
        self, channel: str, message_id: str, *, user_id: str | None = None, up_to: bool = False
    ) -> ReadReceipt:
        """A user has read a message; without a connection. With a secret key name the user."""
        return await self._rest.mark_as_read(channel, message_id, user_id, up_to=up_to)

    async def close(self) -> None:
        """Disconnect, and close what belongs to the client. May be called twice."""
        await self.realtime.disconnect()
        await self._rest.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

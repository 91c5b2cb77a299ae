"""Visitors of the demo chat: users of the demo's app, with tokens for the channels of one space."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import jwt

from parley.accounts import app_settings, keys
from parley.accounts.model import Environment
from parley.accounts.scope import AppScope
from parley.base.errors import TooMany, Unavailable
from parley.base.ids import new_uuid
from parley.base.times import to_ms
from parley.bus import Bus
from parley.channels.realtime.grants import Grant
from parley.channels.realtime.settings import SECTION, ChannelSettings
from parley.channels.realtime.tokens import ConnectionTokens
from parley.server.demo import Demo
from parley.web.context import ChatVisitor

LIMIT, LIMIT_WINDOW = 120, timedelta(minutes=1)
"""Visitors that are let in, or come back with an old token, all together."""
USER_TOKEN_LIFETIME = timedelta(days=1)
_ALGORITHM = "HS256"


class _NoKey(Exception):
    """The demo's app has no key yet."""


def _no_key() -> bytes:
    raise _NoKey


class DemoChat:
    """Lets visitors in."""

    def __init__(self, demo: Demo, tokens: ConnectionTokens, bus: Bus) -> None:
        self._demo = demo
        self._tokens = tokens
        self._bus = bus
        self._key = ""
        self._preparing = asyncio.Lock()
        """So that the first ones make one pair of keys together."""

    async def admit(self, name: str, space: str | None, earlier: str | None) -> ChatVisitor:
        """Tokens for a visitor, who stays the same user with a token had earlier.

        Args:
            name: as others are to see it.
            space: opens `chat:<space>:*`; None opens no channels.
            earlier: a user token had before; one that is not ours counts as none.

        Raises:
            TooMany: over the limit.
        """
        if await self._bus.count("demo-chat", LIMIT_WINDOW) > LIMIT:
            raise TooMany("Too many people came to the demo chat just now.", retry_after_s=60)
        scope = await self._demo.app()
        key = await self._publishable_key(scope)
        signing = await keys.named_signing_keys(scope)
        if not signing:
            raise Unavailable("The keys of the demo's app were revoked.")
        key_id, secret = next(iter(signing.items()))
        user_id = _user_of(earlier, signing.values()) or f"guest-{new_uuid()[:13]}"
        connection_token, _ = self._tokens.issue(
            scope.app_id,
            Environment.LIVE.value,
            user_id,
            [] if space is None else [Grant(f"chat:{space}:*")],
            info={"name": name},
            keys=[key_id],
        )
        now_s = to_ms(scope.now()) // 1000
        claims: dict[str, Any] = {
            "sub": user_id,
            "name": name,
            "iat": now_s,
            "exp": now_s + int(USER_TOKEN_LIFETIME.total_seconds()),
            "scope": "",  # rooms need none, and the demo shows nothing else over REST
        }
        user_token = jwt.encode(claims, secret, algorithm=_ALGORITHM)
        return ChatVisitor(user_id, name, key, user_token, connection_token)

    async def _publishable_key(self, scope: AppScope) -> str:
        """The key that browsers are given; made once, with its secret one."""
        async with self._preparing:
            if not self._key:
                vault, name = scope.store.vault, f"demo-key:{scope.app_id}"
                database, clock = scope.store.database, scope.store.clock
                try:
                    kept = await vault.server_secret(database, clock, name, _no_key)
                except _NoKey:
                    made = await keys.create_keys(scope, scope.app_id, Environment.LIVE)
                    await self._close_to_guests(scope)
                    kept = await vault.server_secret(database, clock, name, made.publishable.encode)
                self._key = kept.decode()
            return self._key

    async def _close_to_guests(self, scope: AppScope) -> None:
        """Visitors get channels from us only: what they may ask for by default includes all `chat:` ones."""
        async with scope.change() as change:
            settings = await app_settings.read(scope, SECTION, ChannelSettings)
            closed = ChannelSettings(
                channel_auth_url=settings.channel_auth_url,
                client_grants=[],
                default_grants=[],
                namespaces=settings.namespaces,
            )
            await app_settings.write(change, SECTION, closed)


def _user_of(token: str | None, signing: Iterable[bytes]) -> str | None:
    """The user of a token of ours; when it ended does not matter, whose it is stays true."""
    for key in signing if token else []:
        try:
            claims = jwt.decode(token or "", key, algorithms=[_ALGORITHM], options={"verify_exp": False})
        except (jwt.InvalidTokenError, ValueError):
            continue
        user_id = claims.get("sub")
        if isinstance(user_id, str) and user_id.startswith("guest-"):
            return user_id
    return None

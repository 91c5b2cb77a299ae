"""Who a participant token speaks for."""

from __future__ import annotations

from collections.abc import Mapping

from parley.accounts.scope import AppScope
from parley.accounts.service import app_scope
from parley.base.errors import Unauthenticated
from parley.meetings.tokens import ParticipantClaims, ParticipantTokens
from parley.store.core import Store


class ParticipantAuth:
    """Turns a token into its claims and the scope of its app."""

    def __init__(self, store: Store, tokens: ParticipantTokens) -> None:
        self._store = store
        self._tokens = tokens

    async def verify(self, token: str) -> tuple[ParticipantClaims, AppScope]:
        """Check a token.

        Raises:
            Unauthenticated: forged, expired, or made for something else.
        """
        claims = self._tokens.verify(token)
        scope = await app_scope(self._store, claims.app_id, f"participant:{claims.participant_id}")
        return claims, scope

    async def of_header(self, headers: Mapping[str, str]) -> tuple[ParticipantClaims, AppScope]:
        """The same for an `Authorization: Bearer` header."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated("Unauthorized")
        return await self.verify(token.strip())

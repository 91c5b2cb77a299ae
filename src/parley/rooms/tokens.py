"""Room tokens: who may take part in a room, and as what (`realtime-block.md` 15.1)."""

from __future__ import annotations

import secrets
from typing import Any

import jwt

from parley.accounts.user_tokens import InvalidToken
from parley.base.clock import Clock
from parley.base.times import to_ms
from parley.rooms.model import Role
from parley.store.core import Store

LIFETIME_S = 2 * 3600
_AUDIENCE = "webrtc"
_ALGORITHM = "HS256"
_SECRET_NAME = "room-tokens"  # noqa: S105 - the name of a secret


class RoomTokens:
    """Issues and checks room tokens."""

    def __init__(self, key: bytes, clock: Clock) -> None:
        self._key = key
        self._clock = clock

    @classmethod
    async def of_store(cls, base: Store) -> RoomTokens:
        """With the key that every server on this store shares; made at first use."""
        key = await base.vault.server_secret(
            base.database, base.clock, _SECRET_NAME, lambda: secrets.token_bytes(32)
        )
        return cls(key, base.clock)

    def issue(self, room_id: str, user_id: str | None, role: Role) -> str:
        """A token for a room; for any user when none is named."""
        now = to_ms(self._clock.now()) // 1000
        claims = {"aud": _AUDIENCE, "room": room_id, "role": role.value, "iat": now, "exp": now + LIFETIME_S}
        if user_id is not None:
            claims["sub"] = user_id
        return jwt.encode(claims, self._key, algorithm=_ALGORITHM)

    def role(self, token: str, room_id: str, user_id: str) -> Role:
        """What the holder of a token is in the room.

        Raises:
            InvalidToken: not ours, expired, for another room or another user.
        """
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key,
                algorithms=[_ALGORITHM],
                audience=_AUDIENCE,
                # The times are compared below, with our clock.
                options={"verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
        except (jwt.InvalidTokenError, ValueError) as refused:
            raise InvalidToken("The room token is not valid.") from refused
        expires_at = claims.get("exp")
        if not isinstance(expires_at, int) or expires_at * 1000 <= to_ms(self._clock.now()):
            raise InvalidToken("The room token has expired.")
        if claims.get("room") != room_id or claims.get("sub") not in (None, user_id):
            raise InvalidToken("The room token is for another room or user.")
        return Role(claims.get("role", Role.PARTICIPANT))

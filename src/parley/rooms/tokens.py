"""Room tokens: who may take part in a room, and as what (`realtime-block.md` 15.1)."""

from __future__ import annotations

import secrets
from typing import Any, NamedTuple

import jwt

from parley.accounts.user_tokens import InvalidToken
from parley.base.times import to_ms
from parley.rooms.model import Role
from parley.store.core import Store

LIFETIME_S = 2 * 3600
_AUDIENCE = "webrtc"
_ALGORITHM = "HS256"
_SECRET_NAME = "room-tokens"  # noqa: S105 - the name of a secret


class RoomTokenExpired(InvalidToken):
    """It was ours, and has ended."""


class Pass(NamedTuple):
    """What a token says."""

    role: Role
    participant_id: str | None
    """Promised to its holder, for the first time it is used."""


class RoomTokens:
    """Issues and checks room tokens; `open` it first."""

    def __init__(self, base: Store) -> None:
        self._store = base
        self._key = b""

    async def open(self) -> None:
        """Fetch the key that every server on this store shares; made at first use."""
        self._key = await self._store.vault.server_secret(
            self._store.database, self._store.clock, _SECRET_NAME, lambda: secrets.token_bytes(32)
        )

    def issue(
        self, room_id: str, user_id: str | None, role: Role, *, participant_id: str | None = None
    ) -> str:
        """A token for a room; for any user when none is named."""
        now = self._now_s()
        claims = {"aud": _AUDIENCE, "room": room_id, "role": role.value, "iat": now, "exp": now + LIFETIME_S}
        if user_id is not None:
            claims["sub"] = user_id
        if participant_id is not None:
            claims["pid"] = participant_id
        return jwt.encode(claims, self._key, algorithm=_ALGORITHM)

    def check(self, token: str, room_id: str, user_id: str | None) -> Pass:
        """What the holder of a token is in the room.

        Args:
            token: as given by the holder.
            room_id: where.
            user_id: who holds it; None = the customer's server, which may speak for anybody.

        Raises:
            InvalidToken: not ours, for another room or another user; as `RoomTokenExpired`: expired.
        """
        pass_, user = self.read(token, room_id)
        if user_id and user not in (None, user_id):
            raise InvalidToken("The room token is for another room or user.")
        return pass_

    def read(self, token: str, room_id: str) -> tuple[Pass, str | None]:
        """What a token says, and whom it is for; None: for whoever holds it.

        Raises:
            InvalidToken: not ours, or for another room; as `RoomTokenExpired`: expired.
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
        if not isinstance(expires_at, int) or expires_at <= self._now_s():
            raise RoomTokenExpired("The room token has expired.")
        if claims.get("room") != room_id:
            raise InvalidToken("The room token is for another room or user.")
        return Pass(Role(claims.get("role", Role.PARTICIPANT)), claims.get("pid")), claims.get("sub")

    def _now_s(self) -> int:
        return to_ms(self._store.clock.now()) // 1000

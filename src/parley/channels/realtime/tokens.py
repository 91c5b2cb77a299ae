"""Connection tokens: who connects a socket, and to which channels (`realtime-block.md` 1.5)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import jwt
import msgspec

from parley.accounts.user_tokens import InvalidToken
from parley.base.clock import Clock
from parley.base.ids import AppId
from parley.base.times import to_ms
from parley.channels.realtime.grants import Grant
from parley.store.core import Store

DEFAULT_TTL, MIN_TTL, MAX_TTL = timedelta(hours=1), timedelta(minutes=1), timedelta(days=1)
AUDIENCE = "realtime"
_ISSUER = "parley"
_ALGORITHM = "HS256"
_SECRET_NAME = "realtime-tokens"  # noqa: S105 - the name of a secret


class ConnectionClaims(msgspec.Struct, frozen=True, kw_only=True):
    """What a token says."""

    iss: str
    aud: str
    app: AppId
    """The app of the environment."""
    env: str
    sub: str
    """The user."""
    ch: list[Grant]
    info: dict[str, Any] = {}
    """`user_info`, for those who are shown the user."""
    iat: int
    exp: int
    """Unix seconds; not accepted from then on."""
    jti: str


class ConnectionTokens:
    """Issues and checks connection tokens; each app has a key of its own."""

    def __init__(self, key: bytes, clock: Clock) -> None:
        self._key = key
        self._clock = clock

    @classmethod
    async def of_store(cls, base: Store) -> ConnectionTokens:
        """With the key that every server on this store shares; made at first use."""
        key = await base.vault.server_secret(
            base.database, base.clock, _SECRET_NAME, lambda: secrets.token_bytes(32)
        )
        return cls(key, base.clock)

    def issue(
        self,
        app_id: AppId,
        environment: str,
        user_id: str,
        grants: Sequence[Grant],
        *,
        ttl: timedelta = DEFAULT_TTL,
        info: dict[str, Any] | None = None,
    ) -> tuple[str, ConnectionClaims]:
        """A token, and what it says."""
        now = to_ms(self._clock.now()) // 1000
        claims = ConnectionClaims(
            iss=_ISSUER,
            aud=AUDIENCE,
            app=app_id,
            env=environment,
            sub=user_id,
            ch=list(grants),
            info=info or {},
            iat=now,
            exp=now + int(ttl.total_seconds()),
            jti=secrets.token_hex(8),
        )
        return jwt.encode(msgspec.to_builtins(claims), self._key_of(app_id), algorithm=_ALGORITHM), claims

    @staticmethod
    def is_one(token: str) -> bool:
        """Whether it says of itself that it is a connection token; `verify` tells whether that is so."""
        try:
            claims = jwt.decode(token, options={"verify_signature": False})
        except (jwt.InvalidTokenError, ValueError):
            return False
        return bool(claims.get("aud") == AUDIENCE)

    def verify(self, token: str) -> ConnectionClaims:
        """The claims of a token that is ours and has not expired.

        Raises:
            InvalidToken: anything else.
        """
        try:
            unchecked: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
            payload: dict[str, Any] = jwt.decode(
                token,
                self._key_of(AppId(str(unchecked.get("app")))),
                algorithms=[_ALGORITHM],
                audience=AUDIENCE,
                issuer=_ISSUER,
                # The times are compared below, with our clock.
                options={"verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
            claims = msgspec.convert(payload, ConnectionClaims)
        except (jwt.InvalidTokenError, msgspec.ValidationError, ValueError) as refused:
            raise InvalidToken("The connection token is not valid.") from refused
        if claims.exp * 1000 <= to_ms(self._clock.now()):
            raise InvalidToken("The connection token has expired.")
        return claims

    def _key_of(self, app_id: AppId) -> bytes:
        text = app_id.encode(errors="surrogatepass")
        return hmac.new(self._key, text, hashlib.sha256).digest()

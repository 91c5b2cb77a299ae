"""Connection tokens: who connects a socket, and to which channels (`realtime-block.md` 1.5)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64decode
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

import jwt
import msgspec

from parley.accounts.user_tokens import InvalidToken
from parley.base.clock import Clock
from parley.base.ids import AppId, CredentialId
from parley.base.times import to_ms
from parley.channels.realtime.grants import Grant
from parley.store.core import Store

DEFAULT_TTL, MIN_TTL, MAX_TTL = timedelta(hours=1), timedelta(minutes=1), timedelta(days=1)
AUDIENCE = "realtime"
_ISSUER = "parley"
_ALGORITHM = "HS256"
_SECRET_NAME = "realtime-tokens"  # noqa: S105 - the name of a secret


class OneRoom(msgspec.Struct, frozen=True):
    """The only room that the holder of a token may be in."""

    id: str
    role: str
    participant_id: str | None = None
    """Promised to the holder."""


class ConnectionClaims(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
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
    room: OneRoom | None = None
    """It opens this room, and nothing else: no channel, no REST."""
    iat: int
    exp: int
    """Unix seconds; not accepted from then on."""
    jti: str
    keys: list[CredentialId] = []
    """Credentials that vouch for it: it works no longer than each of them."""


class _Said(msgspec.Struct, frozen=True):
    """What a token says before anything of it has been checked."""

    aud: Any = None
    app: Any = None


_said = msgspec.json.Decoder(_Said).decode


def _unchecked(token: str) -> _Said | None:
    """None for what is no token.

    PyJWT looks at every character, which takes four times as long as all the rest of it: once is enough, and
    2,000 sockets may come back in the same second.
    """
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        return _said(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, msgspec.DecodeError, RecursionError):
        return None


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
        room: OneRoom | None = None,
        keys: Iterable[CredentialId] = (),
    ) -> tuple[str, ConnectionClaims]:
        """A token, and what it says; `keys` are the credentials that it comes from."""
        now = to_ms(self._clock.now()) // 1000
        claims = ConnectionClaims(
            iss=_ISSUER,
            aud=AUDIENCE,
            app=app_id,
            env=environment,
            sub=user_id,
            ch=list(grants),
            info=info or {},
            room=room,
            iat=now,
            exp=now + int(ttl.total_seconds()),
            jti=secrets.token_hex(8),
            keys=list(keys),
        )
        return jwt.encode(msgspec.to_builtins(claims), self._key_of(app_id), algorithm=_ALGORITHM), claims

    @staticmethod
    def is_one(token: str) -> bool:
        """Whether it says of itself that it is a connection token; `verify` tells whether that is so."""
        claims = _unchecked(token)
        return claims is not None and claims.aud == AUDIENCE

    def verify(self, token: str) -> ConnectionClaims:
        """The claims of a token that is ours and has not expired.

        Raises:
            InvalidToken: anything else.
        """
        said = _unchecked(token)
        if said is None or not isinstance(said.app, str):
            raise InvalidToken("The connection token is not valid.")
        try:
            payload: dict[str, Any] = jwt.decode(
                token,
                self._key_of(AppId(said.app)),
                algorithms=[_ALGORITHM],
                audience=AUDIENCE,
                issuer=_ISSUER,
                # The times are compared below, with our clock.
                options={"verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
            claims = msgspec.convert(payload, ConnectionClaims)
        except (jwt.InvalidTokenError, msgspec.ValidationError, ValueError) as refused:
            raise InvalidToken("The connection token is not valid.") from refused
        if claims.app != said.app:  # whose key it was checked with
            raise InvalidToken("The connection token is not valid.")
        if claims.exp * 1000 <= to_ms(self._clock.now()):
            raise InvalidToken("The connection token has expired.")
        return claims

    def _key_of(self, app_id: AppId) -> bytes:
        text = app_id.encode(errors="surrogatepass")
        return hmac.new(self._key, text, hashlib.sha256).digest()

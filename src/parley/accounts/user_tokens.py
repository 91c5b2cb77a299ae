"""User tokens: who acts, as the customer's own server says (`realtime-block.md` 1.4).

A JSON Web Token that the customer signs: HS256 with a secret key of the environment, or RS256/ES256 with a
key of the JWKS document (RFC 7517) that the app names.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeGuard

import jwt
import msgspec

from parley.accounts.app_settings import AppSettings
from parley.accounts.key_sets import KeySets
from parley.accounts.keys import named_signing_keys
from parley.accounts.scope import AppScope
from parley.base.clock import Clock
from parley.base.errors import ParleyError, Unauthenticated
from parley.base.ids import CredentialId
from parley.base.text import storable
from parley.base.times import to_ms
from parley.outgoing.ports import Http

USER_ID_LIMIT = 200
DEFAULT_SCOPES = frozenset(
    {
        "conversations:read",
        "conversations:write",
        "groups:read",
        "groups:write",
        "notifications:read",
        "notifications:write",
    }
)
_CLOCKS_DIFFER_S = 60
"""Ours and that of whoever signs: a token may begin so much later than now."""
_SIGNED_BY_PAIR = ("RS256", "ES256")


class InvalidToken(Unauthenticated):
    """A token that is malformed, wrongly signed, expired or revoked."""

    code = "invalid_token"


class IdentitySettings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `identity`."""

    jwks_url: str | None = None


class User(msgspec.Struct, frozen=True, kw_only=True):
    """Who acts."""

    id: str
    expires_at: int
    """Unix seconds."""
    name: str | None = None
    email: str | None = None
    avatar_url: str | None = None
    role: str | None = None
    signed_by: CredentialId | None = None
    """The secret key; None when the app's JWKS vouches for the token."""
    scopes: frozenset[str] = DEFAULT_SCOPES


class UserTokens:
    """Checks user tokens of all apps."""

    def __init__(self, settings: AppSettings, http: Http, clock: Clock) -> None:
        self._settings = settings
        self._key_sets = KeySets(http, clock)
        self._clock = clock

    async def verify(
        self, scope: AppScope, token: str, *, remembered: Mapping[CredentialId, bytes] | None = None
    ) -> User:
        """The user of a token.

        Args:
            scope: where it is to hold.
            token: as it was presented.
            remembered: secret keys that the app had a moment ago; the present ones are asked for only when
                the token is signed with none of these.

        Raises:
            InvalidToken: anything that is not a present, well signed token of this environment.
        """
        try:
            algorithm = jwt.get_unverified_header(token).get("alg")
        except (jwt.InvalidTokenError, ValueError) as refused:
            raise InvalidToken("The user token is malformed.") from refused
        signed_by: CredentialId | None = None
        if algorithm == "HS256":
            found = _by_secret(token, remembered) if remembered is not None else None
            found = found or _by_secret(token, await named_signing_keys(scope))
            if found is None:
                raise InvalidToken("The user token is not signed with a key of this app.")
            signed_by, claims = found
        elif algorithm in _SIGNED_BY_PAIR:
            claims = await self._by_pair(scope, token, algorithm)
        else:
            raise InvalidToken("The user token is signed with an algorithm that is not accepted.")
        return self._user(claims, signed_by)

    async def _by_pair(self, scope: AppScope, token: str, algorithm: str) -> dict[str, Any]:
        url = (await self._settings.get(scope, "identity", IdentitySettings)).jwks_url
        if not url:
            raise InvalidToken("This app has no JWKS address to check such a token with.")
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            for key in await self._key_sets.keys(url, kid):
                try:
                    return _decode(token, key.key, algorithm)
                except (jwt.InvalidSignatureError, jwt.InvalidKeyError, TypeError):
                    continue  # of another issuer, or of the other algorithm
        except (jwt.PyJWTError, ValueError, ParleyError) as refused:
            raise InvalidToken("The user token cannot be checked with the app's JWKS.") from refused
        raise InvalidToken("The user token is not signed with a key of the app's JWKS.")

    def _user(self, claims: dict[str, Any], signed_by: CredentialId | None) -> User:
        user_id = next(
            (claims[name] for name in ("sub", "unique_id", "user_unique_id") if claims.get(name)), None
        )
        expires_at = claims.get("exp")
        if not isinstance(user_id, str) or not storable(user_id) or len(user_id) > USER_ID_LIMIT:
            raise InvalidToken("The user token names no user.")
        if not _is_time(expires_at):
            raise InvalidToken("The user token has no end (exp).")
        now_ms = to_ms(self._clock.now())
        if expires_at * 1000 <= now_ms:
            raise InvalidToken("The user token has expired.")
        begins_at = claims.get("nbf", 0)
        if not _is_time(begins_at) or (begins_at - _CLOCKS_DIFFER_S) * 1000 > now_ms:
            raise InvalidToken("The user token is not valid yet (nbf).")
        granted = claims.get("scope")
        if not isinstance(granted, str | None):  # to be read as nothing said would widen it
            raise InvalidToken("The user token's scope is not a text of words.")
        return User(
            id=user_id,
            expires_at=int(expires_at),
            name=_text(claims, "name"),
            email=_text(claims, "email"),
            avatar_url=_text(claims, "avatar_url"),
            role=_text(claims, "role") or _text(claims, "role_name"),
            signed_by=signed_by,
            scopes=DEFAULT_SCOPES if granted is None else frozenset(granted.split()),
        )


def _is_time(value: Any) -> TypeGuard[float]:
    """Whether it is a NumericDate (RFC 7519)."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _text(claims: dict[str, Any], name: str) -> str | None:
    value = claims.get(name)
    return value[:500] if isinstance(value, str) and value and storable(value) else None


def _by_secret(token: str, keys: Mapping[CredentialId, bytes]) -> tuple[CredentialId, dict[str, Any]] | None:
    """The key that a token is signed with, and its claims."""
    for credential_id, key in keys.items():
        try:
            return credential_id, _decode(token, key, "HS256")
        except (jwt.InvalidTokenError, ValueError):
            continue
    return None


def _decode(token: str, key: Any, algorithm: str) -> dict[str, Any]:
    # The times are compared by the caller, with our clock; no audience is agreed upon.
    claims: dict[str, Any] = jwt.decode(
        token,
        key,
        algorithms=[algorithm],
        options={"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_aud": False},
    )
    return claims

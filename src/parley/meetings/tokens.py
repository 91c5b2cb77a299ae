"""Participant tokens: who may connect to a meeting (`realtimekit.md` 5.1, `rtk-client-protocol.md` 3).

A token is a JSON Web Token (RFC 7519) signed with HS256 by a key of the whole installation. It proves an
invitation, not a permission: the participant's present preset decides what its holder may do, and a deleted
participant's tokens stop working because the participant is not found any more.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

import jwt
import msgspec

from parley.base.clock import Clock
from parley.base.errors import Unauthenticated
from parley.base.ids import AppId, MeetingId, ParticipantId, PresetId, new_uuid
from parley.base.times import to_ms
from parley.store.core import Store

LIFETIME = timedelta(seconds=8_640_000)
"""100 days, as the hosted service's."""
_AUDIENCE = "parley:realtimekit"
_PURPOSE = "participant"
_ALGORITHM = "HS256"
_SECRET_NAME = "participant-tokens"  # noqa: S105 - the name of a secret
_KEY_BYTES = 32


class ParticipantClaims(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a token says. The names on the wire are those that the official client reads."""

    app_id: AppId = msgspec.field(name="orgId")
    meeting_id: MeetingId
    participant_id: ParticipantId
    preset_id: PresetId
    """At issue time; for information only."""
    aud: str
    purpose: str
    jti: str
    iat: int
    """Unix seconds."""
    exp: int
    """Unix seconds; not accepted from then on."""


class ParticipantTokens:
    """Issues and checks participant tokens."""

    def __init__(self, key: bytes, clock: Clock, *, lifetime: timedelta = LIFETIME) -> None:
        self._key = key
        self._clock = clock
        self._lifetime = lifetime

    @classmethod
    async def of_store(cls, store: Store, *, lifetime: timedelta = LIFETIME) -> ParticipantTokens:
        """With the key that every server on this store shares; made at first use."""
        key = await store.vault.server_secret(
            store.database, store.clock, _SECRET_NAME, lambda: secrets.token_bytes(_KEY_BYTES)
        )
        return cls(key, store.clock, lifetime=lifetime)

    def issue(
        self, *, app_id: AppId, meeting_id: MeetingId, participant_id: ParticipantId, preset_id: PresetId
    ) -> str:
        """A new token; earlier ones stay valid.

        The official client decodes the payload with `atob`, which knows neither `-` nor `_`. Of ASCII text
        only `>`, `?`, `~` and DEL can turn into them, and no claim contains one: ids are UUIDs, the rest is
        ours.
        """
        now = int(self._clock.now().timestamp())
        claims = ParticipantClaims(
            app_id=app_id,
            meeting_id=meeting_id,
            participant_id=participant_id,
            preset_id=preset_id,
            aud=_AUDIENCE,
            purpose=_PURPOSE,
            jti=new_uuid(),
            iat=now,
            exp=now + int(self._lifetime.total_seconds()),
        )
        return jwt.encode(msgspec.to_builtins(claims), self._key, algorithm=_ALGORITHM)

    def verify(self, token: str) -> ParticipantClaims:
        """The claims of a token that is ours, meant for this purpose, and not expired.

        Raises:
            Unauthenticated: anything else.
        """
        try:
            payload: dict[str, Any] = jwt.decode(
                token,
                self._key,
                algorithms=[_ALGORITHM],  # the header's own choice ("none", RS256) does not count
                audience=_AUDIENCE,
                # The time claims are compared below, with our clock.
                options={"verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
            claims = msgspec.convert(payload, ParticipantClaims)
        except (jwt.InvalidTokenError, msgspec.ValidationError, ValueError) as refused:
            raise Unauthenticated("Unauthorized") from refused
        if claims.purpose != _PURPOSE or claims.exp * 1000 <= to_ms(self._clock.now()):
            raise Unauthenticated("Unauthorized")
        return claims

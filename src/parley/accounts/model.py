"""Organizations, apps and credentials as data."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Annotated

import msgspec

from parley.base.ids import AppId, CredentialId, OrganizationId
from parley.store.rows import Stored


class Organization(msgspec.Struct, frozen=True):
    """A customer of this installation (RealtimeKit: account)."""

    id: OrganizationId
    name: str
    created_at: datetime


class Environment(StrEnum):
    """Two sets of data of one app that never meet."""

    LIVE = "live"
    TEST = "test"


class App(msgspec.Struct, frozen=True):
    """An isolated namespace of meetings, presets, channels and webhooks.

    An app's test data belong to an app of their own, its test sibling, so that everything that keeps apps
    apart keeps environments apart.
    """

    id: AppId
    organization_id: OrganizationId
    name: str
    created_at: datetime
    environment: Environment = Environment.LIVE
    live_app_id: AppId | None = None
    """Whose test sibling this is; None for a live app."""

    @property
    def public_id(self) -> AppId:
        """The id that customers know, the same in both environments."""
        return self.live_app_id or self.id


class CredentialKind(StrEnum):
    """What a secret opens."""

    API_TOKEN = "api_token"  # noqa: S105 - the name of a kind
    """RealtimeKit REST, for a whole organization."""
    PUBLISHABLE_KEY = "publishable_key"
    """Real Time Block, in browsers, together with a user token."""
    SECRET_KEY = "secret_key"  # noqa: S105
    """Real Time Block, on the customer's servers; also signs user tokens and channel authorizations."""


class Right(StrEnum):
    """What a credential may do."""

    READ = "read"
    WRITE = "write"


class Credential(msgspec.Struct, frozen=True):
    """A stored credential; the secret itself is known only to its holder."""

    id: CredentialId
    organization_id: OrganizationId
    app_id: AppId | None
    """None = every app of the organization."""
    kind: CredentialKind
    name: str
    secret_hash: str
    rights: list[Right]
    environment: str
    """`live` or `test`."""
    expires_at: datetime | None
    revoked_at: datetime | None
    created_at: datetime
    sealed_secret: bytes | None = None
    """The secret, encrypted, of the kinds whose secret also signs."""


@lru_cache(maxsize=64)
def _rights(stored: str) -> frozenset[Right]:
    """There are only a few combinations, and one is read at each request."""
    return msgspec.json.decode(stored, type=frozenset[Right])


class Grant(msgspec.Struct, frozen=True):
    """The part of a credential that decides about a request."""

    id: CredentialId
    organization_id: OrganizationId
    kind: CredentialKind
    rights: Annotated[frozenset[Right], Stored(_rights)]
    expires_at: datetime | None
    revoked_at: datetime | None

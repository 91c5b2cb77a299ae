"""Organizations, apps and credentials as data."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from parley.base.ids import AppId, CredentialId, OrganizationId


class Organization(msgspec.Struct, frozen=True):
    """A customer of this installation (RealtimeKit: account)."""

    id: OrganizationId
    name: str
    created_at: datetime


class App(msgspec.Struct, frozen=True):
    """An isolated namespace of meetings, presets and webhooks."""

    id: AppId
    organization_id: OrganizationId
    name: str
    created_at: datetime


class CredentialKind(StrEnum):
    """What a secret opens."""

    API_TOKEN = "api_token"  # noqa: S105 - the name of a kind
    """RealtimeKit REST, for a whole organization."""


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

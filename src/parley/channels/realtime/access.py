"""Who may use which channel (`realtime-block.md` 5.2, 13.4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from parley.accounts.app_settings import AppSettings
from parley.accounts.keys import named_signing_keys
from parley.accounts.model import App
from parley.accounts.scope import AppScope
from parley.base.errors import NotAllowed
from parley.base.ids import CredentialId
from parley.channels.realtime import signatures
from parley.channels.realtime.grants import ALL, Grant, Grants, Op, default_grants
from parley.channels.realtime.names import Features, Kind, features_of, kind_of
from parley.channels.realtime.settings import SECTION, ChannelSettings


class UnauthorizedChannel(NotAllowed):
    """No grant and no valid signature allows the channel."""

    code = "unauthorized_channel"


class Membership(Protocol):
    """Who belongs to a conversation."""

    async def is_member(self, scope: AppScope, conversation_id: str, user_id: str) -> bool:
        """Whether the user does."""
        ...


class Authorizer(Protocol):
    """The customer's own server, asked about a channel that nothing else opens (13.1)."""

    async def ask(
        self, scope: AppScope, url: str, socket_id: str, channel: str, user_id: str
    ) -> tuple[str, str | dict[str, Any] | None]:
        """The authorization and channel data it answers with.

        Raises:
            UnauthorizedChannel: it refuses, or does not answer as it should.
        """
        ...


@dataclass(frozen=True, slots=True)
class Credentials:
    """What somebody shows for a channel."""

    user_id: str
    grants: Grants
    socket_id: str | None = None
    auth: str | None = None
    channel_data: str | dict[str, Any] | None = None
    wants_membership: bool = True
    """Whether a signature for a presence channel must say who becomes a member; for subscribing."""


@dataclass(frozen=True, slots=True)
class Permission:
    """What may be done on a channel."""

    kind: Kind
    features: Features
    ops: frozenset[Op]
    user_info: Mapping[str, Any] | None = None
    """Of a signature: the user is a member of the channel from the start, with this."""
    signed_by: CredentialId | None = None
    """The key of that signature."""


class ChannelAccess:
    """Decides for all channels of all apps."""

    def __init__(
        self,
        settings: AppSettings,
        membership: Membership | None = None,
        authorizer: Authorizer | None = None,
    ) -> None:
        self._settings = settings
        self._membership = membership
        self._authorizer = authorizer

    async def settings(self, scope: AppScope) -> ChannelSettings:
        """What the app decides about its channels."""
        return await self._settings.get(scope, SECTION, ChannelSettings)

    async def features(self, scope: AppScope, channel: str) -> Features:
        """What works on a channel, whoever asks."""
        return features_of(channel, (await self.settings(scope)).namespaces)

    async def default_grants(self, scope: AppScope, user_id: str) -> list[Grant]:
        """What a token opens that names no channels."""
        chosen = (await self.settings(scope)).default_grants
        return default_grants(user_id) if chosen is None else default_grants(user_id, chosen)

    async def permission(self, scope: AppScope, app: App, channel: str, shown: Credentials) -> Permission:
        """What somebody may do on a channel with a valid name.

        Raises:
            UnauthorizedChannel: nothing, or the authorization shown is wrong.
        """
        kind = kind_of(channel)
        features = await self.features(scope, channel)

        permit = partial(Permission, kind, features)

        if shown.auth is not None:
            data = shown.channel_data
            return await self._by_signature(scope, app, channel, shown, shown.auth, data, permit)
        if kind is Kind.PUBLIC:
            return permit(ALL)
        if kind is Kind.INBOX:
            if channel.partition(":")[2] == shown.user_id:
                return permit(ALL)
        elif kind is Kind.CONVERSATION:
            conversation_id = channel.partition(":")[2]
            members = self._membership
            if members is not None and await members.is_member(scope, conversation_id, shown.user_id):
                return permit(ALL)
        else:
            granted = frozenset(op for op in Op if shown.grants.allow(channel, op))
            if granted:
                return permit(granted)
            url = (await self.settings(scope)).channel_auth_url
            guarded = kind in (Kind.PRIVATE, Kind.PRESENCE)
            if guarded and url and shown.socket_id and self._authorizer is not None:
                auth, data = await self._authorizer.ask(scope, url, shown.socket_id, channel, shown.user_id)
                return await self._by_signature(scope, app, channel, shown, auth, data, permit)
        raise UnauthorizedChannel("No grant or signature allows this channel.")

    async def _by_signature(
        self,
        scope: AppScope,
        app: App,
        channel: str,
        shown: Credentials,
        auth: str,
        channel_data: str | dict[str, Any] | None,
        permit: Callable[[frozenset[Op], Mapping[str, Any] | None, CredentialId], Permission],
    ) -> Permission:
        if shown.socket_id is None or kind_of(channel) in (Kind.CONVERSATION, Kind.INBOX):
            raise UnauthorizedChannel("This channel is not opened by signatures.")
        try:
            data, signed_by = signatures.check(
                auth,
                channel_data,
                app_ids=(app.public_id, app.id),
                keys=await named_signing_keys(scope),
                socket_id=shown.socket_id,
                channel=channel,
                user_id=shown.user_id,
            )
        except signatures.BadSignature as wrong:
            raise UnauthorizedChannel(wrong.message) from wrong
        info = data.get("user_info")
        if kind_of(channel) is Kind.PRESENCE and shown.wants_membership and not data:
            raise UnauthorizedChannel("An authorization for a presence channel carries channel data.")
        return permit(ALL, info if isinstance(info, dict) else None, signed_by)

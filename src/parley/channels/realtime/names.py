"""Names of channels, and what the first word of a name says about it (`realtime-block.md` 5)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache

import msgspec

from parley.base.errors import Invalid

NAME_LIMIT = 200
_NAME = re.compile(r"[A-Za-z0-9_\-=@.,;]+(:[A-Za-z0-9_\-=@.,;]+)*", re.ASCII)


class InvalidChannel(Invalid):
    """Not a channel's name, or not possible on that kind of channel."""

    code = "invalid_channel"


class Kind(StrEnum):
    """What a channel is for."""

    PUBLIC = "public"
    """Open to every connected client."""
    PRIVATE = "private"
    PRESENCE = "presence"
    CHAT = "chat"
    NOTIFICATIONS = "notifications"
    """Servers publish, clients listen."""
    CONVERSATION = "conversation"
    """The live side of a conversation; its members listen."""
    INBOX = "inbox"
    """What concerns one user."""
    OTHER = "other"


class Features(msgspec.Struct, frozen=True):
    """What works on a channel."""

    presence: bool = False
    client_publish: bool = True
    """Whether clients may publish, trigger and type."""
    history: bool = True


class FeatureChoice(msgspec.Struct, frozen=True):
    """What an app decides about the channels of one first word; the rest stays as it is for them."""

    presence: bool | msgspec.UnsetType = msgspec.UNSET
    client_publish: bool | msgspec.UnsetType = msgspec.UNSET
    history: bool | msgspec.UnsetType = msgspec.UNSET

    def over(self, usual: Features) -> Features:
        """The features that hold."""
        chosen = {
            name: value
            for name in self.__struct_fields__
            if (value := getattr(self, name)) is not msgspec.UNSET
        }
        return msgspec.structs.replace(usual, **chosen)


_FEATURES: Mapping[Kind, Features] = {
    Kind.PUBLIC: Features(),
    Kind.PRIVATE: Features(),
    Kind.PRESENCE: Features(presence=True),
    Kind.CHAT: Features(presence=True),
    Kind.NOTIFICATIONS: Features(client_publish=False),
    Kind.CONVERSATION: Features(presence=True, client_publish=False),
    Kind.INBOX: Features(client_publish=False),
    Kind.OTHER: Features(),
}
_KINDS = {kind.value: kind for kind in Kind if kind is not Kind.OTHER}


def check_name(name: object) -> str:
    """The name, if it is one.

    Raises:
        InvalidChannel: it is not.
    """
    if isinstance(name, str) and _is_name(name):
        return name
    raise InvalidChannel("This is not a channel's name.", field="channel")


@lru_cache(maxsize=4_096)
def _is_name(name: str) -> bool:
    return 1 <= len(name) <= NAME_LIMIT and _NAME.fullmatch(name) is not None


def kind_of(name: str) -> Kind:
    """What the first word says."""
    first, colon, _ = name.partition(":")
    return _KINDS.get(first, Kind.OTHER) if colon else Kind.OTHER


def features_of(name: str, overrides: Mapping[str, FeatureChoice] | None = None) -> Features:
    """What works on the channel.

    Args:
        name: a valid name.
        overrides: what the app decides itself, by first word.
    """
    usual = _FEATURES[kind_of(name)]
    chosen = overrides.get(name.partition(":")[0]) if overrides else None
    return usual if chosen is None else chosen.over(usual)

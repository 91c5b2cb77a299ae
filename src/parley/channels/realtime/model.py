"""Publications as data."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import NamedTuple

import msgspec

from parley.base.ids import AppId

DATA_LIMIT_BYTES = 32 << 10
"""Of the data of one publication, as JSON."""
EVENT_LIMIT = 64
REMEMBERED = timedelta(hours=24)
"""How long a client's own id of a publication is known, so that sending it again stores nothing."""
REPLAY_FOR = timedelta(seconds=120)
"""How long a publication that is not for the history can be replayed."""
REPLAY_LIMIT = 1_000
"""Publications that are replayed at most; whoever missed more reads the history."""
MESSAGE = "message"
_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_PLACE_DIGITS, _RANDOM_DIGITS = 13, 9
_PAIRS = tuple(first + second for first in _DIGITS for second in _DIGITS)
_SHIFTS = range(5 * (_PLACE_DIGITS + _RANDOM_DIGITS) - 10, -1, -10)
"""Of each pair of digits: every message gets an id, and two digits at a time take a third of the time."""


class Position(NamedTuple):
    """A place in a channel."""

    epoch: str
    offset: int


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants to publish."""

    app_id: AppId
    channel: str
    event: str
    user_id: str | None
    """None = the customer's server."""
    data: bytes
    """JSON."""
    client_id: str | None = None
    """The client's own id of it: sent again, it is not stored again."""
    in_history: bool = True
    """False = only for those who listen now, and for those who come back within `REPLAY_FOR`."""
    is_event: bool = False
    """Whether it is a client's event, which has no id for others, and not a message."""
    but: str | None = None
    """A socket that does not want it back."""


class Publication(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One publication on disk."""

    app_id: AppId
    channel: str
    epoch: str
    offset: int
    """From 1, in commit order, without gaps."""
    id: str
    event: str
    user_id: str | None
    data: bytes
    """JSON."""
    client_id: str | None
    in_history: bool
    is_event: bool
    created_ms: int
    but: str | None = None
    """See `Draft.but`; not stored."""

    @property
    def key(self) -> str:
        """Its channel among all channels of all apps."""
        return channel_key(self.app_id, self.channel)


def channel_key(app_id: AppId, channel: str) -> str:
    """A channel among all channels of all apps."""
    return f"{app_id}/{channel}"


def new_publication_id(offset: int) -> str:
    """An id that carries the publication's place, so that it can be found without an index of ids."""
    number = (offset << 5 * _RANDOM_DIGITS) | secrets.randbits(5 * _RANDOM_DIGITS)
    return "msg_" + "".join([_PAIRS[(number >> shift) & 1023] for shift in _SHIFTS])


def offset_of(publication_id: str) -> int | None:
    """The place that an id carries; None if it is not an id. Whether it is *that* id only the row tells."""
    text = publication_id.removeprefix("msg_")
    if text == publication_id or len(text) != _PLACE_DIGITS + _RANDOM_DIGITS:
        return None
    number = 0
    for digit in text:
        value = _DIGITS.find(digit)
        if value < 0:
            return None
        number = number << 5 | value
    number >>= 5 * _RANDOM_DIGITS
    return number if 0 < number < 1 << 63 else None

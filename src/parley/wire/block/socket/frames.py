"""Frames of the socket, in and out (`realtime-block.md` 6.1 to 6.3)."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from parley.base.times import iso_from_ms
from parley.channels.realtime.model import Publication
from parley.stream import frames
from parley.wire.block.errors import Problem

FRAME_LIMIT_BYTES = 64 << 10
FrameId: TypeAlias = Annotated[str, Meta(max_length=64)] | int
Object: TypeAlias = dict[str, Any]


class _In(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """What every frame of a client may carry."""

    id: FrameId | None = None


class _OnChannel(_In, frozen=True, kw_only=True):
    channel: str


class Place(msgspec.Struct, frozen=True):
    """A place in a channel."""

    epoch: str
    offset: Annotated[int, Meta(ge=0, le=(1 << 62))]


class Resume(msgspec.Struct, frozen=True, kw_only=True):
    """What a client that comes back remembers."""

    session_id: str
    resume_token: str
    channels: dict[str, Place] = {}


class Connect(_In, frozen=True, kw_only=True, tag="connect"):
    """Begin."""

    token: str
    api_key: str | None = None
    """Names the app of a user token that is used in the place of a connection token."""
    resume: Resume | None = None
    client: Object | None = None


class Ping(_In, frozen=True, kw_only=True, tag="ping"):
    """Are you there?"""

    ts: int | float | str | None = None


class Auth(_In, frozen=True, kw_only=True, tag="auth"):
    """A new token for the same user."""

    token: str
    api_key: str | None = None


class Subscribe(_OnChannel, frozen=True, kw_only=True, tag="subscribe"):
    """Listen to a channel."""

    auth: str | None = None
    channel_data: str | Object | None = None
    since: Place | None = None


class Unsubscribe(_OnChannel, frozen=True, kw_only=True, tag="unsubscribe"):
    """Stop listening."""


class Publish(_OnChannel, frozen=True, kw_only=True, tag="publish"):
    """Store and send a message."""

    event: str = "message"
    data: Raw = Raw(b"{}")
    client_id: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    echo: bool = True


class Trigger(_OnChannel, frozen=True, kw_only=True, tag="trigger"):
    """Send an event that is not kept in the history."""

    event: str
    data: Raw = Raw(b"{}")
    echo: bool = False


class PresenceEnter(_OnChannel, frozen=True, kw_only=True, tag="presence.enter"):
    """Be a member."""

    data: Object = {}


class PresenceUpdate(_OnChannel, frozen=True, kw_only=True, tag="presence.update"):
    """Change what others see."""

    data: Object


class PresenceLeave(_OnChannel, frozen=True, kw_only=True, tag="presence.leave"):
    """Be a member no more."""


class PresenceGet(_OnChannel, frozen=True, kw_only=True, tag="presence.get"):
    """Who is here?"""


class TypingStart(_OnChannel, frozen=True, kw_only=True, tag="typing.start"):
    """The user is writing."""

    user_name: Annotated[str, Meta(max_length=256)] | None = None
    data: Object | None = None


class TypingStop(_OnChannel, frozen=True, kw_only=True, tag="typing.stop"):
    """The user has stopped."""


class Read(_OnChannel, frozen=True, kw_only=True, tag="read"):
    """The user has read a message."""

    message_id: str
    up_to: bool = False


class Delivered(_OnChannel, frozen=True, kw_only=True, tag="delivered"):
    """Everything up to there has arrived."""

    offset: Annotated[int, Meta(ge=0, le=(1 << 62))]


class RoomJoin(_In, frozen=True, kw_only=True, tag="webrtc.join"):
    """Take part in a room."""

    room_id: str
    token: str | None = None
    audio: bool = True
    video: bool = True
    user_data: Object = {}


class RoomLeave(_In, frozen=True, kw_only=True, tag="webrtc.leave"):
    """Leave a room."""

    room_id: str


class RoomSignal(_In, frozen=True, kw_only=True, tag="webrtc.signal"):
    """A session description or candidate for a participant."""

    room_id: str
    to: str
    kind: str
    sdp: str | UnsetType = UNSET
    candidate: Object | UnsetType | None = UNSET
    pc: str | None = None
    """Of signals to the server: "send" or "receive"."""
    connection: Annotated[str, Meta(min_length=1, max_length=64)] = "1"
    """The client's name of that connection."""
    tracks: dict[str, str] | None = None
    """Of an offer to send: what each section carries, by mid."""


class RoomMedia(_In, frozen=True, kw_only=True, tag="webrtc.media"):
    """What the participant sends."""

    room_id: str
    audio: bool | None = None
    video: bool | None = None
    screen: bool | None = None


class Disconnect(_In, frozen=True, kw_only=True, tag="disconnect"):
    """Goodbye; the session is not kept."""


Incoming: TypeAlias = (
    Connect
    | Ping
    | Auth
    | Subscribe
    | Unsubscribe
    | Publish
    | Trigger
    | PresenceEnter
    | PresenceUpdate
    | PresenceLeave
    | PresenceGet
    | TypingStart
    | TypingStop
    | Read
    | Delivered
    | RoomJoin
    | RoomLeave
    | RoomSignal
    | RoomMedia
    | Disconnect
)
decode = msgspec.json.Decoder(Incoming).decode
encode = msgspec.json.Encoder().encode


class Envelope(msgspec.Struct):
    """What can be read of a frame that is wrong otherwise."""

    id: Any = None
    channel: Any = None


class Ack(msgspec.Struct, tag_field="type", tag="ack"):
    """Done."""

    id: FrameId
    result: Any


class Error(msgspec.Struct, tag_field="type", tag="error", omit_defaults=True, kw_only=True):
    """Not done."""

    id: FrameId | UnsetType = UNSET
    channel: str | UnsetType = UNSET
    error: Problem
    retry_after: float | UnsetType = UNSET
    fatal: bool = False


class RoomSignalOut(
    msgspec.Struct, tag_field="type", tag="webrtc.signal", kw_only=True, rename={"sender": "from"}
):
    """What another participant, or the server as a party, says."""

    room_id: str
    sender: str
    kind: str
    sdp: str | UnsetType = UNSET
    candidate: Object | UnsetType | None = UNSET
    pc: str | UnsetType = UNSET
    connection: str | UnsetType = UNSET
    streams: Any = UNSET


class _Message(msgspec.Struct, tag_field="type", tag="message"):
    channel: str
    id: str
    event: str
    user_id: str | None
    data: Raw
    created_at: str
    offset: int
    epoch: str
    client_id: str | UnsetType
    replayed: bool | UnsetType


class _Event(msgspec.Struct, tag_field="type", tag="event"):
    channel: str
    event: str
    data: Raw
    user_id: str | None
    offset: int
    epoch: str
    replayed: bool | UnsetType


def publication(one: Publication, *, replayed: bool = False) -> bytes:
    """A publication as subscribers get it: JSON."""
    flag = True if replayed else UNSET
    if one.is_event:
        return encode(_Event(one.channel, one.event, Raw(one.data), one.user_id, one.offset, one.epoch, flag))
    return encode(
        _Message(
            one.channel,
            one.id,
            one.event,
            one.user_id,
            Raw(one.data),
            iso_from_ms(one.created_ms),
            one.offset,
            one.epoch,
            UNSET if one.client_id is None else one.client_id,
            flag,
        )
    )


def publication_frame(one: Publication) -> bytes:
    """A publication, ready for every subscriber's wire."""
    return frames.encode_text(publication(one))

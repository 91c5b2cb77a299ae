"""`POST /rooms/{id}/visit`: the page of a room asks what the room is, and to be let in.

The body carries the room token of the page's address, which the page has in the fragment: so it is in no log
and in no referrer.
"""

from __future__ import annotations

import msgspec

from parley.base.errors import Invalid, NotAllowed, NotFound, StateForbids, Unauthenticated
from parley.base.text import storable
from parley.web.context import WebContext

NAME_MAX = 60  # characters


class RoomEnded(StateForbids):
    """There was such a room."""

    code = "ended"


class NotInvited(NotAllowed):
    """The room is not for whoever knows its address."""

    code = "not_invited"


class LinkRefused(Unauthenticated):
    """The token of the link is none for this room."""

    code = "link_refused"


class LinkExpired(Unauthenticated):
    """The token of the link was valid once."""

    code = "link_expired"


class RoomRequest(msgspec.Struct):
    """Body of the request."""

    token: str | None = None
    """Room token of the link."""
    connection_token: str | None = None
    """Of an earlier answer, to stay the same visitor."""
    name: str | None = None
    """Come in under this name; without it the answer only says what the room is."""


class RoomInfo(msgspec.Struct):
    """The room, as its visitor sees it."""

    name: str
    people: int
    audio: bool
    video: bool
    recorded: bool


class RoomAnswer(msgspec.Struct):
    """Body of the answer."""

    room: RoomInfo
    user_name: str | None
    """By which the app knows the visitor, who then may choose no other."""
    connection_token: str | None


def read_room_request(body: bytes) -> RoomRequest:
    """Decode the body.

    Raises:
        Invalid: it is no JSON object of that shape.
    """
    try:
        return msgspec.json.decode(body, type=RoomRequest)
    except (msgspec.DecodeError, RecursionError) as error:  # the latter: nested beyond reason
        raise Invalid(f"The request is not valid: {error}.") from error


async def visit(context: WebContext, room_id: str, wanted: RoomRequest) -> RoomAnswer:
    """Stand before the room, or come in.

    Raises:
        NotFound: there is no such room.
        RoomEnded: there was.
        NotInvited: this one needs a token.
        LinkRefused: the token is wrong.
        LinkExpired: it was right.
        Invalid: this is no name.
    """
    if context.visit_room is None:
        raise NotFound("There are no rooms on this server.")
    name = None
    if wanted.name is not None:
        name = " ".join(wanted.name.split())
        if not 1 <= len(name) <= NAME_MAX or not storable(name):
            raise Invalid(f"A name has 1 to {NAME_MAX} characters.", field="name")
    found = await context.visit_room(room_id, wanted.token, wanted.connection_token, name)
    return RoomAnswer(
        RoomInfo(found.room_name, found.people, found.has_audio, found.has_video, found.is_recorded),
        found.user_name,
        found.connection_token,
    )

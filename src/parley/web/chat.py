"""`POST /start/chat`: tokens for a visitor of the demo chat."""

import re

import msgspec

from parley.base.errors import Invalid, NotAllowed
from parley.base.text import storable
from parley.web.context import WebContext

_NAME_MAX = 60  # characters
_SPACE = re.compile(r"[a-z0-9]{10,40}", re.ASCII)
"""A space has no other protection than that its id cannot be guessed."""


class Visit(msgspec.Struct):
    """Body of the request."""

    name: str
    space: str | None = None
    """Made up by the browser of the first visitor; without one, no channels are opened."""
    user_token: str | None = None
    """Of an earlier answer, to stay the same user."""


class ChatUser(msgspec.Struct):
    """Who the visitor is."""

    id: str
    name: str


class ChatAnswer(msgspec.Struct):
    """Body of the answer."""

    user: ChatUser
    api_key: str
    user_token: str
    connection_token: str


def read_visit(body: bytes) -> Visit:
    """Decode the body.

    Raises:
        Invalid: it is no JSON object of that shape.
    """
    try:
        return msgspec.json.decode(body, type=Visit)
    except (msgspec.DecodeError, RecursionError) as error:  # the latter: nested beyond reason
        raise Invalid(f"The request is not valid: {error}.") from error


async def admit(context: WebContext, visit: Visit) -> ChatAnswer:
    """Let the visitor in.

    Raises:
        NotAllowed: the demo is switched off.
        Invalid: this is no name, or no space.
    """
    if context.admit_to_demo_chat is None:
        raise NotAllowed("The demo chat is switched off on this server.")
    name = " ".join(visit.name.split())
    if not 1 <= len(name) <= _NAME_MAX or not storable(name):
        raise Invalid(f"A name has 1 to {_NAME_MAX} characters.", field="name")
    if visit.space is not None and not _SPACE.fullmatch(visit.space):
        raise Invalid("A space's id has 10 to 40 small letters and digits.", field="space")
    visitor = await context.admit_to_demo_chat(name, visit.space, visit.user_token)
    return ChatAnswer(
        user=ChatUser(visitor.user_id, visitor.name),
        api_key=visitor.api_key,
        user_token=visitor.user_token,
        connection_token=visitor.connection_token,
    )

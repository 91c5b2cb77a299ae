"""Who a request speaks for; a valid user token registers its user (`realtime-block.md` 18.14)."""

from __future__ import annotations

from parley.base.errors import NotFound
from parley.base.text import storable
from parley.people.activity import UserActivity
from parley.people.model import Caller
from parley.people.service import People
from parley.wire.block.endpoint import Call


async def caller_of(call: Call) -> Caller:
    """Who asks; a user is known to the app afterwards, and was seen just now."""
    if call.user is not None:
        await call.service(People).ensure_user(call.scope, call.user)
        call.service(UserActivity).touch(call.scope.app_id, call.user.id)
    return caller(call)


def caller(call: Call) -> Caller:
    """Who asks, without leaving a trace."""
    return Caller(call.user.id if call.user is not None else None, call.is_server)


def path_text(value: str) -> str:
    """A parameter of the path.

    Raises:
        NotFound: no database holds such a text, so nothing can be called that.
    """
    if not storable(value):
        raise NotFound("There is nothing of that id.")
    return value

"""Who a request speaks for."""

from __future__ import annotations

from parley.accounts.user_tokens import USER_ID_LIMIT
from parley.base.errors import Invalid, NotAllowed, NotFound
from parley.base.text import storable
from parley.people.model import Caller
from parley.wire.block.endpoint import Call


def caller_of(call: Call) -> Caller:
    """Who asks."""
    return Caller(call.user.id if call.user is not None else None, call.is_server)


def user_named(call: Call, named: str | None) -> str:
    """The user that a body names: for user tokens their own, for secret keys anybody.

    Raises:
        NotAllowed: somebody else.
        Invalid: nobody, or not a user's id.
    """
    own = call.user.id if call.user is not None else None
    if named is not None and named != own and not call.is_server:
        raise NotAllowed("A user token acts for its own user only.")
    user_id = named if named is not None else own
    if user_id is None:
        raise Invalid("Say for which user.", field="/data/attributes/user_id")
    if not 1 <= len(user_id) <= USER_ID_LIMIT or not storable(user_id):
        raise Invalid(f"A user's id has 1 to {USER_ID_LIMIT} characters.", field="/data/attributes/user_id")
    return user_id


def path_text(value: str) -> str:
    """A parameter of the path.

    Raises:
        NotFound: no database holds such a text, so nothing can be called that.
    """
    if not storable(value):
        raise NotFound("There is nothing of that id.")
    return value

"""What a database can refuse, in words that do not depend on the driver."""

from __future__ import annotations

from parley.base.errors import Conflict, Invalid, Unavailable


class AlreadyExists(Conflict):
    """A uniqueness rule was broken; the transaction is undone."""

    code = "already_exists"


class DatabaseUnavailable(Unavailable):
    """The database cannot be reached, is locked for too long, or its disk is full."""

    code = "database_unavailable"


class NotStorable(Invalid):
    """A NUL or half a surrogate pair in a text, or a number beyond 64 bits."""

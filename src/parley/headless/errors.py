"""What goes wrong for a participant, in sentences for the person who started it."""

from __future__ import annotations

from parley.base.errors import ParleyError, Unavailable


class CannotJoin(ParleyError):
    """The participant did not get into the meeting; the message says why."""

    code = "cannot_join"

    def __init__(self, message: str, *, is_final: bool = True) -> None:
        super().__init__(message)
        self.is_final = is_final
        """Whether trying again would end the same way: a refusal, no failure."""


class RequestRefused(ParleyError):
    """The server answered a request with an error."""

    code = "request_refused"

    def __init__(self, message: str, *, event: int, reason: str = "") -> None:
        super().__init__(message)
        self.event = event
        self.reason = reason
        """The server's stable word, where it sent one (media requests)."""


class ConnectionLost(Unavailable):
    """The socket or a media connection ended, or the server stayed silent."""

    code = "connection_lost"

"""Every WebSocket close code we send, with the one thing a client must know: come back, or stay away.

Codes below 4000 are RFC 6455's and its registry's; those above belong to the dialect that the name begins
with. `docs/reference/close-codes.md` is generated from this table.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Self

FIRST_OWN = 4000
"""From here on codes mean what an application says (RFC 6455 section 7.4.2)."""


class Close(IntEnum):
    """A close code: pass it to `Socket.close` as it is."""

    meaning: str
    """For people who read a client's log."""
    comes_back: bool
    """Whether a client may connect again; if not, the same attempt would end the same way."""
    how: str
    """What to do before connecting again, or at least how long to wait; empty: the client's usual backoff."""

    def __new__(cls, code: int, comes_back: bool, meaning: str, how: str = "") -> Self:
        """`NAME = code, comes_back, meaning, how`."""
        self = int.__new__(cls, code)
        self._value_ = code
        self.comes_back, self.meaning, self.how = comes_back, meaning, how
        return self

    NORMAL = 1000, False, "The conversation is over; the client said so, or was told so before."
    GOING_AWAY = 1001, True, "The page is closed, or the server stops."
    PROTOCOL_ERROR = 1002, False, "The peer broke the WebSocket protocol."
    NO_CODE = 1005, True, "The peer closed without a code. Never sent."
    BROKEN = 1006, True, "The connection broke without a closing handshake. Never sent."
    BAD_TEXT = 1007, False, "A text message was not UTF-8."
    POLICY = 1008, False, "Refused: not permitted, removed, or too many malformed messages."
    TOO_BIG = 1009, True, "A message was over the limit of its size.", "without that message"
    INTERNAL_ERROR = 1011, True, "Something went wrong on the server."
    RESTART = 1012, True, "The server restarts, or the meeting moved to another one."
    TRY_AGAIN = 1013, True, "The server cannot serve this now."

    RTK_REPLACED = 4000, False, "Another connection took over this peer."
    RTK_REMOVED = 4001, False, "Removed from the meeting by a host."
    RTK_ENDED = 4002, False, "The session was ended for everybody."

    REALTIME_PROTOCOL_ERROR = 4400, False, "A frame was not what the protocol allows."
    REALTIME_TOKEN = 4401, True, "The token is invalid or has expired.", "with a new token"
    REALTIME_BANNED = 4403, False, "The app is disabled, or the user is banned."
    REALTIME_TIMEOUT = 4408, True, "No opening message in time, or silent for too long."
    REALTIME_TAKEN_OVER = 4409, False, "A newer connection resumed this session."
    REALTIME_CONNECTION_LIMIT = 4429, True, "Too many connections.", "after 5 s at least"
    REALTIME_FAILED = 4500, True, "The connection could not be set up."
    REALTIME_BEHIND = 4503, True, "The server drains, or the client reads too slowly.", "at once, and resume"


_BY_CODE = {int(close): close for close in Close}


def comes_back(code: int) -> bool:
    """Whether a client that was closed with this code may connect again.

    Codes that are not in the table: registered ones are somebody's passing trouble, own ones are decisions.
    """
    known = _BY_CODE.get(code)
    return known.comes_back if known is not None else code < FIRST_OWN

"""A place in a stream, and how clients carry it."""

from __future__ import annotations

import re
from typing import NamedTuple

from parley.base.errors import Invalid

_FORM = re.compile(r"([A-Za-z0-9]{1,32})-(0|[1-9][0-9]{0,18})", re.ASCII)
MAX_OFFSET = (1 << 63) - 1


class Cursor(NamedTuple):
    """A place in a channel's stream.

    Offsets alone are not enough: if a store is wiped and refilled, "3" names another message than before. The
    epoch changes with the store, so an old cursor is refused instead of silently skipping messages.
    """

    epoch: str
    """1 to 32 letters and digits."""
    offset: int
    """1 for the first message; 0 means "from the beginning"."""

    def format(self) -> str:
        """The form for clients, who must not look inside; safe in URLs, headers and SSE ids.

        Raises:
            ValueError: epoch or offset are not what their documentation says.
        """
        text = f"{self.epoch}-{self.offset}"
        if not _FORM.fullmatch(text) or self.offset > MAX_OFFSET:
            raise ValueError(f"not a cursor: {self!r}")
        return text

    @classmethod
    def parse(cls, text: str, *, field: str = "cursor") -> Cursor:
        """What `format` made.

        Raises:
            Invalid: anything else; names `field`.
        """
        match = _FORM.fullmatch(text)
        if match is None or int(match[2]) > MAX_OFFSET:
            raise Invalid("this is not a position in the stream", field=field)
        return cls(match[1], int(match[2]))

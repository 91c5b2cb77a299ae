"""What other areas include in a conversation's document (`realtime-block.md` 18.6)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from parley.conversations.messages.reading import Opened
from parley.wire.block.conversations.resources import Asker
from parley.wire.block.endpoint import Call
from parley.wire.block.replies import Resource

Include = Callable[[Call, Asker, Opened], Awaitable[Sequence[Resource]]]
INCLUDES: dict[str, Include] = {}
"""By the word in `include`: `message_files` and `tasks`; their areas put themselves here."""


def file_entry(resource: Resource) -> dict[str, Any]:
    """A `MessageFile` as `with=files` lists it: clients pass these names on unchanged."""
    attributes = resource.attributes
    return {
        "uniqueId": attributes["unique_id"],
        "name": attributes["name"],
        "url": attributes["url"],
        "type": attributes["content_type"],
        "size": attributes["size"],
    }

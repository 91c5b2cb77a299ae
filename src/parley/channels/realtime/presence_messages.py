"""What server processes tell each other about presence: one msgpack array each.

Everything about a channel's members travels on the channel's own topic, so that a node's changes and its
answers keep their order; nodes speak of themselves, and ask, on `NODES`.
"""

from __future__ import annotations

import msgspec

from parley.base.ids import AppId

NODES = "presence-nodes"
PART_BYTES = 256 << 10
"""Of the entries in one message; a long answer has several parts."""
ROW_BYTES = 200
"""Of an entry besides its data; a generous guess."""


def topic_of(key: str) -> str:
    """Where the nodes interested in a channel listen."""
    return f"presence:{key}"


class Row(msgspec.Struct, frozen=True, array_like=True):
    """An entry."""

    session_id: str
    user_id: str
    data: bytes
    joined_ms: int
    stamp: int
    claim: int


class Beat(msgspec.Struct, frozen=True, array_like=True, tag="b"):
    """On `NODES`: I am alive."""

    node: str
    entries: int
    """Of mine, in all channels."""
    is_first: bool = False
    """Everybody answers with a beat."""
    is_leaving: bool = False


class Ask(msgspec.Struct, frozen=True, array_like=True, tag="a"):
    """On `NODES`: who is on this channel? From now on I am interested in it."""

    node: str
    to: str | None
    """None = everybody."""
    app_id: AppId
    channel: str


class Put(msgspec.Struct, frozen=True, array_like=True, tag="p"):
    """An entry of mine is new, changed, or was another node's."""

    node: str
    row: Row
    is_join: bool
    """Whether I have reported it as a join."""


class Gone(msgspec.Struct, frozen=True, array_like=True, tag="g"):
    """An entry has left: this claim of the session, and all earlier ones."""

    node: str
    session_id: str
    claim: int
    stamp: int


class Here(msgspec.Struct, frozen=True, array_like=True, tag="h"):
    """The answer to `Ask`."""

    node: str
    to: str
    owner: str
    """Whose entries these are: the answering node's, or those of one that may not answer any more."""
    silent_ms: int
    """How long that one has been silent."""
    is_interested: bool
    part: int
    is_last: bool
    rows: bytes
    """A list of `Row`; packed, because every other node that hears this has no use for them."""


class Closed(msgspec.Struct, frozen=True, array_like=True, tag="c"):
    """On `NODES`: I am not interested in this channel any more."""

    node: str
    app_id: AppId
    channel: str


def packed_name(node: str) -> bytes:
    """For `is_from`."""
    return encode(node)


def is_from(payload: bytes, name: bytes) -> bool:
    """Whether a message is of the node with this packed name; told without decoding it."""
    return payload.startswith(name, _NODE_AT)


_NODE_AT = 3  # behind the array's length, at most 15, and a tag of one letter
Message = Beat | Ask | Put | Gone | Here | Closed
encode = msgspec.msgpack.Encoder().encode
_decoder: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)
decode = _decoder.decode
decode_rows = msgspec.msgpack.Decoder(list[Row]).decode

"""The frame of every verb: what it is given, and where it is registered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple, TypeVar

from google.protobuf.message import Message

from parley.meetings.live.meeting import LiveMeeting
from parley.meetings.live.peer import LivePeer
from parley.wire.realtimekit.client import rtk_client_pb2 as pb
from parley.wire.realtimekit.client.limits import Rate

M = TypeVar("M", bound=Message)
Nothing = pb.EdgeEmptyResponse
"""A request without content."""


class Lane(Enum):
    """Requests of one lane run one after the other, in order; lanes run side by side."""

    MAIN = "main"
    SEND = "send"
    """The send transport's negotiations."""
    RECEIVE = "receive"
    """The receive transport's negotiations."""
    NONE = "none"
    """At once: the answer that a receive negotiation is waiting for."""


@dataclass(slots=True)
class Call:
    """One request."""

    live: LiveMeeting
    peer: LivePeer
    after: list[Callable[[], None]] = field(default_factory=list)
    """Run once the answer has been sent."""


class Answer(NamedTuple):
    """An answer under another event number than the request's."""

    event: int
    message: Message | None


Handler = Callable[[Call, Any], Awaitable[Message | Answer | None]]


@dataclass(frozen=True, slots=True)
class Verb:
    """One kind of request."""

    request: type[Message]
    handler: Handler
    lane: Lane | Callable[[Any], Lane]
    rates: Callable[[Any], Sequence[Rate]]
    """What a request uses up."""
    answers: bool
    """Whether the client waits: then even an answer without content is sent."""


verbs: dict[int, Verb] = {}


def verb(
    event: int,
    request: type[M],
    *,
    lane: Lane | Callable[[M], Lane] = Lane.MAIN,
    rate: Rate | Callable[[M], Sequence[Rate]] | None = None,
    answers: bool = True,
) -> Callable[
    [Callable[[Call, M], Awaitable[Message | Answer | None]]],
    Callable[[Call, M], Awaitable[Message | Answer | None]],
]:
    """Register the function that carries out an event.

    Args:
        event: its number.
        request: the message in its payload.
        lane: what it must not overtake, perhaps by the request.
        rate: how often one participant may ask, perhaps by the request.
        answers: False for events whose answer no client waits for.
    """

    def register(
        handler: Callable[[Call, M], Awaitable[Message | Answer | None]],
    ) -> Callable[[Call, M], Awaitable[Message | Answer | None]]:
        if event in verbs:
            raise ValueError(f"event {event} has two verbs")
        fixed = (rate,) if isinstance(rate, Rate) else ()
        rates = rate if callable(rate) else lambda _: fixed
        verbs[event] = Verb(request, handler, lane, rates, answers)
        return handler

    return register

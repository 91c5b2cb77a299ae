"""What a room's media knows of one participant."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import NamedTuple

from parley.media.ports import ReceiveTransport, SendTransport, Source
from parley.rooms.model import Participant
from parley.rooms.signals import Stream


class Carried(NamedTuple):
    """What a section of a receiving connection carries, or carried."""

    source: Source
    cost: int
    """See `tracks.SECTION_COST`."""


@dataclass(slots=True, eq=False)
class Leg:
    """A participant's two connections."""

    participant: Participant
    sending: asyncio.Lock = field(default_factory=asyncio.Lock)
    sender: SendTransport | None = None
    sender_name: str = ""
    lost_sender: str | None = None
    tracks: dict[str, str] = field(default_factory=dict)
    muted: set[str] = field(default_factory=set)
    """Mids that the engine does not forward."""

    receiving: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held from an offer of the server to its answer, and while one of the participant is answered."""
    opening: asyncio.Lock = field(default_factory=asyncio.Lock)
    receiver: ReceiveTransport | None = None
    receiver_name: str = ""
    lost_receiver: str | None = None
    forwarder: asyncio.Task[None] | None = None
    dirty: asyncio.Event = field(default_factory=asyncio.Event)
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    offer_sdp: str | None = None
    """That waits for its answer."""
    carried: dict[str, Carried] = field(default_factory=dict)
    """By mid; ended ones included."""
    told: dict[str, Stream] = field(default_factory=dict)

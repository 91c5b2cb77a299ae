"""Client of Parley's Real Time Block: channels, presence, typing, history, over a connection that comes back.

Promises: what `send` returned is stored, once, however often the connection broke; each channel is delivered
in order and without duplicates; what was missed is replayed, or a `Reload` says that it cannot be. Everything
is bounded and every wait ends. `Client` is for asyncio; `parley_realtime.blocking.Client` is the same for
programs without it. `close` (or leaving `async with`) says goodbye, and ends every task.
"""

from __future__ import annotations

from parley_realtime.channel import Channel
from parley_realtime.client import Client
from parley_realtime.dispatch import Stream
from parley_realtime.errors import (
    Conflict,
    ConnectionEnded,
    ConnectionLost,
    Forbidden,
    InvalidRequest,
    InvalidToken,
    LimitExceeded,
    NotFound,
    QueueFull,
    RateLimited,
    RealtimeError,
    RequestTimeout,
    ServerFailed,
    ServerRefused,
    TooLarge,
    Unauthorized,
    UnauthorizedChannel,
    Unreachable,
)
from parley_realtime.model import (
    ConnectionToken,
    Disconnected,
    Event,
    Item,
    Member,
    Message,
    Page,
    Published,
    ReadReceipt,
    ReadStatus,
    Reload,
    State,
    Triggered,
    Typist,
    Welcome,
)
from parley_realtime.options import Options
from parley_realtime.realtime import Realtime
from parley_realtime.signing import sign_channel

__version__ = "0.1.0"
__all__ = [
    "Channel",
    "Client",
    "Conflict",
    "ConnectionEnded",
    "ConnectionLost",
    "ConnectionToken",
    "Disconnected",
    "Event",
    "Forbidden",
    "InvalidRequest",
    "InvalidToken",
    "Item",
    "LimitExceeded",
    "Member",
    "Message",
    "NotFound",
    "Options",
    "Page",
    "Published",
    "QueueFull",
    "RateLimited",
    "ReadReceipt",
    "ReadStatus",
    "Realtime",
    "RealtimeError",
    "Reload",
    "RequestTimeout",
    "ServerFailed",
    "ServerRefused",
    "State",
    "Stream",
    "TooLarge",
    "Triggered",
    "Typist",
    "Unauthorized",
    "UnauthorizedChannel",
    "Unreachable",
    "Welcome",
    "sign_channel",
]

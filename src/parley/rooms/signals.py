"""Signals between the participants of a room, whichever server process each of them is connected to.

A signal is handed to the participant's connection, or is lost: what was said to somebody who is away for a
moment is not kept (`realtime-block.md` 15.4).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from parley.base.ids import AppId
from parley.bus import Bus, Subscription
from parley.bus.ports import MAX_PAYLOAD_BYTES


class Stream(msgspec.Struct, frozen=True):
    """What one section of a receiving connection carries."""

    participant_id: str
    medium: str


class Signal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one participant, or the server as a party, tells another."""

    room_id: str
    to: str
    sender: str
    kind: str
    sdp: str | UnsetType = UNSET
    candidate: dict[str, Any] | UnsetType | None = UNSET
    pc: str | UnsetType = UNSET
    """Of signals to and from the server: which of the participant's two connections, "send" or "receive"."""
    connection: str | UnsetType = UNSET
    """The participant's own name of that connection."""
    streams: Mapping[str, Stream] | UnsetType = UNSET
    """By mid."""


Deliver = Callable[[AppId, Signal], bool]
"""Hands a signal to a connection of this process; False when the participant is not connected here."""


class _Parcel(msgspec.Struct, frozen=True, array_like=True):
    app_id: AppId
    signal: Signal


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Parcel).decode


class Signals:
    """Carries signals to the process that has the participant's connection."""

    def __init__(self, bus: Bus | None, node_id: str) -> None:
        """Prepare.

        Args:
            bus: reaches other processes; None when there are none.
            node_id: names this process among them.
        """
        self.node_id = node_id
        self.deliver: Deliver
        """Set by whoever has the connections, before `start`."""
        self._bus = bus
        self._subscription: Subscription | None = None

    async def start(self) -> None:
        """Begin to hear what other processes have for participants of this one."""
        if self._bus is not None:
            self._subscription = await self._bus.subscribe(_topic(self.node_id), self._heard)

    async def stop(self) -> None:
        """Hear nothing more."""
        if self._subscription is not None:
            await self._subscription.close()

    def send(self, app_id: AppId, node_id: str, signal: Signal) -> None:
        """Hand a signal to a participant connected to that process."""
        if node_id == self.node_id:
            self.deliver(app_id, signal)
        elif self._bus is not None:
            payload = _encode(_Parcel(app_id, signal))
            if len(payload) <= MAX_PAYLOAD_BYTES:
                self._bus.publish(_topic(node_id), payload)

    def _heard(self, payload: bytes) -> None:
        parcel = _decode(payload)
        self.deliver(parcel.app_id, parcel.signal)


def _topic(node_id: str) -> str:
    return f"room-signals:{node_id}"

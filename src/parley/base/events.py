"""The registry of everything Parley announces.

An event is a frozen `msgspec.Struct` in a domain's `events.py`, registered under a stable dotted name.
Webhook filters, stream names and the event catalogue in the documentation read this registry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import msgspec


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all events. Subclasses say what happened, in past tense."""

    @property
    def topic(self) -> str:
        """The stream this event belongs to, such as `meeting:<id>`; events of one topic keep their order."""
        raise LookupError(f"{type(self).__name__} names no topic")


@dataclass(frozen=True, slots=True)
class EventType:
    """One registered kind of event."""

    name: str
    """Like `meeting.started`."""
    since: str
    """Parley version that first announced it."""
    shape: type[Event]

    @property
    def meaning(self) -> str:
        """First sentence of its documentation."""
        return (self.shape.__doc__ or "").strip().split("\n")[0]


_by_name: dict[str, EventType] = {}
_by_shape: dict[type[Event], EventType] = {}
E_ = TypeVar("E_", bound=type[Event])


def event(name: str, *, since: str) -> Callable[[E_], E_]:
    """Register an event class under its public name."""

    def register(shape: E_) -> E_:
        known = EventType(name, since, shape)
        if name in _by_name:
            raise ValueError(f"event {name} is registered twice")
        _by_name[name] = _by_shape[shape] = known
        return shape

    return register


def name_of(happened: Event) -> str:
    """The public name of an event."""
    return _by_shape[type(happened)].name


def event_types() -> list[EventType]:
    """Every registered event, by name."""
    return [_by_name[name] for name in sorted(_by_name)]


def encode(happened: Event) -> str:
    """The event's body as JSON text."""
    return msgspec.json.encode(happened).decode()


def decode(name: str, body: str) -> Event:
    """An event from its name and JSON body.

    Raises:
        KeyError: the name is not registered (an event of a newer version).
    """
    return msgspec.json.decode(body, type=_by_name[name].shape)

"""One channel's members, merged from the entries of connections, and the change that each step makes."""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from typing import TYPE_CHECKING

from parley.base.clock import Clock
from parley.base.ids import AppId
from parley.base.times import to_ms
from parley.channels.realtime.members import Action, Member, member_of
from parley.channels.realtime.model import channel_key

if TYPE_CHECKING:
    from parley.channels.realtime.presence_nodes import Sharing


class Stamps:
    """Times that never repeat or go back in this process, and are later than all it has seen of others.

    A hybrid logical clock in microseconds since 1970: what was caused by something has a later stamp, and as
    long as the clocks of the machines agree, stamps are the time.
    """

    __slots__ = ("_clock", "_last")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = 0

    def new(self) -> int:
        """The next stamp."""
        self._last = max(self._last + 1, to_ms(self._clock.now()) * 1000)
        return self._last

    def saw(self, stamp: int) -> None:
        """Be later than this from now on."""
        self._last = max(self._last, stamp)


class Node:
    """A server process, this one or another."""

    __slots__ = ("entries", "heard_s", "is_leaving", "name")

    def __init__(self, name: str, heard_s: float = 0.0) -> None:
        self.name = name
        """Unique to one run of the process."""
        self.heard_s = heard_s
        """When it was heard of last, by our monotonic clock."""
        self.is_leaving = False
        """It has said that it stops."""
        self.entries = 0
        """Entries that are its own, in this process's view."""


class Entry:
    """A connection that has entered a channel. Never changed: a newer one takes its place."""

    __slots__ = ("claim", "data", "joined_ms", "owner", "roster", "session_id", "stamp", "user_id")

    def __init__(
        self,
        roster: Roster,
        session_id: str,
        user_id: str,
        owner: Node,
        data: bytes,
        joined_ms: int,
        stamp: int,
        claim: int,
    ) -> None:
        self.roster = roster
        self.session_id = session_id
        self.user_id = user_id
        self.owner = owner
        """The process that has its socket."""
        self.data = data
        self.joined_ms = joined_ms
        """When the user came; inherited from connections that were there already."""
        self.stamp = stamp
        """Of the data: a user's newest wins."""
        self.claim = claim
        """When the owner took the session: of two that claim it, the later has it."""

    @property
    def age(self) -> tuple[int, str]:
        """The order of a user's entries; the same in every process."""
        return self.stamp, self.session_id

    def beats(self, other: Entry) -> bool:
        """Whether it takes the place of another entry of the same session."""
        if self.owner is other.owner:
            return (self.claim, self.stamp) > (other.claim, other.stamp)
        return (self.claim, self.owner.name) > (other.claim, other.owner.name)


def _age(entry: Entry) -> tuple[int, str]:
    return entry.age


class Roster:
    """The merged view of one channel in this process."""

    __slots__ = (
        "app_id",
        "channel",
        "entries",
        "is_closed",
        "key",
        "own",
        "sharing",
        "users",
        "watchers",
    )

    def __init__(self, app_id: AppId, channel: str) -> None:
        self.app_id = app_id
        self.channel = channel
        self.key = channel_key(app_id, channel)
        self.entries: dict[str, Entry] = {}
        """By session."""
        self.users: dict[str, tuple[Entry, ...]] = {}
        """Each user's entries, the newest last."""
        self.own = 0
        """Entries of this process."""
        self.watchers = 0
        self.is_closed = False
        self.sharing: Sharing | None = None
        """What other processes have to do with it; None when there can be none."""

    @property
    def is_wanted(self) -> bool:
        """Whether anything in this process needs it."""
        return self.watchers > 0 or self.own > 0

    def newest(self, user_id: str) -> Entry | None:
        """The entry whose data the user's member shows."""
        found = self.users.get(user_id)
        return found[-1] if found else None

    def member(self, user_id: str) -> Member | None:
        """The user's member, if present."""
        found = self.users.get(user_id)
        return _member(found) if found else None

    def members(self) -> Iterator[Member]:
        """Everybody, in the order of coming as this process saw it."""
        return map(_member, self.users.values())

    def put(self, entry: Entry) -> tuple[Action, Member] | None:
        """Take an entry in the place of the session's former one; says what that changed."""
        before = self.users.get(entry.user_id, ())
        former = self.entries.get(entry.session_id)
        others = before if former is None else _without(before, former)
        if not others or entry.age > others[-1].age:
            after = (*others, entry)
        else:
            place = bisect.bisect(others, entry.age, key=_age)
            after = (*others[:place], entry, *others[place:])
        self.entries[entry.session_id] = entry
        self.users[entry.user_id] = after
        if not before:
            return Action.JOIN, _member(after)
        return (Action.UPDATE, _member(after)) if _differ(before, after) else None

    def remove(self, entry: Entry) -> tuple[Action, Member] | None:
        """Take an entry away that is in it; says what that changed."""
        del self.entries[entry.session_id]
        before = self.users[entry.user_id]
        after = _without(before, entry)
        if not after:
            del self.users[entry.user_id]
            last = before[-1]
            return Action.LEAVE, member_of(last.user_id, last.data, 0, last.joined_ms, last.stamp // 1000)
        self.users[entry.user_id] = after
        return Action.UPDATE, _member(after)


def _without(entries: tuple[Entry, ...], entry: Entry) -> tuple[Entry, ...]:
    if entries[-1] is entry:
        return entries[:-1]
    place = entries.index(entry)
    return entries[:place] + entries[place + 1 :]


def _member(entries: tuple[Entry, ...]) -> Member:
    newest = entries[-1]
    return member_of(newest.user_id, newest.data, len(entries), newest.joined_ms, newest.stamp // 1000)


def _differ(before: tuple[Entry, ...], after: tuple[Entry, ...]) -> bool:
    old, new = before[-1], after[-1]
    return len(before) != len(after) or (
        old is not new and (old.data != new.data or old.joined_ms != new.joined_ms or old.stamp != new.stamp)
    )

"""Who is here: the members of channels with presence (`realtime-block.md` 7).

A connection *enters* a channel, which makes its user a member; the user's newest words win. A connection that
drops without a word is *detached*: its entries stay for `GRACE_S`, for it to come back unnoticed, here or on
another server process.

Every process has its own merged view of the channels it is interested in, and tells what changes in it: the
members at one moment and the changes since always give the members now. `presence_nodes.py` keeps the views
of several processes alike; a single process does not pay for it.

Several processes report a change to the world once: the one whose connection caused it, or, for the members
of a process that died, the lowest of those that saw them. Two cases are beyond that: a user who enters in two
processes within the time a message takes between them is reported twice as having joined; members whom no
living process saw leave unreported.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from parley.base.clock import Clock
from parley.base.ids import AppId
from parley.base.tasks import cancel_and_wait
from parley.bus import Bus
from parley.channels.realtime import members as rules
from parley.channels.realtime.leases import Leases
from parley.channels.realtime.members import Action, Member, PresenceChange
from parley.channels.realtime.model import channel_key
from parley.channels.realtime.presence_nodes import Nodes
from parley.channels.realtime.roster import Entry, Node, Roster, Stamps

log = structlog.get_logger(__name__)
GRACE_S = 15.0
"""How long a connection that dropped is still here."""
TURN_S = 0.5
PAUSE_S = 3.0
"""A longer time between two turns means that this process stood still."""
ANSWER_S = 0.3
"""How long the snapshot of a channel waits for other processes."""
RECENT = 10_000
"""Leaves remembered because another process may not have seen the user go."""

Tell = Callable[[PresenceChange], None]
"""Told of every change of this process's view at once and in order; must be quick and must not raise."""


class Presence:
    """Members of channels, as this process sees them.

    Methods that are not coroutines take effect before they return, and `tell` has been called by then.
    """

    def __init__(
        self, clock: Clock, bus: Bus | None, node_id: str, tell: Tell, *, answer_s: float = ANSWER_S
    ) -> None:
        """Prepare.

        Args:
            clock: for graces and times.
            bus: what other processes hear us through; None when there are none.
            node_id: names this process among them.
            tell: hears of changes.
            answer_s: how long a snapshot waits for a process that does not answer.
        """
        self.rosters: dict[str, Roster] = {}
        """By `channel_key`; for `presence_nodes`."""
        self.stamps = Stamps(clock)
        """For `presence_nodes`."""
        self._clock = clock
        self._tell = tell
        self._nodes = Nodes(clock, bus, node_id, self, answer_s) if bus is not None else None
        self._me = self._nodes.me if self._nodes is not None else Node(node_id)
        self._sessions: dict[str, list[Entry]] = {}
        """Our own entries."""
        self._grace = Leases[str](GRACE_S, tick_s=TURN_S, now_s=clock.monotonic())
        self._left: OrderedDict[tuple[str, str], None] = OrderedDict()
        """(channel, user) of leaves that this process has reported; the newest last."""
        self._turned_s = clock.monotonic()
        self._turner: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to keep time, and make this process known to the others."""
        if self._nodes is not None:
            await self._nodes.start()
        self._turner = asyncio.create_task(self._turn_forever(), name="presence")

    async def stop(self) -> None:
        """Keep no more time. Members stay for `GRACE_S` in other processes' eyes, where they may go on."""
        await cancel_and_wait([self._turner])
        if self._nodes is not None:
            await self._nodes.stop()

    def turn(self) -> None:
        """Do what is due; `start` has it done every `TURN_S`.

        When this process itself was away, what others said meanwhile is still unread: nothing ends then
        before the next turn.
        """
        now = self._clock.monotonic()
        paused_s, self._turned_s = now - self._turned_s, now
        if self._nodes is not None:
            self._nodes.turn(now, paused_s if paused_s > PAUSE_S else 0.0)
        if paused_s <= PAUSE_S:
            for session_id in self._grace.expire(now):
                self.drop(session_id)

    # --- seeing -----------------------------------------------------------------------------

    async def watch(self, app_id: AppId, channel: str) -> list[Member]:
        """Take an interest in a channel, until `unwatch`; who is there.

        Every change after that is told: join the channel's hub topic and write the snapshot before control
        returns to the event loop, and they fit. Waits for other processes, `ANSWER_S` at most; members of one
        that answers later join.

        Raises:
            Unavailable: the server is stopping.
        """
        roster = self._roster(app_id, channel)
        roster.watchers += 1
        try:
            if roster.sharing is not None and not roster.sharing.is_complete:
                await asyncio.shield(roster.sharing.opened)
        except BaseException:
            self._unwatch(roster)
            raise
        return list(roster.members())

    def unwatch(self, app_id: AppId, channel: str) -> None:
        """Take back one `watch`."""
        roster = self.rosters.get(channel_key(app_id, channel))
        if roster is not None and roster.watchers:
            self._unwatch(roster)

    async def snapshot(self, app_id: AppId, channel: str) -> list[Member]:
        """Who is there, watched or not."""
        found = await self.watch(app_id, channel)
        self.unwatch(app_id, channel)
        return found

    def members(self, app_id: AppId, channel: str) -> list[Member]:
        """Who is on a watched channel."""
        roster = self.rosters.get(channel_key(app_id, channel))
        return [] if roster is None else list(roster.members())

    def member(self, app_id: AppId, channel: str, user_id: str) -> Member | None:
        """One of them."""
        roster = self.rosters.get(channel_key(app_id, channel))
        return None if roster is None else roster.member(user_id)

    # --- a connection speaks ----------------------------------------------------------------

    def enter(
        self, app_id: AppId, channel: str, session_id: str, user_id: str, data: Mapping[str, Any] | None
    ) -> Member:
        """Be here with this data, in the place of what the user said before.

        Raises:
            NotAllowed: the data names another user.
            Invalid: it is not a JSON object, or its status is none.
            TooLarge: over `members.DATA_LIMIT_BYTES`.
        """
        said = rules.entered(user_id, data)
        return self._say(self._roster(app_id, channel), session_id, user_id, said)

    def update(
        self, app_id: AppId, channel: str, session_id: str, user_id: str, data: Mapping[str, Any] | None
    ) -> Member:
        """Change the named members of the user's data, null removes; enters if the user is absent.

        Raises:
            NotAllowed, Invalid, TooLarge: see `enter`; the limit is of the whole.
        """
        roster = self.rosters.get(channel_key(app_id, channel))
        newest = roster.newest(user_id) if roster is not None else None
        said = rules.merged(user_id, newest.data if newest is not None else b"{}", data)
        return self._say(roster or self._roster(app_id, channel), session_id, user_id, said)

    def resume(
        self, app_id: AppId, channel: str, session_id: str, user_id: str, data: Mapping[str, Any] | None
    ) -> Member:
        """Be here again after a drop.

        Within the grace nothing happens in anybody's eyes, also when another process had the session (`watch`
        first); after it this is `enter` with the last data, which the caller has kept.

        Raises:
            NotAllowed, Invalid, TooLarge: see `enter`.
        """
        roster = self.rosters.get(channel_key(app_id, channel))
        entry = roster.entries.get(session_id) if roster is not None else None
        if roster is None or entry is None:
            return self.enter(app_id, channel, session_id, user_id, data)
        return self._say(roster, session_id, user_id, entry.data, is_new=False)

    def leave(self, app_id: AppId, channel: str, session_id: str) -> bool:
        """Be here no more; False when it was not."""
        roster = self.rosters.get(channel_key(app_id, channel))
        entry = roster.entries.get(session_id) if roster is not None else None
        if entry is None:
            return False
        self._withdraw(entry)
        return True

    def detach(self, session_id: str) -> None:
        """The connection dropped; in `GRACE_S` its entries leave."""
        if session_id in self._sessions:
            self._grace.touch(session_id, self._clock.monotonic())

    def attach(self, session_id: str) -> None:
        """The connection is back, in this process; `resume` does the same for one on any process."""
        self._grace.drop(session_id)

    def drop(self, session_id: str) -> None:
        """The connection is gone for good."""
        self._grace.drop(session_id)
        for entry in list(self._sessions.get(session_id, ())):
            self._withdraw(entry)

    def _say(
        self, roster: Roster, session_id: str, user_id: str, said: bytes, *, is_new: bool = True
    ) -> Member:
        self.attach(session_id)
        former = roster.entries.get(session_id)
        if former is not None and former.user_id != user_id:
            raise ValueError("a session has one user")
        newest = roster.newest(user_id)
        if former is None or newest is None or (is_new and newest.data != said):
            stamp = self.stamps.new()
            claim = former.claim if former is not None and former.owner is self._me else stamp
            joined_ms = newest.joined_ms if newest is not None else stamp // 1000
            self._have(Entry(roster, session_id, user_id, self._me, said, joined_ms, stamp, claim))
        elif former.owner is not self._me:  # the same words, but from now on it is ours
            kept = former.data, former.joined_ms, former.stamp
            self._have(Entry(roster, session_id, user_id, self._me, *kept, self.stamps.new()))
        member = roster.member(user_id)
        assert member is not None
        return member

    def _have(self, entry: Entry) -> None:
        is_join = entry.user_id not in entry.roster.users
        if self._nodes is not None:
            self._nodes.put(entry, is_join=is_join)
        self.place(entry, by=self._me)

    def _withdraw(self, entry: Entry) -> None:
        stamp = self.stamps.new()
        if self._nodes is not None:
            claim = entry.claim if entry.owner is self._me else stamp
            self._nodes.gone(entry.roster, entry.session_id, claim, stamp)
        self.remove(entry, by=self._me, stamp=stamp)

    # --- what changes in the view (`presence_nodes.View`) ------------------------------------

    def place(self, entry: Entry, *, by: Node, is_join: bool = False) -> None:
        """A node has this entry; `is_join`: another one has reported it as a join."""
        roster = entry.roster
        former = roster.entries.get(entry.session_id)
        if former is not None:
            self._uncount(former)
        self._count(entry)
        change = roster.put(entry)
        if former is not None and former.owner is self._me and entry.owner is not self._me:
            self._settle(roster)
        if change is None:
            return
        is_origin = by is self._me
        if change[0] is Action.JOIN:
            # A node that came in between our leave and its news of it saw no join; then it is ours to report.
            place = roster.key, entry.user_id
            was_left = place in self._left
            self._left.pop(place, None)
            is_origin = is_origin or (was_left and not is_join)
        self._changed(entry, by, *change, is_origin=is_origin)

    def remove(self, entry: Entry, *, by: Node | None, stamp: int = 0, is_reporter: bool = False) -> None:
        """An entry is gone, as a node says; None: because its node is dead or has forgotten it.

        When the last two entries of a user leave in two processes at once, each sees the other's leave last.
        So the later of them by its stamp reports it, on which all agree.
        """
        roster = entry.roster
        change = roster.remove(entry)
        self._uncount(entry)
        if change is not None:
            is_origin = is_reporter
            if by is not None:
                latest = self._latest_leave(roster, entry.user_id, (stamp, by.name), *change)
                is_origin = latest == self._me.name
            if change[0] is Action.LEAVE and is_origin:
                self._remember_left(roster, entry.user_id, is_of_dead=by is None)
            self._changed(entry, by, *change, is_origin=is_origin)
        if not roster.is_wanted:
            self._settle(roster)

    @staticmethod
    def _latest_leave(
        roster: Roster, user_id: str, leave: tuple[int, str], action: Action, member: Member
    ) -> str:
        """Which node's leave of the user's entries is the latest; the last one to come knows all of them."""
        if roster.sharing is None:
            return leave[1]
        latest = roster.sharing.last_leaves
        if action is Action.LEAVE:
            return max(latest.pop(user_id, leave), leave)[1]
        latest[user_id] = max(latest.get(user_id, leave), leave)
        return leave[1]

    def _remember_left(self, roster: Roster, user_id: str, *, is_of_dead: bool) -> None:
        if roster.sharing is not None and (roster.sharing.peers or is_of_dead):
            self._left[roster.key, user_id] = None
            self._left.move_to_end((roster.key, user_id))
            if len(self._left) > RECENT:
                self._left.popitem(last=False)

    def _changed(
        self, entry: Entry, by: Node | None, action: Action, member: Member, *, is_origin: bool
    ) -> None:
        roster = entry.roster
        # Before the first snapshot is complete nobody needs to hear what others had there already.
        if is_origin or roster.sharing is None or roster.sharing.is_complete:
            session_id = entry.session_id if by is self._me else None
            self._tell(PresenceChange(roster.app_id, roster.channel, action, member, is_origin, session_id))

    def _count(self, entry: Entry) -> None:
        entry.owner.entries += 1
        if entry.owner is self._me:
            entry.roster.own += 1
            self._sessions.setdefault(entry.session_id, []).append(entry)

    def _uncount(self, entry: Entry) -> None:
        entry.owner.entries -= 1
        if entry.owner is self._me:
            entry.roster.own -= 1
            mine = self._sessions[entry.session_id]
            mine.remove(entry)
            if not mine:
                del self._sessions[entry.session_id]
                self._grace.drop(entry.session_id)

    # --- interest ---------------------------------------------------------------------------

    def _roster(self, app_id: AppId, channel: str) -> Roster:
        key = channel_key(app_id, channel)
        roster = self.rosters.get(key)
        if roster is None:
            roster = self.rosters[key] = Roster(app_id, channel)
            if self._nodes is not None:
                self._nodes.open(roster)
        return roster

    def _unwatch(self, roster: Roster) -> None:
        roster.watchers -= 1
        self._settle(roster)

    def _settle(self, roster: Roster) -> None:
        """Forget it if nobody wants it: at once when nobody else could know more."""
        if roster.is_wanted:
            return
        if self._nodes is not None:
            self._nodes.idle(roster)
        elif self.rosters.get(roster.key) is roster:
            del self.rosters[roster.key]

    async def _turn_forever(self) -> None:
        while True:
            await asyncio.sleep(TURN_S)
            try:
                self.turn()
            except Exception:
                log.exception("presence_turn_failed")

"""The other server processes: what they have on a channel, and whether they are alive.

A node has the entries of its own sockets and tells every node that is interested in the channel what becomes
of them. One that becomes interested listens first and then asks all; each answers on the channel's topic,
behind its earlier changes and before its later ones, so that nothing falls in between. A node that stays
silent is asked again as long as it is alive. Messages lost on the bus lead to asking anew.

A node that has been silent for `SILENT_S` is dead, and what was its own leaves. Until then nodes that know
its entries answer for it, because one of its sessions may come back somewhere else.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Coroutine, Iterable, Sequence
from functools import partial
from typing import Any, Protocol

import structlog

from parley.base.clock import Clock
from parley.base.errors import Unavailable
from parley.base.tasks import cancel_and_wait, wait_event
from parley.bus import Bus, Subscription
from parley.channels.realtime import presence_messages as m
from parley.channels.realtime.leases import Leases
from parley.channels.realtime.model import channel_key
from parley.channels.realtime.roster import Entry, Node, Roster, Stamps

log = structlog.get_logger(__name__)
BEAT_S = 3.0
SILENT_S = 15.0
"""Silence after which a node is dead."""
SUSPECT_S = 7.0
"""Silence after which nobody waits for a node, and others answer for it."""
ASK_AGAIN_S = 2.0
KEEP_S = 30.0
"""How long a channel that nobody wants any more is followed, for those who come back."""
PARTS_LIMIT = 1_000
"""Answers in several parts that are being collected at once."""


class View(Protocol):
    """What this needs of `Presence`."""

    @property
    def rosters(self) -> dict[str, Roster]:
        """By `channel_key`."""
        ...

    @property
    def stamps(self) -> Stamps:
        """Of this process."""
        ...

    def place(self, entry: Entry, *, by: Node, is_join: bool = False) -> None:
        """Another node has this entry."""
        ...

    def remove(self, entry: Entry, *, by: Node | None, stamp: int = 0, is_reporter: bool = False) -> None:
        """An entry is gone, as `by` says; None when its node died or has forgotten it."""
        ...


class Sharing:
    """One channel, as far as other nodes are concerned."""

    __slots__ = ("answered", "is_complete", "last_leaves", "opened", "owed", "peers", "subscription")

    def __init__(self) -> None:
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.is_complete = False
        """Whether all who were known to be alive have answered, or had time to."""
        self.answered = asyncio.Event()
        self.subscription: Subscription | None = None
        self.peers: set[Node] = set()
        """Other nodes that are interested."""
        self.owed: set[Node] = set()
        """Nodes that have not answered yet."""
        self.last_leaves: dict[str, tuple[int, str]] = {}
        """Stamp and node of the latest leave of users who are still there."""


class Nodes:
    """This node's part in keeping all views alike."""

    def __init__(self, clock: Clock, bus: Bus, node_id: str, view: View, answer_s: float) -> None:
        self._clock = clock
        self._bus = bus
        self._view = view
        self._answer_s = answer_s
        self.me = Node(f"{node_id}.{secrets.token_hex(4)}")
        self._own = m.packed_name(self.me.name)
        self._nodes: dict[str, Node] = {}
        self._subscription: Subscription | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._parts: dict[tuple[str, str, str], list[m.Row]] = {}
        self._owing: set[Roster] = set()
        self._idle = Leases[Roster](KEEP_S, tick_s=1.0, now_s=clock.monotonic())
        self._known_at = 0.0
        self._beat_s = self._asked_s = clock.monotonic()

    async def start(self) -> None:
        """Listen, and make oneself known."""
        self._subscription = await self._bus.subscribe(m.NODES, self._heard_of_nodes, on_gap=self._introduce)
        self._introduce()
        # Until then nobody can say for whose answers to wait.
        self._known_at = asyncio.get_running_loop().time() + self._answer_s

    async def stop(self) -> None:
        """Say that this node stops; its entries stay for `SILENT_S`, for sessions that go on elsewhere."""
        self._beat(is_leaving=True)
        await cancel_and_wait(self._tasks)
        if self._subscription is not None:
            await self._subscription.close()
        for roster in self._view.rosters.values():
            if roster.sharing is not None:
                if not roster.sharing.opened.done():
                    _fail(roster.sharing, Unavailable("The server is stopping."))
                if roster.sharing.subscription is not None:
                    await roster.sharing.subscription.close()

    # --- what this node tells ---------------------------------------------------------------

    def put(self, entry: Entry, *, is_join: bool) -> None:
        """Tell of an entry of ours."""
        self._tell(entry.roster, m.Put(self.me.name, _row(entry), is_join))

    def gone(self, roster: Roster, session_id: str, claim: int, stamp: int) -> None:
        """Tell that an entry has left."""
        self._tell(roster, m.Gone(self.me.name, session_id, claim, stamp))

    def open(self, roster: Roster) -> Sharing:
        """Become interested."""
        roster.sharing = Sharing()
        self._spawn(self._open(roster, roster.sharing))
        return roster.sharing

    def idle(self, roster: Roster) -> None:
        """Nobody wants it now; if that stays so for `KEEP_S`, interest ends."""
        self._idle.touch(roster, self._clock.monotonic())

    def turn(self, now_s: float, paused_s: float) -> None:
        """Do what is due: beat, ask again, give up on silent nodes and unwanted channels.

        `paused_s` is how long this process stood still and heard nobody.
        """
        for node in self._nodes.values() if paused_s else ():
            node.heard_s += paused_s
        if now_s - self._beat_s >= BEAT_S:
            self._beat()
        for node in [n for n in self._nodes.values() if now_s - n.heard_s >= SILENT_S]:
            self._bury(node)
        if now_s - self._asked_s >= ASK_AGAIN_S:
            self._asked_s = now_s
            self._ask_again()
        for roster in self._idle.expire(now_s):
            if not roster.is_wanted and not roster.is_closed:
                self._close(roster)

    def _tell(self, roster: Roster, message: m.Message) -> None:
        self._bus.publish(m.topic_of(roster.key), m.encode(message))

    def _introduce(self) -> None:
        self._beat(is_first=True)

    def _beat(self, *, is_first: bool = False, is_leaving: bool = False) -> None:
        self._beat_s = self._clock.monotonic()
        beat = m.Beat(self.me.name, self.me.entries, is_first, is_leaving)
        self._bus.publish(m.NODES, m.encode(beat))

    # --- becoming interested, and losing interest -------------------------------------------

    async def _open(self, roster: Roster, sharing: Sharing) -> None:
        try:
            sharing.subscription = await self._bus.subscribe(
                m.topic_of(roster.key), partial(self._heard, roster), on_gap=partial(self._ask, roster)
            )
            self._ask(roster)
            loop = asyncio.get_running_loop()
            end = loop.time() + self._answer_s
            while (left_s := end - loop.time()) > 0 and (sharing.owed or loop.time() < self._known_at):
                sharing.answered.clear()
                await wait_event(sharing.answered, left_s if sharing.owed else self._known_at - loop.time())
        except Exception as failure:
            self._close(roster)
            _fail(sharing, failure)
            log.exception("presence_not_shared", channel=roster.channel)
            return
        sharing.is_complete = True
        sharing.opened.set_result(None)

    def _close(self, roster: Roster) -> None:
        sharing = roster.sharing
        roster.is_closed = True
        self._view.rosters.pop(roster.key, None)
        self._owing.discard(roster)
        for entry in roster.entries.values():
            entry.owner.entries -= 1
        self._bus.publish(m.NODES, m.encode(m.Closed(self.me.name, roster.app_id, roster.channel)))
        if sharing is not None and sharing.subscription is not None:
            self._spawn(sharing.subscription.close())

    def _ask(self, roster: Roster, of: Iterable[Node] | None = None) -> None:
        """Ask everybody, or some; they owe an answer as long as they live."""
        sharing = roster.sharing
        if sharing is None or roster.is_closed:
            return
        if of is None:
            sharing.owed |= set(filter(self._is_well, self._nodes.values()))
            asked: list[str | None] = [None]
        else:
            asked = [node.name for node in of]
        for to in asked:
            self._bus.publish(m.NODES, m.encode(m.Ask(self.me.name, to, roster.app_id, roster.channel)))
        if sharing.owed:
            self._owing.add(roster)

    def _ask_again(self) -> None:
        for roster in list(self._owing):
            if roster.sharing is None or not roster.sharing.owed:
                self._owing.discard(roster)
            elif roster.sharing.is_complete:
                self._ask(roster, roster.sharing.owed)

    # --- nodes --------------------------------------------------------------------------------

    def _meet(self, name: str, *, has_entries: bool = True) -> Node:
        """Whoever speaks is alive; one that we do not know may have entries that we do not know."""
        now = self._clock.monotonic()
        node = self._nodes.get(name)
        if node is None:
            node = self._nodes[name] = Node(name, now)
            is_known = False
        else:
            is_known = self._is_well(node)
        if has_entries and not is_known:
            for roster in self._view.rosters.values():
                if roster.sharing is not None:
                    roster.sharing.owed.add(node)
                    self._owing.add(roster)
        node.heard_s = now
        return node

    def _is_well(self, node: Node) -> bool:
        """Whether it makes sense to wait for it."""
        return not node.is_leaving and self._clock.monotonic() - node.heard_s < SUSPECT_S

    def _heard_of_nodes(self, payload: bytes) -> None:
        if m.is_from(payload, self._own):
            return
        message = m.decode(payload)
        if isinstance(message, m.Beat):
            node = self._meet(message.node, has_entries=message.entries > 0)
            node.is_leaving = message.is_leaving
            if message.is_leaving:
                for roster in self._owing:
                    if roster.sharing is not None:
                        self._no_longer_owed(roster.sharing, node)
            if message.is_first:
                self._beat()
        elif isinstance(message, m.Ask) and message.to in (None, self.me.name):
            node = self._meet(message.node)
            self._answer(node, message)
        elif isinstance(message, m.Closed):
            node = self._meet(message.node)
            closed = self._view.rosters.get(channel_key(message.app_id, message.channel))
            if closed is not None and closed.sharing is not None:
                closed.sharing.peers.discard(node)

    def _bury(self, node: Node) -> None:
        """A node is dead. Of those who saw its members, the lowest reports their leaving."""
        del self._nodes[node.name]
        for key in [key for key in self._parts if node.name in key[1:]]:
            del self._parts[key]
        for roster in list(self._view.rosters.values()):
            sharing = roster.sharing
            if sharing is None:
                continue
            sharing.peers.discard(node)
            self._no_longer_owed(sharing, node)
            if not node.entries:
                continue
            is_reporter = all(self.me.name < p.name for p in sharing.peers if self._is_well(p))
            for entry in [entry for entry in roster.entries.values() if entry.owner is node]:
                self._view.remove(entry, by=None, is_reporter=is_reporter)

    @staticmethod
    def _no_longer_owed(sharing: Sharing, node: Node) -> None:
        sharing.owed.discard(node)
        if not sharing.owed:
            sharing.answered.set()

    # --- answers ------------------------------------------------------------------------------

    def _answer(self, asker: Node, ask: m.Ask) -> None:
        """Tell what we have, and what nodes had that may not answer any more."""
        roster = self._view.rosters.get(channel_key(ask.app_id, ask.channel))
        rows: dict[Node, list[m.Row]] = {self.me: []}
        now = self._clock.monotonic()
        if roster is not None and roster.sharing is not None:
            roster.sharing.peers.add(asker)
            for entry in roster.entries.values():
                owner = entry.owner
                if owner is self.me or not self._is_well(owner):
                    rows.setdefault(owner, []).append(_row(entry))
        topic = m.topic_of(channel_key(ask.app_id, ask.channel))
        for owner, found in rows.items():
            silent_ms = 0 if owner is self.me else int((now - owner.heard_s) * 1000)
            parts = _split(found)
            for number, part in enumerate(parts):
                here = m.Here(
                    node=self.me.name,
                    to=asker.name,
                    owner=owner.name,
                    silent_ms=silent_ms,
                    is_interested=roster is not None,
                    part=number,
                    is_last=number == len(parts) - 1,
                    rows=m.encode(part),
                )
                self._bus.publish(topic, m.encode(here))

    def _heard(self, roster: Roster, payload: bytes) -> None:
        sharing = roster.sharing
        if m.is_from(payload, self._own) or roster.is_closed or sharing is None:
            return
        message = m.decode(payload)
        node = self._meet(message.node)
        if isinstance(message, m.Put):
            sharing.peers.add(node)
            self._take(roster, node, message.row, is_join=message.is_join)
        elif isinstance(message, m.Gone):
            self._view.stamps.saw(message.stamp)
            entry = roster.entries.get(message.session_id)
            # An equal claim of another node is a takeover that came after.
            if entry is not None and entry.claim < message.claim + (entry.owner is node):
                self._view.remove(entry, by=node, stamp=message.stamp)
        elif isinstance(message, m.Here):
            if message.is_interested:
                sharing.peers.add(node)
            if message.to == self.me.name:
                self._collect(roster, sharing, node, message)

    def _collect(self, roster: Roster, sharing: Sharing, node: Node, here: m.Here) -> None:
        key = (roster.key, here.node, here.owner)
        rows = self._parts.pop(key, []) if here.part else []
        if not here.part and len(self._parts) >= PARTS_LIMIT:
            self._parts.clear()  # they are owed still, and will be asked for again
        rows += m.decode_rows(here.rows)
        if not here.is_last:
            self._parts[key] = rows
            return
        if here.owner == self.me.name:
            return  # somebody who took our silence for death
        owner = node if here.owner == here.node else self._orphaned(here)
        for row in rows:
            self._take(roster, owner, row, is_join=False)
        if owner is node:
            present = {row.session_id for row in rows}
            for entry in [e for e in roster.entries.values() if e.owner is node]:
                if entry.session_id not in present:
                    self._view.remove(entry, by=None)
            self._no_longer_owed(sharing, node)

    def _orphaned(self, here: m.Here) -> Node:
        owner = self._nodes.get(here.owner)
        if owner is None:
            heard_s = self._clock.monotonic() - here.silent_ms / 1000
            owner = self._nodes[here.owner] = Node(here.owner, heard_s)
            owner.is_leaving = True  # or dead; if it speaks again, that is known
        return owner

    def _take(self, roster: Roster, owner: Node, row: m.Row, *, is_join: bool) -> None:
        self._view.stamps.saw(max(row.stamp, row.claim))
        entry = Entry(
            roster, row.session_id, row.user_id, owner, row.data, row.joined_ms, row.stamp, row.claim
        )
        former = roster.entries.get(row.session_id)
        if former is None or (entry.beats(former) and former.user_id == entry.user_id):
            self._view.place(entry, by=owner, is_join=is_join)
            if former is not None and former.owner is self.me:
                # Whoever heard of ours last must not keep it.
                self.gone(roster, former.session_id, former.claim, former.stamp)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="presence")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _fail(sharing: Sharing, failure: Exception) -> None:
    sharing.opened.set_exception(failure)
    sharing.opened.exception()  # whoever waits raises it; nobody need


def _row(entry: Entry) -> m.Row:
    return m.Row(entry.session_id, entry.user_id, entry.data, entry.joined_ms, entry.stamp, entry.claim)


def _split(rows: Sequence[m.Row]) -> list[list[m.Row]]:
    """At least one part, each small enough for the bus."""
    parts: list[list[m.Row]] = [[]]
    size = 0
    for row in rows:
        size += len(row.data) + m.ROW_BYTES
        if size > m.PART_BYTES and parts[-1]:
            parts.append([])
            size = len(row.data) + m.ROW_BYTES
        parts[-1].append(row)
    return parts

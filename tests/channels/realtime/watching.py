"""A server process as a test sees it: its presence, what it told, and whether that is enough to follow it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from functools import partial
from typing import cast

from parley.base.clock import ManualClock
from parley.base.ids import AppId
from parley.bus import Bus, MemoryBus, Subscription
from parley.bus.ports import Callback, OnGap
from parley.channels.realtime.members import Action, Member, PresenceChange
from parley.channels.realtime.presence import Presence
from tests.waiting import until

ANSWER_S = 0.05
APP = AppId("app")
ROOM = "presence:room"
OTHER = "presence:other"
Members = dict[str, Member]


class Process:
    """One of the processes on a bus, or the only one."""

    def __init__(self, clock: ManualClock, bus: Bus | None = None, name: str = "n") -> None:
        self.name = name
        self.changes: list[PresenceChange] = []
        self.presence = Presence(clock, bus, name, self._tell, answer_s=ANSWER_S)
        self._followed: dict[tuple[AppId, str], Members] = {}

    @property
    def actions(self) -> list[str]:
        return [f"{change.action} {change.member.user_id}" for change in self.changes]

    @property
    def reported(self) -> list[str]:
        """What it would tell the world outside."""
        return [f"{c.action} {c.member.user_id}" for c in self.changes if c.is_origin]

    async def watch(self, app_id: AppId, channel: str) -> list[Member]:
        """Watch, and follow the channel from its snapshot by what is told alone."""
        found = await self.presence.watch(app_id, channel)
        self._followed[app_id, channel] = {member.user_id: member for member in found}
        return found

    def unwatch(self, app_id: AppId, channel: str) -> None:
        """Follow it no more."""
        del self._followed[app_id, channel]
        self.presence.unwatch(app_id, channel)

    def is_watching(self, app_id: AppId, channel: str) -> bool:
        """Whether it follows it."""
        return (app_id, channel) in self._followed

    def _tell(self, change: PresenceChange) -> None:
        self.changes.append(change)
        followed = self._followed.get((change.app_id, change.channel))
        if followed is None:
            return
        user_id = change.member.user_id
        if change.action is Action.LEAVE:
            del followed[user_id]
            return
        assert (user_id in followed) == (change.action is Action.UPDATE), change
        assert followed.get(user_id) != change.member, "nothing has changed"
        followed[user_id] = change.member

    def seen(self, app_id: AppId, channel: str) -> Members:
        """Its view now."""
        return {member.user_id: member for member in self.presence.members(app_id, channel)}

    def check(self) -> None:
        """What was told since the snapshot gives the view."""
        for (app_id, channel), followed in self._followed.items():
            assert followed == self.seen(app_id, channel)

    async def told(self, action: str) -> None:
        """Wait until it has told that."""
        await until(lambda: "" if action in self.actions else f"{action} not in {self.actions}")


def pass_time(clock: ManualClock, seconds: float, *processes: Process) -> None:
    """Let time go by for processes that run on."""
    for _ in range(round(seconds / 0.5)):
        clock.advance(0.5)
        for process in processes:
            process.presence.turn()


class Line:
    """A process's connection to a shared bus, which can be cut, or be slow.

    What it says while it is cut is lost, what others say does not reach it; when it is mended, both sides
    hear that there was a gap, as the contract of a bus says.
    """

    def __init__(self, bus: MemoryBus, others: list[Line]) -> None:
        self._bus = bus
        self._others = others
        self._gaps: dict[str, list[OnGap]] = {}
        self._lost: set[str] = set()
        self.is_cut = False
        self.is_slow = False
        """What it says and what it would hear waits until `hurry`."""
        self._waiting: list[Callable[[], None]] = []
        others.append(self)

    async def subscribe(self, topic: str, callback: Callback, *, on_gap: OnGap | None = None) -> Subscription:
        if on_gap is not None:
            self._gaps.setdefault(topic, []).append(on_gap)
        return await self._bus.subscribe(topic, lambda data: self._carry(partial(callback, data)))

    def publish(self, topic: str, payload: bytes) -> None:
        if self.is_cut:
            self._lost.add(topic)
        else:
            self._carry(partial(self._bus.publish, topic, payload))

    def _carry(self, deliver: Callable[[], None]) -> None:
        if self.is_slow:
            self._waiting.append(deliver)
        elif not self.is_cut:
            deliver()

    def hurry(self) -> None:
        self.is_slow = False
        waiting, self._waiting = self._waiting, []
        for deliver in waiting:
            deliver()

    def mend(self) -> None:
        self.is_cut = False
        for topics in [*self._gaps.values()]:
            for on_gap in topics:
                on_gap()
        for other in self._others:
            for topic in self._lost if other is not self and not other.is_cut else ():
                for on_gap in other._gaps.get(topic, ()):
                    on_gap()
        self._lost.clear()


class Cluster:
    """Several processes on one bus."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self._bus = MemoryBus(clock)
        self._lines: list[Line] = []
        self.processes: list[Process] = []
        self._line_of: dict[Process, Line] = {}

    async def add(self, name: str) -> Process:
        """Start one more."""
        line = Line(self._bus, self._lines)
        process = Process(self.clock, cast("Bus", line), name)
        self._line_of[process] = line
        self.processes.append(process)
        await process.presence.start()
        await self.settle()
        return process

    def cut(self, process: Process) -> None:
        """It hears nobody and nobody hears it."""
        self._line_of[process].is_cut = True

    def mend(self, process: Process) -> None:
        """Undo `cut`."""
        self._line_of[process].mend()

    def slow(self, process: Process) -> None:
        """What it says and what it would hear waits until `hurry`."""
        self._line_of[process].is_slow = True

    def hurry(self, process: Process) -> None:
        """Undo `slow`."""
        self._line_of[process].hurry()

    def kill(self, process: Process) -> None:
        """As by `kill -9`: it does nothing more, and says so to nobody."""
        self.cut(process)
        self.processes.remove(process)

    async def settle(self) -> None:
        """Let everything arrive that is on its way."""
        for _ in range(12):
            await asyncio.sleep(0)

    async def pass_time(self, seconds: float) -> None:
        """Let time go by for those that are alive."""
        for _ in range(round(seconds / 0.5)):
            pass_time(self.clock, 0.5, *self.processes)
            await self.settle()

    async def close(self) -> None:
        """End all, killed ones too."""
        for process in self._line_of:
            await process.presence.stop()
        await self._bus.close()


def reported(*processes: Process) -> list[str]:
    """What they would tell the world together, in no order."""
    return sorted(itertools.chain.from_iterable(process.reported for process in processes))

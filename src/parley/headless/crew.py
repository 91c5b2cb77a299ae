"""One or many headless participants for `parley join`, and what they see, as lines of text."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from parley.headless.client import HeadlessClient
from parley.headless.errors import CannotJoin
from parley.headless.news import (
    CannotPublish,
    ChatReceived,
    Ended,
    Ending,
    Joined,
    MediaRestarted,
    MutedByHost,
    News,
    PersonJoined,
    PersonLeft,
    Reconnected,
    Reconnecting,
    Waiting,
)
from parley.headless.run import JoinOptions
from parley.headless.sources import NOTHING, MediaSource, file_source, tone_source

REPORT_EVERY_S = 5.0
Print = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Received:
    """What one participant got of one medium of somebody else."""

    peer_id: str
    name: str
    kind: str
    packets: int
    bytes: int
    frames: int
    decoded_frames: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one participant fared."""

    peer_id: str
    name: str
    joined: bool
    join_s: float
    reconnects: int
    ending: str
    reason: str
    chat_messages: int
    received: list[Received]

    @property
    def is_good(self) -> bool:
        """Joined, and left of its own will."""
        return self.joined and self.ending == Ending.LEFT


async def run(options: JoinOptions, show: Print, stop: asyncio.Event) -> list[Outcome]:
    """Join, stay until `stop` is set, the time is over or the session ends, and leave.

    Raises:
        CannotJoin: the media file cannot be used. What happens to single participants is in their outcomes.
    """
    quiet = options.as_json
    participants: list[_Participant] = []
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        for index in range(options.count):
            source = await _source(options, index)
            tell: Print = (lambda _: None) if quiet else show
            participants.append(_Participant(options, index, source, tell, http))
        reporter = None if quiet else asyncio.create_task(_report(participants, show), name="join report")
        clock = _stop_later(options.seconds, participants, stop)
        stopping = asyncio.create_task(clock, name="join clock")
        try:
            async with asyncio.TaskGroup() as group:
                running = [group.create_task(participant.run(stop)) for participant in participants]
        finally:
            for task in filter(None, (reporter, stopping)):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
    return [task.result() for task in running]


async def _source(options: JoinOptions, index: int) -> MediaSource | None:
    if options.media == "none":
        return None
    if options.media == "watch":
        return NOTHING
    if options.media == "tone":
        return await tone_source(_name(options, index) or f"Participant {index + 1}", index)
    return file_source(Path(options.media))


def _name(options: JoinOptions, index: int) -> str | None:
    if options.count == 1 or options.name is None:
        return options.name
    return f"{options.name} {index + 1}"


async def _stop_later(seconds: float | None, participants: list[_Participant], stop: asyncio.Event) -> None:
    """The time runs once nobody is on the way any more, so that all are there together."""
    if seconds is not None:
        for participant in participants:
            await participant.arrived.wait()
        await asyncio.sleep(seconds)
        stop.set()


async def _report(participants: list[_Participant], show: Print) -> None:
    while True:
        await asyncio.sleep(REPORT_EVERY_S)
        for participant in participants:
            participant.report(show)


class _Participant:
    """One of `--count`."""

    def __init__(
        self,
        options: JoinOptions,
        index: int,
        source: MediaSource | None,
        show: Print,
        http: aiohttp.ClientSession,
    ) -> None:
        self._options = options
        self._prefix = f"[{index + 1}] " if options.count > 1 else ""
        self._show = show
        self._joined = False
        self.arrived = asyncio.Event()
        """Inside, waiting to be admitted, or not coming."""
        self._chat_messages = 0
        self._reconnects = 0
        self._names: dict[str, str] = {}
        self._client = HeadlessClient(
            options.token,
            options.url,
            name=_name(options, index),
            media=source,
            on_news=self._tell,
            on_frame=(lambda _track, _frame: None) if options.decode else None,
            http=http,
        )

    async def run(self, stop: asyncio.Event) -> Outcome:
        """Join, stay, leave."""
        client = self._client
        stopped = asyncio.create_task(stop.wait())
        joining = asyncio.create_task(client.join())
        try:
            await asyncio.wait({stopped, joining}, return_when=asyncio.FIRST_COMPLETED)
            if not joining.done():
                joining.cancel()
                await asyncio.wait({joining})
                return self._outcome(Ended(Ending.LEFT, "Stopped before having joined."))
            joining.result()
            self._joined = True
            self.arrived.set()
            if self._options.say is not None:
                await client.send_chat(self._options.say)
            either: list[asyncio.Future[Any]] = [stopped, client.ended]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        except CannotJoin as error:
            self._show(f"{self._prefix}{error.message}")
            return self._outcome(Ended(Ending.LOST, error.message))
        finally:
            self.arrived.set()
            stopped.cancel()
            await client.leave()
        return self._outcome(client.ended.result())

    def report(self, show: Print) -> None:
        """One line: what arrived until now."""
        if not self._joined:
            return
        lines = [
            f"{each.name} {each.kind}: {each.frames} frames, {each.bytes // 1000} kB"
            + (f", {each.decoded_frames} decoded" if self._options.decode else "")
            for each in self._received()
        ]
        show(f"{self._prefix}{len(self._client.people)} others; " + ("; ".join(lines) or "nothing received"))

    def _received(self) -> list[Received]:
        self._names.update({peer_id: person.name for peer_id, person in self._client.people.items()})
        return [
            Received(
                peer_id=total.peer_id,
                name=self._names.get(total.peer_id, total.peer_id),
                kind=total.kind,
                packets=total.packets,
                bytes=total.bytes,
                frames=total.frames,
                decoded_frames=total.decoded_frames,
            )
            for total in self._client.totals()
        ]

    def _outcome(self, ended: Ended) -> Outcome:
        return Outcome(
            peer_id=self._client.peer_id,
            name=self._client.name,
            joined=self._joined,
            join_s=round(self._client.join_s, 3),
            reconnects=self._reconnects,
            ending=ended.ending,
            reason=ended.reason,
            chat_messages=self._chat_messages,
            received=self._received(),
        )

    def _tell(self, news: News) -> None:
        if isinstance(news, Waiting):
            self.arrived.set()
        line = self._line(news)
        if line is not None:
            self._show(self._prefix + line)

    def _line(self, news: News) -> str | None:
        match news:
            case Waiting():
                return "Waiting for a host to open the door."
            case Joined(others):
                title = self._client.invitation.title if self._client.invitation else ""
                present = ", ".join(others) if others else "nobody else"
                me = f"{self._client.name!r} in {self._client.join_s:.2f} s"
                return f"Joined {title!r} as {me}; here: {present}."
            case PersonJoined(_, name):
                return f"{name} joined."
            case PersonLeft(peer_id, name):
                self._names[peer_id] = name
                return f"{name} left."
            case ChatReceived(_, name, text):
                self._chat_messages += 1
                return f"{name}: {text}"
            case CannotPublish(kind, reason):
                return f"Cannot publish {kind}: {reason}"
            case MutedByHost(kind):
                return f"A host turned our {kind} off."
            case MediaRestarted():
                return "Media was lost and is being connected again."
            case Reconnecting(reason):
                return f"{reason} Coming back..."
            case Reconnected(after_s, attempts):
                self._reconnects += 1
                return f"Back in the meeting after {after_s:.1f} s (attempt {attempts})."
            case Ended(_, reason):
                return reason if self._joined else None

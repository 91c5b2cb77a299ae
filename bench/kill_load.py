"""People who talk while servers die, and what each of them saw.

Half of the listeners are the Python client, which mends gaps; the other half speak frames themselves and hold
the server to its word: whatever a frame leaves out without `recovered: false` is a gap that nobody reported.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from parley_realtime import Client, Message, Options, Reload, ServerRefused
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

WINDOW = 8
"""Messages of one publisher that are on their way at once."""
PAUSE_S = 0.3
"""Between two messages of one of these, at most."""
PATIENT = Options(
    reconnect_delay_s=0.05,
    reconnect_delay_max_s=0.5,
    max_reconnect_attempts=None,
    connect_timeout_s=5.0,
    heartbeat_interval_s=5.0,
    heartbeat_timeout_s=5.0,
    request_timeout_s=120.0,
    report_delivered=False,
)
"""Servers are away for seconds, again and again."""


class Acknowledged(NamedTuple):
    """A message that the server said is stored."""

    channel: str
    client_id: str
    id: str
    offset: int
    publisher: str
    number: int


class Pulse:
    """How long nobody was answered."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._last = 0.0

    def beat(self) -> None:
        """Somebody was answered."""
        now = time.monotonic()
        if self._last:
            self.longest_s = max(self.longest_s, now - self._last)
        self._last = now


class Publisher:
    """Sends numbered messages to one channel until it is told to stop."""

    def __init__(
        self, url: str, token: str, name: str, channel: str, pulse: Pulse, chance: random.Random
    ) -> None:
        self.name = name
        self.acknowledged: list[Acknowledged] = []
        self.refused = 0
        """Not stored, and told so."""
        self._channel = channel
        self._token = token
        self._pulse = pulse
        self._chance = chance
        self._client = Client(url, options=PATIENT)
        self._numbers = itertools.count()
        self._is_over = False

    async def run(self) -> None:
        """Publish; returns when all answers are there."""
        async with self._client as client:
            await client.realtime.connect(self._token)
            await client.realtime.subscribe(self._channel)
            async with asyncio.TaskGroup() as tasks:
                for _ in range(WINDOW):
                    tasks.create_task(self._send_on())

    def stop(self) -> None:
        """Send no more."""
        self._is_over = True

    async def _send_on(self) -> None:
        channel = self._client.realtime.channel(self._channel)
        while not self._is_over:
            await asyncio.sleep(self._chance.uniform(0, PAUSE_S))
            number = next(self._numbers)
            client_id = f"{self.name}-{number}"
            try:
                made = await channel.send(
                    {"by": self.name, "number": number},
                    client_id=client_id,
                    echo=self._chance.random() < 0.5,
                )
            except ServerRefused:
                self.refused += 1
                continue
            self._pulse.beat()
            place = Acknowledged(self._channel, client_id, made.id, made.offset, self.name, number)
            self.acknowledged.append(place)


@dataclass
class Seen:
    """What somebody saw of one channel."""

    epoch: str = ""
    offset: int = 0
    ids: dict[int, str] = field(default_factory=dict)
    """By offset."""
    reported: int = 0
    """Publications that were missed, and that the listener was told of."""
    unreported: int = 0
    decreased: int = 0
    """Publications that came out of order, or twice."""
    first: int = 0
    """The place it began behind."""

    def began(self, epoch: str, offset: int) -> None:
        """Subscribed for the first time."""
        self.epoch, self.offset, self.first = epoch, offset, offset

    def took(self, epoch: str, offset: int, id_: str) -> None:
        """A publication came."""
        if epoch != self.epoch:
            self.unreported += 1
            self.epoch = epoch
        elif offset <= self.offset:
            self.decreased += 1
            return
        else:
            self.unreported += offset - self.offset - 1
        self.offset = offset
        self.ids[offset] = id_

    def reloaded(self, epoch: str, offset: int) -> None:
        """What lies before this place cannot be had."""
        self.reported += max(1, offset - self.offset)
        self.epoch, self.offset = epoch, offset


class Listener:
    """Through the Python client."""

    def __init__(self, url: str, token: str, channels: list[str]) -> None:
        self.seen = {channel: Seen() for channel in channels}
        self.resumed: Counter[bool] = Counter()
        self._url = url
        self._token = token

    async def run(self) -> None:
        """Listen until cancelled."""
        async with Client(self._url, options=PATIENT) as client:
            client.realtime.on("connected", lambda told: self.resumed.update([told.resumed]))
            await client.realtime.connect(self._token)
            async with asyncio.TaskGroup() as tasks:
                for name, seen in self.seen.items():
                    tasks.create_task(self._follow(client, name, seen))

    async def _follow(self, client: Client, name: str, seen: Seen) -> None:
        channel = client.realtime.channel(name)
        async with channel.listen() as stream:
            await client.realtime.subscribe(name)
            assert channel.position is not None
            seen.began(*channel.position)
            async for item in stream:
                if isinstance(item, Reload):
                    seen.reloaded(item.epoch, item.offset)
                elif isinstance(item, Message):
                    seen.took(item.epoch, item.offset, item.id)


class FrameListener:
    """Speaks frames, and trusts nobody."""

    def __init__(self, url: str, token: str, channels: list[str]) -> None:
        self.seen = {channel: Seen() for channel in channels}
        self.resumed: Counter[bool] = Counter()
        self._url = "ws" + url.removeprefix("http") + "/v1/realtime/ws"
        self._token = token
        self._resume: dict[str, Any] | None = None

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            with contextlib.suppress(OSError, WebSocketException, TimeoutError):
                await self._listen()
            await asyncio.sleep(0.1)

    async def _listen(self) -> None:
        async with connect(self._url, ping_interval=5, ping_timeout=5, open_timeout=5) as socket:
            hello: dict[str, Any] = {"type": "connect", "token": self._token}
            if self._resume is not None:
                places = {name: _place(seen) for name, seen in self.seen.items() if seen.epoch}
                hello["resume"] = {**self._resume, "channels": places}
            await socket.send(json.dumps(hello))
            async for text in socket:
                frame = json.loads(text)
                for answer in self._take(frame):
                    await socket.send(json.dumps(answer))

    def _take(self, frame: dict[str, Any]) -> list[dict[str, Any]]:
        """Note a frame; what to send next."""
        kind = frame["type"]
        if kind == "message":
            self.seen[frame["channel"]].took(frame["epoch"], frame["offset"], frame["id"])
        elif kind == "ack":
            told = frame["result"]
            self._joined(told["channel"], told)
        elif kind == "error":
            raise WebSocketException(str(frame))
        elif kind == "welcome":
            self.resumed[frame["resumed"]] += 1
            self._resume = {"session_id": frame["session_id"], "resume_token": frame["resume_token"]}
            if frame["resumed"]:
                for name, told in frame["channels"].items():
                    self._joined(name, told)
            missing = set(self.seen) - set(frame.get("channels", ()))
            return [self._subscribe(name) for name in sorted(missing)]
        return []

    def _subscribe(self, name: str) -> dict[str, Any]:
        seen = self.seen[name]
        since = {"since": _place(seen)} if seen.epoch else {}
        return {"type": "subscribe", "id": name, "channel": name, **since}

    def _joined(self, name: str, told: dict[str, Any]) -> None:
        seen = self.seen[name]
        if not seen.epoch:
            seen.began(told["epoch"], told["offset"])
        elif told["recovered"] is False:
            seen.reloaded(told["epoch"], told["offset"])
        elif told["epoch"] != seen.epoch or told["offset"] < seen.offset:
            seen.decreased += 1


def _place(seen: Seen) -> dict[str, Any]:
    return {"epoch": seen.epoch, "offset": seen.offset}

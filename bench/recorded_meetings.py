"""Meetings that are recorded while their servers are killed: participants, recordings, and what arrives."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from bench.recorded_films import Film, longest_hole_s, lost_s, read
from parley.headless.client import HeadlessClient, Persistence
from parley.headless.sources import MediaSource, tone_hz, tone_source

ASK_S = 60.0
WAIT_S = 180.0
"""For anything that has to happen by itself."""
LOOK_S = 0.1
GROWS_S = 3.0
"""A file that did not grow for longer than this is not written any more; Janus writes 4 KB at a time."""
RIGHT_S = 0.5
"""How far the length of a recording may be from the time between its start and its stop."""
_AT_ONCE = Persistence(attempts=1_000, base_s=0.3, longest_s=1.0)


class Kit:
    """The REST API of one app."""

    def __init__(self, http: aiohttp.ClientSession, url: str, account: str, token: str) -> None:
        self.http, self.url = http, url
        self._base = f"{url}/client/v4/accounts/{account}/realtime/kit"
        self._headers = {"Authorization": f"Bearer {token}"}
        self.app = ""

    async def ask(self, method: str, path: str, **body: Any) -> Any:
        """The data of an answer; a server that is not there is asked again."""
        deadline = time.monotonic() + ASK_S
        while True:
            try:
                async with self.http.request(
                    method, f"{self._base}{path}", json=body or None, headers=self._headers
                ) as answer:
                    if answer.status < 300:
                        return (await answer.json())["data"]
                    if answer.status < 500 or time.monotonic() > deadline:
                        raise RuntimeError(f"{method} {path}: {answer.status} {await answer.text()}")
            except aiohttp.ClientError:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(LOOK_S)

    async def content(self, link: str) -> bytes:
        """What a link of this server leads to."""
        parts = urlsplit(link)
        async with self.http.get(f"{self.url}{parts.path}?{parts.query}") as answer:
            answer.raise_for_status()
            return await answer.read()


class Writing:
    """Which files the media engine is writing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sizes: dict[str, int] = {}
        self._grown: dict[str, float] = {}
        """When each was seen to grow last, monotonic."""

    def _look(self) -> None:
        now = time.monotonic()
        for path in self._folder.glob("*.mjr"):
            try:
                size = path.stat().st_size
            except FileNotFoundError:
                continue
            if size > self._sizes.get(path.name, 0):
                self._sizes[path.name], self._grown[path.name] = size, now

    def names(self) -> set[str]:
        """Of all files there are, also of those that nothing is in yet."""
        return {path.name for path in self._folder.glob("*.mjr")}

    async def until(self, streams: int, *, without: set[str]) -> None:
        """Return when so many files grow that are not among those."""
        async with asyncio.timeout(WAIT_S):
            while True:
                self._look()
                since = time.monotonic() - GROWS_S
                if sum(at > since for name, at in self._grown.items() if name not in without) >= streams:
                    return
                await asyncio.sleep(LOOK_S)


@dataclass(slots=True)
class Verdict:
    """What is wrong with a recording, and how much of it is lost."""

    wrong: list[str] = field(default_factory=list)
    is_playable: bool = False
    lost_s: float = 0.0
    """At most, at the end of what was captured before a kill or a stop; of any voice, or of the pictures."""
    hole_s: float = 0.0
    """The longest time within it in which somebody cannot be heard."""
    off_s: float = 0.0
    """Between its length and the time it was recorded for."""
    worst: str = ""
    """What is lost most: which stream, and what ended it."""


@dataclass(slots=True)
class RecordedMeeting:
    """One meeting, its participants, and its recording."""

    kit: Kit
    clients: list[HeadlessClient]
    tones_hz: list[int]
    recording: str = ""
    stretches: list[tuple[float, float, str]] = field(default_factory=list)
    """From when all streams were captured until something ended that, seconds since 1970; and what did."""

    @property
    def streams(self) -> int:
        """Sound and picture of each."""
        return 2 * len(self.clients)

    async def record(self, id_: str, config: Mapping[str, Any]) -> None:
        """Begin; returns when the server says that it records."""
        self.recording = (
            await self.kit.ask("POST", f"/{self.kit.app}/recordings", meeting_id=id_, **config)
        )["id"]
        async with asyncio.timeout(WAIT_S):
            while (await self.look())["status"] != "RECORDING":  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(LOOK_S)

    async def look(self) -> Any:
        """The recording as the API has it."""
        return await self.kit.ask("GET", f"/{self.kit.app}/recordings/{self.recording}")

    async def stop(self) -> None:
        """End it."""
        await self.kit.ask("PUT", f"/{self.kit.app}/recordings/{self.recording}", action="stop")

    async def leave(self) -> None:
        """Everybody goes."""
        await asyncio.gather(*(client.leave() for client in self.clients))

    async def finished(self) -> Verdict:
        """Wait until it is finished, and look at all of it."""
        verdict = Verdict()
        deadline = time.monotonic() + WAIT_S
        while (found := await self.look())["status"] not in ("UPLOADED", "ERRORED"):
            if time.monotonic() > deadline:
                verdict.wrong.append(f"it stays {found['status']}")
                return verdict
            await asyncio.sleep(LOOK_S)
        if found["status"] == "ERRORED":
            verdict.wrong.append(f"ERRORED: {found.get('error')}")
            return verdict
        content = await self.kit.content(found["download_url"])
        try:
            film = await asyncio.to_thread(read, content, self.tones_hz)
        except Exception as broken:  # whatever a damaged file brings forth
            verdict.wrong.append(f"it cannot be played: {broken!r}")
            return verdict
        verdict.is_playable = True
        self._judge(film, _seconds(found["started_time"]), _seconds(found["stopped_time"]), verdict)
        return verdict

    def _judge(self, film: Film, started: float, stopped: float, verdict: Verdict) -> None:
        verdict.off_s = abs(film.length_s - (stopped - started))
        streams = {f"{hz} Hz": heard for hz, heard in zip(self.tones_hz, film.heard, strict=True)}
        streams["pictures"] = film.moved
        for begun, until, ended_by in self.stretches:
            place = begun - started, min(until, stopped) - started
            for name, instants in streams.items():
                lost = lost_s(instants, *place)
                if lost > verdict.lost_s:
                    verdict.lost_s = lost
                    verdict.worst = f"{name} before {ended_by} at {place[1]:.2f} s of {film.length_s:.2f} s"
                if name != "pictures":  # these are different more seldom than sound is heard
                    verdict.hole_s = max(verdict.hole_s, longest_hole_s(instants, *place))


async def meeting(kit: Kit, sources: Mapping[int, MediaSource], config: Mapping[str, Any]) -> RecordedMeeting:
    """A new meeting in which everybody sends, and which is recorded."""
    id_ = (await kit.ask("POST", f"/{kit.app}/meetings", title="Recorded"))["id"]
    clients = []
    for number, source in sources.items():
        person = await kit.ask(
            "POST",
            f"/{kit.app}/meetings/{id_}/participants",
            name=f"Speaker {number}",
            preset_name="group_call_host",
            custom_participant_id=f"speaker-{number}",
        )
        clients.append(
            HeadlessClient(person["token"], kit.url, media=source, http=kit.http, persistence=_AT_ONCE)
        )
    made = RecordedMeeting(kit, clients, [tone_hz(number) for number in sources])
    await asyncio.gather(*(client.join() for client in clients))
    await made.record(id_, config)
    return made


async def speakers(count: int) -> dict[int, MediaSource]:
    """What so many participants send, by their number."""
    # Every other tone: neighbours are 100 Hz apart, so that windows of 50 ms tell them from each other.
    return {2 * n: await tone_source(f"Speaker {2 * n}", 2 * n) for n in range(count)}


def _seconds(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()

"""Both media connections of a participant, kept in step with the roster.

One task does everything after joining, so requests never overlap: it receives what the roster lists, gives up
what it lists no longer, and makes a connection anew when it was lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from aiortc import RTCIceServer

from parley.base.tasks import cancel_and_wait
from parley.headless.errors import ConnectionLost, RequestRefused
from parley.headless.news import CannotPublish, MediaRestarted, MutedByHost, News
from parley.headless.receiving import FINAL_ERRORS, ROUND_LIMIT, OnFrame, ReceiveSide, RemoteTrack
from parley.headless.roster import Publication, Roster
from parley.headless.sending import SendSide
from parley.headless.socket import ProtocolSocket
from parley.headless.sources import MediaSource

GATHER_S = 0.05
"""Streams announced within this time are asked for in one round."""
RETRY_S = 0.5
ATTEMPTS = 5
"""For one stream, or for one lost connection, before giving up."""


@dataclass(slots=True)
class Total:
    """What arrived of one medium of one peer, connections and streams before included."""

    peer_id: str
    kind: str
    packets: int = 0
    bytes: int = 0
    frames: int = 0
    decoded_frames: int = 0

    def add(self, track: RemoteTrack) -> None:
        """Count a stream in."""
        self.packets += track.counts.packets
        self.bytes += track.counts.bytes
        self.frames += track.counts.frames
        self.decoded_frames += track.decoded_frames

    def merge(self, other: Total) -> None:
        """Count in what arrived on another connection."""
        self.packets += other.packets
        self.bytes += other.bytes
        self.frames += other.frames
        self.decoded_frames += other.decoded_frames


class MediaSession:
    """Opened once, closed once."""

    def __init__(
        self,
        socket: ProtocolSocket,
        roster: Roster,
        *,
        ice_servers: tuple[RTCIceServer, ...],
        source: MediaSource,
        may_publish: Collection[str],
        muted: set[str],
        on_news: Callable[[News], None],
        on_given_up: Callable[[str], None],
        on_frame: OnFrame | None,
    ) -> None:
        self._socket = socket
        self._roster = roster
        self._ice_servers = ice_servers
        self._source = source
        self._may_publish = may_publish
        self._muted = muted
        self._on_news = on_news
        self._on_given_up = on_given_up
        self._on_frame = on_frame
        self._cname = f"headless-{roster.own_peer_id[:8]}"
        self._changed = asyncio.Event()
        self._send_lost = self._receive_lost = False
        self._failures: dict[str, int] = {}
        """By producer id: attempts that failed; `ATTEMPTS` means never again."""
        self._past: dict[tuple[str, str], Total] = {}
        self._worker: asyncio.Task[None] | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._send = self._new_send()
        self._receive = self._new_receive()

    # --- joining ------------------------------------------------------------------------------

    async def open(self) -> None:
        """Create both transports at once, and wait until media can flow.

        Raises:
            ConnectionLost: it cannot.
            RequestRefused: the server creates no transports.
        """
        await asyncio.gather(self._send.open(), self._receive.open())
        await asyncio.gather(self._send.wait_connected(), self._receive.wait_connected())

    async def start(self) -> None:
        """Publish, receive what is there, and keep at it."""
        await self._publish()
        await self._receive_round()
        self._worker = asyncio.create_task(self._keep_in_step(), name=f"media of {self._roster.own_peer_id}")

    async def close(self) -> None:
        """End both connections; may be called twice."""
        if self._retry is not None:
            self._retry.cancel()
        await cancel_and_wait([self._worker])
        await self._send.pause_all()
        await self._send.close()
        await self._drop_receive()

    # --- what the client tells ----------------------------------------------------------------

    def wake(self) -> None:
        """The roster has changed."""
        self._changed.set()

    def restart(self) -> None:
        """The server's media engine is gone and back; both connections have to be made anew."""
        self._send_lost = self._receive_lost = True
        self._changed.set()

    def muted_by_host(self, producer_id: str) -> None:
        """A host turned one of our streams off."""
        for stream in self._send.published.values():
            if stream.producer_id == producer_id and not stream.is_paused:
                self._muted.add(stream.kind)
                self._send.silence(stream.kind)
                self._on_news(MutedByHost(stream.kind))

    async def pause(self, kind: str, *, paused: bool) -> None:
        """Mute or unmute what we publish, also on connections to come."""
        (self._muted.add if paused else self._muted.discard)(kind)
        if kind in self._send.published:
            await self._send.pause(kind, paused=paused)

    # --- what the owner sees ------------------------------------------------------------------

    @property
    def tracks(self) -> dict[str, RemoteTrack]:
        """Streams that arrive now, by producer id."""
        return self._receive.tracks

    @property
    def publishes(self) -> list[str]:
        """Kinds of our own streams."""
        return list(self._send.published)

    def totals(self) -> list[Total]:
        """What arrived until now, one entry for each peer and kind."""
        totals = {key: replace(total) for key, total in self._past.items()}
        for track in self._receive.tracks.values():
            _add(totals, track)
        return list(totals.values())

    # --- the worker ---------------------------------------------------------------------------

    async def _keep_in_step(self) -> None:
        failed_in_a_row = 0
        while True:
            await self._changed.wait()
            await asyncio.sleep(GATHER_S)
            self._changed.clear()
            try:
                await self._reconnect()
                await self._receive_round()
                failed_in_a_row = 0
            except (ConnectionLost, RequestRefused) as error:
                if self._socket.ended.done():
                    return
                failed_in_a_row += 1
                if failed_in_a_row >= ATTEMPTS:
                    self._on_given_up(f"Media failed {ATTEMPTS} times: {error.message}")
                    return
                # A request that failed half-way leaves both sides with different ideas: begin anew.
                self._receive_lost = True
                self._try_again()

    async def _reconnect(self) -> None:
        if self._send_lost or self._receive_lost:
            self._on_news(MediaRestarted())
        if self._send_lost:
            await self._send.close()
            self._send = self._new_send()
            await self._send.open()
            await self._send.wait_connected()
            self._send_lost = False
            await self._publish()
        if self._receive_lost:
            await self._drop_receive()
            self._receive = self._new_receive()
            await self._receive.open()
            await self._receive.wait_connected()
            self._receive_lost = False

    async def _publish(self) -> None:
        for kind, make_track in self._source.kinds.items():
            if kind not in self._may_publish:
                self._on_news(CannotPublish(kind, "The preset does not allow it."))
                continue
            try:
                await self._send.publish(kind, make_track(), paused=kind in self._muted)
            except RequestRefused as refused:
                self._on_news(CannotPublish(kind, refused.message))

    async def _receive_round(self) -> None:
        """Bring the received streams in line with the roster."""
        listed = self._roster.publications()
        gone = [producer_id for producer_id in self._receive.tracks if producer_id not in listed]
        for start in range(0, len(gone), ROUND_LIMIT):
            some = gone[start : start + ROUND_LIMIT]
            for producer_id in some:
                _add(self._past, self._receive.tracks[producer_id])
            await self._receive.close_consumers(some)
        self._failures = {each: count for each, count in self._failures.items() if each in listed}
        fresh = [publication for publication in listed.values() if self._is_wanted(publication)]
        for start in range(0, len(fresh), ROUND_LIMIT):
            failed = await self._receive.consume(fresh[start : start + ROUND_LIMIT])
            for producer_id, code in failed.items():
                count = self._failures.get(producer_id, 0)
                self._failures[producer_id] = ATTEMPTS if code in FINAL_ERRORS else count + 1
                self._try_again()

    def _is_wanted(self, publication: Publication) -> bool:
        if self._failures.get(publication.producer_id, 0) >= ATTEMPTS:
            return False
        return publication.producer_id not in self._receive.tracks

    def _try_again(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
        self._retry = asyncio.get_running_loop().call_later(RETRY_S, self._changed.set)

    async def _drop_receive(self) -> None:
        for track in self._receive.tracks.values():
            _add(self._past, track)
        await self._receive.close()
        self._receive.tracks.clear()

    def _new_send(self) -> SendSide:
        return SendSide(self._socket, self._ice_servers, self._cname, self._on_send_lost)

    def _new_receive(self) -> ReceiveSide:
        return ReceiveSide(self._socket, self._ice_servers, self._on_receive_lost, self._on_frame)

    def _on_send_lost(self) -> None:
        self._send_lost = True
        self._changed.set()

    def _on_receive_lost(self) -> None:
        self._receive_lost = True
        self._changed.set()


def _add(totals: dict[tuple[str, str], Total], track: RemoteTrack) -> None:
    key = (track.publication.peer_id, track.publication.kind)
    totals.setdefault(key, Total(*key)).add(track)

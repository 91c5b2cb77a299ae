"""Transports of peers, and peers joining media with them (`rtk-client-protocol.md` 7 and 9).

Transports may exist before their peer joined (the official client opens them on its setup screen); publishing
(`publishing.py`) and watching (`watching.py`) need a joined peer.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from parley.base.errors import StateForbids
from parley.base.ids import new_uuid
from parley.media.pool import MediaPool
from parley.media.ports import MediaError, MediaRoom, RoomOptions
from parley.meetings.live.notices import MediaJoined, ProducerInfo
from parley.meetings.live.peer import LivePeer
from parley.meetings.live.pictures import Pictures
from parley.meetings.live.returning import Direction, Return
from parley.meetings.model import StageState

if TYPE_CHECKING:
    from parley.meetings.live.meeting import LiveMeeting

CLOSE_TIMEOUT_S = 5.0
RETURN_TIMEOUT_S = 11.0
"""From the loss of the transports until the client has asked for the first new one: ICE takes up to 8 s, then
the client waits 2 s. With `returning.SECOND_TIMEOUT_S` it ends before the client's requests do (20 s)."""


class Media:
    """Transports of the meeting's peers, and who is ready for the streams of others."""

    def __init__(self, live: LiveMeeting, pool: MediaPool) -> None:
        self._live = live
        self._pool = pool
        self.room_id = new_uuid()
        self._room: MediaRoom | None = None
        self._recovered_at = 0.0
        """When the session of an earlier server was taken up, in the loop's time."""

    async def _open_room(self) -> MediaRoom:
        self._room = await self._pool.open_room(self.room_id, RoomOptions())
        return self._room

    # --- transports ---------------------------------------------------------------------------

    async def open_sender(self, peer: LivePeer, offer_sdp: str) -> tuple[str, str]:
        """A new send transport, in place of an earlier one; returns its id and the answer."""
        await self._take_turn(peer, Direction.SEND)
        async with peer.media.send_lock:
            room = await self._open_room()
            await self._drop_sender(peer)
            sender, answer = await room.open_sender(
                offer_sdp, label=peer.id, on_closed=lambda: self._sender_lost(peer, sender_id())
            )

            def sender_id() -> str:
                return sender.id

            peer.media.sender = sender
        await self._not_if_gone(peer)
        return sender.id, answer

    async def open_receiver(self, peer: LivePeer, offer_sdp: str) -> tuple[str, str]:
        """A new receive transport, in place of an earlier one; returns its id and the answer."""
        await self._take_turn(peer, Direction.RECEIVE)
        room = await self._open_room()
        old, peer.media.receiver = peer.media.receiver, None
        if old is not None:
            await old.close()
        receiver, answer = await room.open_receiver(
            offer_sdp, label=peer.id, on_closed=lambda: self._receiver_lost(peer, receiver_id())
        )

        def receiver_id() -> str:
            return receiver.id

        peer.media.receiver, peer.media.pictures = receiver, Pictures()
        await self._not_if_gone(peer)
        return receiver.id, answer

    async def _not_if_gone(self, peer: LivePeer) -> None:
        if self._live.peers.get(peer.id) is not peer:
            await self.release(peer)
            raise StateForbids("This peer has left.")

    def _sender_lost(self, peer: LivePeer, transport_id: str) -> None:
        if peer.media.sender is not None and peer.media.sender.id == transport_id:
            peer.media.sender = None
            peer.media.withdrawn.clear()
            self._live.publishing.drop(peer, list(peer.media.producers.values()))

    def _receiver_lost(self, peer: LivePeer, transport_id: str) -> None:
        if peer.media.receiver is not None and peer.media.receiver.id == transport_id:
            peer.media.receiver = None

    async def _drop_sender(self, peer: LivePeer) -> None:
        old, peer.media.sender = peer.media.sender, None
        peer.media.withdrawn.clear()
        if old is not None:
            self._live.publishing.drop(peer, list(peer.media.producers.values()))
            await old.close()

    async def release(self, peer: LivePeer) -> None:
        """Close everything of a peer that is gone; its room stays for the others."""
        peer.media.is_joined = False
        self._live.publishing.forget(peer)
        transports = (peer.media.sender, peer.media.receiver)
        peer.media.sender = peer.media.receiver = None
        for transport in transports:
            if transport is not None:
                with contextlib.suppress(MediaError, TimeoutError):
                    async with asyncio.timeout(CLOSE_TIMEOUT_S):
                        await transport.close()
        if not self._live.peers:
            await self.close()

    async def close(self) -> None:
        """Close the room; it opens again when somebody needs it."""
        if self._room is not None:
            self._room = None
            with contextlib.suppress(MediaError):
                await self._pool.close_room(self.room_id)

    def engine_lost(self) -> None:
        """The engine restarted: every transport is gone, clients build new ones.

        Nobody is told: the official client finds out by ICE within seconds, opens new transports and
        publishes again. Told at once (media.36) it would believe its old transports to be healthy, publish on
        them, be refused, and switch its camera and microphone off.
        """
        self._room = None
        for peer in self._live.peers.values():
            had_transports = peer.media.sender is not None or peer.media.receiver is not None
            peer.media.sender = peer.media.receiver = None
            if had_transports and _has_media(peer):
                peer.media.returning = Return(RETURN_TIMEOUT_S, is_joining=False)
            peer.media.withdrawn.clear()
            self._live.publishing.drop(peer, list(peer.media.producers.values()))

    # --- coming back --------------------------------------------------------------------------

    def recovered(self) -> None:
        """The session of an earlier server was taken up: its peers come back without transports."""
        self._recovered_at = asyncio.get_running_loop().time()

    def connected(self, peer: LivePeer) -> None:
        """A peer has a (new) socket; one without its former transports is waited for, see `returning`."""
        if peer.media.returning is not None:
            peer.media.returning.is_joining = True
        elif peer.id in self._live.record.lost and _has_media(peer):
            left_s = self._recovered_at + RETURN_TIMEOUT_S - asyncio.get_running_loop().time()
            peer.media.returning = Return(left_s, is_joining=True)

    async def await_requests(self, peer: LivePeer) -> None:
        """Before a peer joins: wait until one that comes back has asked for its transports."""
        if peer.media.returning is not None:
            await peer.media.returning.until_asked()

    async def _take_turn(self, peer: LivePeer, direction: Direction) -> None:
        returning = peer.media.returning
        if returning is None:
            return
        returning.ask(direction)
        if returning.is_joining:
            await returning.until_begun()
        elif returning.is_complete:
            peer.media.returning = None

    # --- joining ------------------------------------------------------------------------------

    def start(self, peer: LivePeer, *, is_return: bool) -> None:
        """A peer (re)starts its part in media; one that comes back publishes anew."""
        if peer.media.returning is not None:
            peer.media.returning.begin()
            peer.media.returning = None
        if is_return:
            peer.media.withdrawn.clear()
            self._live.publishing.drop(peer, list(peer.media.producers.values()))
        peer.media.is_joined = False

    def complete(self, peer: LivePeer) -> list[tuple[LivePeer, list[ProducerInfo]]]:
        """The peer is ready: returns the others and their streams, and tells the others."""
        peer.require_joined()
        others = [
            (other, [producer.info() for producer in other.media.producers.values()])
            for other in self._live.seen_by(peer)
            if other.media.is_joined and other is not peer
        ]
        peer.media.is_joined = True
        if not peer.permissions.hidden_participant:
            own = [producer.info() for producer in peer.media.producers.values()]
            is_on_stage = peer.stage is StageState.ON_STAGE
            self._live.tell(
                MediaJoined(peer.info(), own),
                but=peer,
                to=lambda x: x.media.is_joined and (is_on_stage or x.permissions.show_participant_list),
            )
        return others


def _has_media(peer: LivePeer) -> bool:
    return peer.preset.config.view_type != "LIVESTREAM"

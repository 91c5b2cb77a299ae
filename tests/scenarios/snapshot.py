"""What one client knows of a meeting: a fold over every answer and push that reached its socket.

Somebody who joined an hour ago and somebody who joins now must know the same. The first knows it from the
answers to its own join and the pushes since, the second from answers alone; so each push is proven to say
enough, and each answer to forget nothing.

    watcher = await Picture.of(await house.guest(meeting))      # joins, asks everything once
    ...                                                         # things happen
    newcomer = await Picture.of(await house.come(watcher.peer.token))
    assert watcher.view() == newcomer.view()
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from parley.meetings.live.peer import merge
from parley.wire.realtimekit.client import permissions
from parley.wire.realtimekit.client import rtk_client_pb2 as pb
from parley.wire.realtimekit.client.events import Chat, Media, Polls, Preset, Room, Store
from tests.wire.realtimekit.client.peer import Frame, Peer

STORES = ("board", "notes")
"""The shared stores that a picture holds."""


class Picture:
    """One client's knowledge, kept up to date by what its socket receives."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.permissions: dict[str, Any] = {}
        self.roster: dict[str, pb.RoomPeer] = {}
        self.waiting: dict[str, str] = {}
        self.stage_requests: set[str] = set()
        self.messages: dict[str, pb.ChatChatMessage] = {}
        self.polls: dict[str, pb.PollsPoll] = {}
        self.stores: dict[str, dict[str, pb.PluginPluginStoreItem]] = {}
        self.rooms: dict[str, tuple[str, dict[str, str]]] = {}
        """Breakout rooms and the main meeting: title, and names by participant."""
        self.streams: dict[str, dict[str, pb.MediaProducerState]] = {}
        """Of everybody who takes part in media: producers by id."""
        self.pinned = ""
        peer.listener = self.hear

    @classmethod
    async def of(cls, peer: Peer) -> Picture:
        """Begin the picture of somebody who has just joined (media not yet)."""
        picture = cls(peer)
        await picture.look()
        return picture

    async def look(self) -> None:
        """Ask everything that a client asks when it joins, once; the answers are heard as all others."""
        await self.peer.ask(Preset.READ, pb.PresetReadPeersPresetRequest(user_ids=[self.peer.user_id]))
        for event in (Room.GET_PEERS, Chat.HISTORY, Polls.LIST, Room.CONNECTED_ROOMS, Room.STAGE_REQUESTS):
            await self.peer.ask(event)
        for name in STORES:
            await self.peer.ask(Store.GET, pb.PluginPluginStoreGetKeysRequest(store_name=name))
        if self.permissions["accept_waiting_requests"]:
            await self.peer.tell(Room.WAITING_LIST)
        await self.peer.ask(Media.JOIN, pb.EdgePeerJoinRequest())
        await self.peer.ask(Media.JOIN_COMPLETE)

    def view(self) -> dict[str, Any]:
        """Everything known, in a form in which two clients of one participant can be compared."""
        sees_everybody = self.permissions["show_participant_list"]
        manages_stage = (
            self.permissions["can_accept_production_requests"] or self.permissions["accept_stage_requests"]
        )
        # Twins of one participant differ in what they know of themselves: nobody is told of its own streams.
        own = {peer_id for peer_id, known in self.roster.items() if known.user_id == self.peer.user_id}
        roster, streams = self.roster, {i: made for i, made in self.streams.items() if i not in own}
        if not sees_everybody:  # such a client shows the stage alone
            on_stage = {i for i, known in roster.items() if known.stage_type == pb.ROOM_STAGE_TYPE_ON_STAGE}
            roster = {peer_id: roster[peer_id] for peer_id in on_stage - own}
            streams = {peer_id: made for peer_id, made in streams.items() if peer_id in on_stage}
        return {
            "permissions": self.permissions,
            "roster": roster,
            "waiting": self.waiting,
            "stage requests": self.stage_requests if manages_stage else set(),
            "messages": self.messages,
            "polls": self.polls,
            "stores": {name: items for name, items in self.stores.items() if items},
            # As long as there is only the main meeting nothing is pushed: the roster says who is in it.
            "rooms": self.rooms if len(self.rooms) > 1 else {},
            "streams": streams,
            "pinned": self.pinned,
        }

    # --- the fold -----------------------------------------------------------------------------

    def hear(self, frame: Frame) -> None:
        """Take in one answer or push."""
        for take in (self._people, self._stage, self._rooms, self._chat, self._shared, self._media):
            if take(frame.event, frame.message):
                return

    def _people(self, event: int, message: Any) -> bool:
        match event:
            case Preset.READ:
                (own,) = {each.preset for each in message.peer_presets}
                self.permissions = json.loads(own)["permissions"]
            case Preset.UPDATE:
                for entry in message.update_peers_presets:
                    if entry.user_ids == self.peer.user_id:
                        patch = permissions.patch_from(entry.patch)
                        self.permissions = merge(self.permissions, patch)
            case Room.GET_PEERS:
                self.roster = {each.peer_id: each for each in message.peers}
            case Room.JOIN if not message.peer.waitlisted:
                self.roster[message.peer.peer_id] = message.peer
            case Room.LEAVE:
                self.roster.pop(message.peer.peer_id, None)
                self.streams.pop(message.peer.peer_id, None)
            case Room.WAITING_LIST:
                self.waiting = {each.peer_id: each.display_name for each in message.requests}
            case _:
                return False
        return True

    def _stage(self, event: int, message: Any) -> bool:
        match event:
            case Room.STAGE_STATUS:
                self._place(message.peer_id, message.stage_type)
            case Room.GRANT_STAGE:  # to the one it concerns, instead of a status
                self._place(self.peer.id, pb.ROOM_STAGE_TYPE_APPROVED_STAGE)
            case Room.DENY_STAGE:
                self._place(self.peer.id, pb.ROOM_STAGE_TYPE_OFF_STAGE)
            case Room.STAGE_REQUESTS:
                self.stage_requests = {each.peer_id for each in message.stage_requests}
            case _:
                return False
        return True

    def _place(self, peer_id: str, stage: pb.RoomStageType.ValueType) -> None:
        if peer_id in self.roster:
            self.roster[peer_id].stage_type = stage

    def _rooms(self, event: int, message: Any) -> bool:
        match event:
            case Room.CONNECTED_ROOMS:
                self.rooms = {
                    room.id: (room.title, {each.id: each.display_name for each in room.participants})
                    for room in (message.parent_meeting, *message.meetings)
                }
            case Room.CONNECTED_ROOMS_CREATED:
                for room in message.payloads:
                    self.rooms.setdefault(room.id, (room.title, {}))
            case Room.CONNECTED_ROOMS_DELETED:
                for room in message.payloads:
                    self.rooms.pop(room.id, None)
            case _:
                return False
        return True

    def _chat(self, event: int, message: Any) -> bool:
        match event:
            case Chat.HISTORY:
                self.messages = {each.chat_id: each for each in message.messages}
            case Chat.SEND_TO_ROOM | Chat.SEND_TO_PEERS:
                self.messages[message.message.chat_id] = message.message
            case Chat.EDIT | Chat.PIN if message.message.chat_id in self.messages:
                self.messages[message.message.chat_id] = message.message
            case Chat.DELETE:
                self.messages.pop(message.chat_id, None)
            case _:
                return False
        return True

    def _shared(self, event: int, message: Any) -> bool:
        match event:
            case Polls.LIST:
                self.polls = {each.poll_id: each for each in message.polls}
            case Polls.CREATE | Polls.VOTE:
                self.polls[message.poll.poll_id] = message.poll
            case Store.GET:
                self.stores[message.store_name] = _by_key(message.store_items)
            case Store.INSERT:
                self.stores.setdefault(message.store_name, {}).update(_by_key(message.store_items))
            case Store.DELETE:
                for item in message.store_items:
                    self.stores.get(message.store_name, {}).pop(item.store_key, None)
            case _:
                return False
        return True

    def _media(self, event: int, message: Any) -> bool:
        match event:
            case Media.JOIN_COMPLETE:
                self.streams = {each.peer_id: _by_id(each.producer_states) for each in message.participants}
                self.pinned = "".join(message.room_state.pinned_peer_ids)
            case Media.PEER_JOINED:
                self.streams[message.participant.peer_id] = _by_id(message.participant.producer_states)
            case Media.PRODUCER_ADDED | Media.PRODUCER_TOGGLED:
                # The official client drops streams of peers that it has not been told of.
                known = self.streams.get(message.participant_id, {})
                if event == Media.PRODUCER_ADDED or message.producer_state.producer_id in known:
                    known[message.producer_state.producer_id] = message.producer_state
            case Media.PRODUCER_CLOSED:
                self.streams.get(message.participant_id, {}).pop(message.producer_state.producer_id, None)
            case Media.PINNED:
                self.pinned = message.participant_id
            case _:
                return False
        return True


def _by_key(items: Iterable[pb.PluginPluginStoreItem]) -> dict[str, pb.PluginPluginStoreItem]:
    return {item.store_key: item for item in items}


def _by_id(producers: Iterable[pb.MediaProducerState]) -> dict[str, pb.MediaProducerState]:
    return {producer.producer_id: producer for producer in producers}

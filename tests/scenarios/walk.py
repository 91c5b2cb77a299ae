"""Random things that people do in a meeting, each as a client would ask for it."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable

from google.protobuf.message import Message

from parley.base.clock import ManualClock
from parley.meetings.model import Meeting
from parley.wire.realtimekit.client import rtk_client_pb2 as pb
from parley.wire.realtimekit.client.events import Chat, Media, Polls, Preset, Room, Store
from tests.scenarios.snapshot import STORES, Picture
from tests.waiting import until
from tests.wire.realtimekit.client.house import House
from tests.wire.realtimekit.client.peer import Peer, Refused

Act = Callable[[Peer], Awaitable[None]]
PRESETS = ("webinar_presenter", "webinar_viewer", "livestream_viewer", "group_call_participant")
"""Of people who come and go."""
MOST_PEOPLE = 9


class Walk:
    """A meeting with people in it, and one random step after the other."""

    def __init__(self, house: House, meeting: Meeting, seed: int) -> None:
        self.house = house
        self.meeting = meeting
        self.random = random.Random(seed)
        self.pictures: list[Picture] = []
        """Of everybody inside whose picture has grown since they joined."""
        self.waiting: list[Peer] = []
        self.away: list[Peer] = []
        """In breakout rooms."""
        self.steps: list[str] = []
        self.done: Counter[str] = Counter()
        """How often each act was carried out and not refused."""
        self._acting: list[Picture] = []
        self._deck: list[Act] = []

    async def enter(self, preset: str, **options: object) -> Picture:
        """Somebody new joins."""
        _, token = await self.house.invite(self.meeting, preset, **options)  # type: ignore[arg-type]
        return await self.enter_with(token)

    async def enter_with(self, token: str, *, peer_id: str | None = None) -> Picture:
        """Somebody joins, perhaps once more."""
        peer = await self.house.connect(token, peer_id=peer_id)
        picture = Picture(peer)
        assert not (await peer.enter(media=False)).waitlisted
        await picture.look()
        self.pictures.append(picture)
        return picture

    async def settle(self) -> None:
        """Everything that follows from the steps so far has happened and been heard of."""

        def busy() -> str:
            return ", ".join(str(task) for live in self.house.registry.running() for task in live._tasks)

        for peer in self._everybody():
            await peer.settle()
        await until(busy)
        for peer in self._everybody():
            await peer.settle()

    def _everybody(self) -> list[Peer]:
        return [*(picture.peer for picture in self.pictures), *self.waiting, *self.away]

    async def step(self) -> None:
        """One thing happens, or up to three at the same time by different people."""
        assert isinstance(self.house.store.clock, ManualClock)
        self.house.store.clock.advance(0.25)
        if self.random.random() < 0.3:
            await self._come_or_go()
            return
        acts = [self._draw() for _ in range(self.random.choice((1, 1, 2, 3)))]
        acting = self._acting = []
        for act in acts:
            free = [picture for picture in self.pictures if picture not in acting]
            host = self.pictures[0]
            is_hosts = act in self.acts_of_hosts() and host in free and self.random.random() < 0.8
            acting.append(host if is_hosts else self.random.choice(free))
        self.steps.append(" | ".join(act.__name__ for act in acts))
        outcomes = await asyncio.gather(
            *(act(picture.peer) for act, picture in zip(acts, acting, strict=True)), return_exceptions=True
        )
        for act, outcome in zip(acts, outcomes, strict=True):
            if outcome is None:
                self.done[act.__name__] += 1
            elif isinstance(outcome, Refused):
                assert "went wrong" not in outcome.text, self.steps
            elif isinstance(outcome, BaseException):
                raise outcome

    # --- coming and going ---------------------------------------------------------------------

    async def _come_or_go(self) -> None:
        ways = [self._blink, self._leave, self._knock, self._switch_room, self._come_back]
        if len(self._everybody()) < MOST_PEOPLE:
            ways += [self._come] * 3
        way = self.random.choice(ways)
        self.steps.append(way.__name__)
        await way()

    def _somebody(self) -> Picture | None:
        """Anybody but the first few, who stay."""
        return self.random.choice(self.pictures[4:]) if self.pictures[4:] else None

    async def _come(self) -> None:
        await self.enter(self.random.choice(PRESETS))

    async def _blink(self) -> None:
        """A connection is lost, and comes back under the same peer id."""
        if (picture := self._somebody()) is not None:
            self.pictures.remove(picture)
            await picture.peer.vanish()
            await self.enter_with(picture.peer.token, peer_id=picture.peer.id)

    async def _leave(self) -> None:
        if (picture := self._somebody()) is not None:
            self.pictures.remove(picture)
            if self.random.random() < 0.5:
                await picture.peer.ask(Room.LEAVE)
            await picture.peer.close()

    async def _knock(self) -> None:
        if len(self.waiting) < 2:
            _, token = await self.house.invite(self.meeting, "group_call_guest")
            peer = await self.house.connect(token)
            assert (await peer.enter()).waitlisted
            self.waiting.append(peer)
            return
        await self.waiting.pop(0).close()

    async def _switch_room(self) -> None:
        """A host sends somebody to a breakout room, and they go there."""
        host, picture = self.pictures[0], self._somebody()
        rooms = [room_id for room_id in host.rooms if room_id != self.meeting.id]
        if picture is None or not rooms:
            return
        target = self.random.choice(rooms)
        request = pb.RoomMovePeersBetweenRoomsRequest(
            source_meeting_id=self.meeting.id,
            destination_meeting_id=target,
            participants=[pb.RoomMovePeerPayload(id=picture.peer.user_id)],
        )
        try:
            await host.peer.ask(Room.MOVE_PEERS, request)
        except Refused:
            return  # the room was closed meanwhile
        transfer = await picture.peer.next(Room.TRANSFER_PEER)
        self.pictures.remove(picture)
        await picture.peer.close()
        self.away.append(await self.house.come(transfer.auth_token))

    async def _come_back(self) -> None:
        if self.away:
            await self.away.pop(0).close()

    # --- what people inside do ----------------------------------------------------------------

    def acts_of_hosts(self) -> list[Act]:
        """What is refused to most people."""
        return [
            self.grant_stage, self.deny_stage, self.take_off_stage,
            self.admit, self.turn_away,
            self.pin_somebody, self.change_permissions, self.kick,
            self.open_room, self.close_room,
        ]  # fmt: skip

    def acts(self) -> list[Act]:
        """Everything that can be done."""
        return [
            *self.acts_of_hosts(),
            self.post, self.whisper, self.edit, self.delete, self.pin_message,
            self.open_poll, self.vote,
            self.write, self.erase,
            self.ask_for_stage, self.take_request_back, self.step_up, self.step_down,
        ]  # fmt: skip

    def _draw(self) -> Act:
        """The next act: each comes once before one comes again, the frequent ones twice."""
        if not self._deck:
            frequent = [self.post, self.vote, self.write, self.ask_for_stage, self.step_up]
            self._deck = [*self.acts(), *frequent]
            self.random.shuffle(self._deck)
        return self._deck.pop()

    def _anybody(self) -> Peer:
        return self.random.choice(self.pictures).peer

    def _message(self, peer: Peer) -> str:
        known = next(picture for picture in self.pictures if picture.peer is peer).messages
        own = [message_id for message_id, message in known.items() if message.user_id == peer.user_id]
        return self.random.choice(own or list(known) or ["none"])

    def _number(self) -> int:
        return self.random.randrange(1_000_000)

    async def post(self, peer: Peer) -> None:
        request = pb.ChatSendChatMessageToRoomRequest(payload=f"message {self._number()}")
        await peer.tell(Chat.SEND_TO_ROOM, request)

    async def whisper(self, peer: Peer) -> None:
        request = pb.ChatSendChatMessageToPeersRequest(peer_ids=[self._anybody().id], payload="psst")
        await peer.tell(Chat.SEND_TO_PEERS, request)

    async def edit(self, peer: Peer) -> None:
        request = pb.ChatEditChatMessageRequest(
            chat_id=self._message(peer), payload=f"better {self._number()}"
        )
        await peer.ask(Chat.EDIT, request)

    async def delete(self, peer: Peer) -> None:
        await peer.ask(Chat.DELETE, pb.ChatDeleteChatMessageRequest(chat_id=self._message(peer)))

    async def pin_message(self, peer: Peer) -> None:
        pinned = self.random.random() < 0.7
        await peer.ask(Chat.PIN, pb.ChatPinChatMessageRequest(chat_id=self._message(peer), pinned=pinned))

    async def open_poll(self, peer: Peer) -> None:
        anonymous = self.random.random() < 0.5
        request = pb.PollsNewPollRequest(question="Lunch?", options=["Soup", "Salad"], anonymous=anonymous)
        await peer.tell(Polls.CREATE, request)

    async def vote(self, peer: Peer) -> None:
        poll_id = self.random.choice(list(self.pictures[0].polls) or ["none"])
        await peer.tell(Polls.VOTE, pb.PollsVotePollRequest(poll_id=poll_id, index=self.random.randrange(2)))

    async def write(self, peer: Peer) -> None:
        keys = self.random.sample("abcd", k=self.random.randrange(1, 4))
        entries = [pb.PluginStoreKeys(store_key=key, payload=b"%d" % self._number()) for key in keys]
        request = pb.PluginPluginStoreInsertKeysRequest(
            store_name=self.random.choice(STORES), insert_keys=entries
        )
        await peer.ask(Store.INSERT, request)

    async def erase(self, peer: Peer) -> None:
        keys = [pb.PluginStoreKeys(store_key=self.random.choice("abcd"))]
        request = pb.PluginPluginStoreDeleteKeysRequest(
            store_name=self.random.choice(STORES), delete_keys=keys
        )
        await peer.ask(Store.DELETE, request)

    async def ask_for_stage(self, peer: Peer) -> None:
        await peer.tell(Room.REQUEST_STAGE)

    async def take_request_back(self, peer: Peer) -> None:
        await peer.tell(Room.CANCEL_STAGE_REQUEST)

    async def grant_stage(self, peer: Peer) -> None:
        request = pb.LiveGrantStageAccessRequest(user_ids=[self._anybody().user_id])
        await peer.tell(Room.GRANT_STAGE, request)

    async def deny_stage(self, peer: Peer) -> None:
        await peer.tell(Room.DENY_STAGE, pb.LiveDenyStageAccessRequest(user_ids=[self._anybody().user_id]))

    async def step_up(self, peer: Peer) -> None:
        await peer.ask_frame(Room.JOIN_STAGE)

    async def step_down(self, peer: Peer) -> None:
        await peer.ask_frame(Room.LEAVE_STAGE, pb.LiveLeaveStageRequest(user_ids=[peer.user_id]))

    async def take_off_stage(self, peer: Peer) -> None:
        target = self._anybody()
        await peer.ask_frame(Room.LEAVE_STAGE, pb.LiveLeaveStageRequest(user_ids=[target.user_id]))

    async def admit(self, peer: Peer) -> None:
        if self.waiting:
            guest = self.waiting.pop(0)
            try:
                await peer.tell(
                    Room.ACCEPT_WAITING, pb.RoomAcceptWaitingRoomRequests(user_ids=[guest.user_id])
                )
            except Refused:
                self.waiting.append(guest)
                raise
            await guest.next(Room.WAITING_ACCEPTED)
            picture = Picture(guest)
            assert not (await guest.enter(media=False)).waitlisted
            await picture.look()
            self.pictures.append(picture)

    async def turn_away(self, peer: Peer) -> None:
        if self.waiting:
            guest = self.waiting.pop(0)
            try:
                await peer.tell(Room.DENY_WAITING, pb.RoomDenyWaitingRoomRequests(user_ids=[guest.user_id]))
            except Refused:
                self.waiting.append(guest)
                raise
            await guest.close()

    async def pin_somebody(self, peer: Peer) -> None:
        target = self.random.choice([self._anybody().id, ""])
        await peer.ask(Media.PIN, pb.EdgeGlobalPeerPinningRequest(participant_id=target))

    async def change_permissions(self, peer: Peer) -> None:
        allowed = self.random.random() < 0.5
        patch = self.random.choice(
            [
                pb.PresetPresetUpdates(polls=pb.PresetPollsPermissionUpdate(can_vote=allowed)),
                pb.PresetPresetUpdates(polls=pb.PresetPollsPermissionUpdate(can_create=allowed)),
                pb.PresetPresetUpdates(pin_participant=allowed),
            ]
        )
        entry = pb.PresetUpdatePeerPreset(user_ids=self._anybody().user_id, patch=patch)
        request = pb.PresetUpdatePeersPresetRequest(update_peers_presets=[entry])
        await peer.ask(Preset.UPDATE, request)

    async def kick(self, peer: Peer) -> None:
        picture = self._somebody()
        if picture is not None and picture not in self._acting:
            await peer.tell(Room.KICK, pb.RoomRemoveParticipantsRequest(peer_ids=[picture.peer.id]))
            self.pictures = [each for each in self.pictures if each is not picture]

    async def open_room(self, peer: Peer) -> None:
        if len(self.pictures[0].rooms) < 4:
            payloads = [pb.RoomCreateRoomRequestPayload(title="Red")]
            request: Message = pb.RoomCreateConnectedRoomsRequest(payloads=payloads)
            await peer.ask(Room.CREATE_CONNECTED_ROOMS, request)

    async def close_room(self, peer: Peer) -> None:
        rooms = [room_id for room_id in self.pictures[0].rooms if room_id != self.meeting.id]
        if rooms and self.random.random() < 0.3:
            payloads = [pb.RoomDisableRoomPayload(id=self.random.choice(rooms))]
            await peer.ask(
                Room.DELETE_CONNECTED_ROOMS, pb.RoomDisableConnectedRoomsRequest(payloads=payloads)
            )

"""All sockets of this process: routes, limits, what is told to whom, drain (`realtime-block.md` 6, 9)."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import structlog

from parley.accounts.app_settings import AppSettings
from parley.accounts.live import LiveCredentials
from parley.accounts.model import App
from parley.accounts.plans import PlanSettings
from parley.accounts.scope import AppScope
from parley.accounts.user_tokens import InvalidToken, User, UserTokens
from parley.base.errors import Unauthenticated
from parley.base.events import Event
from parley.base.ids import AppId
from parley.base.tasks import cancel_and_wait
from parley.base.times import iso_from_ms, to_ms
from parley.bus.tally import Tally
from parley.channels.realtime.access import ChannelAccess
from parley.channels.realtime.events import (
    ChannelSubscribed,
    ChannelUnsubscribed,
    PresenceJoined,
    PresenceLeft,
    PresenceUpdated,
)
from parley.channels.realtime.feed import Feeds
from parley.channels.realtime.members import Action, Member, PresenceChange
from parley.channels.realtime.model import channel_key
from parley.channels.realtime.presence import Presence
from parley.channels.realtime.publishing import Publisher
from parley.channels.realtime.tokens import ConnectionTokens
from parley.channels.realtime.typing import StopReason, Typing, TypingAction, TypingChange
from parley.rooms.live import room_of
from parley.store.core import Store
from parley.stream import frames as wire
from parley.stream.closing import Close
from parley.stream.hub import Hub, Reader
from parley.stream.sockets import Acceptance, Heartbeat, Outbound, Rejection, UpgradeRequest
from parley.wire.block.socket import frames as f
from parley.wire.block.socket import opening
from parley.wire.block.socket.admission import Admission
from parley.wire.block.socket.connection import Connection
from parley.wire.block.socket.excluding import close_excluded
from parley.wire.block.socket.revoking import credentials_ended
from parley.wire.block.socket.rooms import RoomSockets
from parley.wire.block.socket.session import Session, Sessions

log = structlog.get_logger(__name__)
PATH = "/v1/realtime/ws"
SUBPROTOCOL = "parley.realtime.v1"
SNAPSHOT_PART = 1_000
"""Members in one frame of a snapshot."""
TURN_S = 1.0
PING_S, IDLE_S = 30.0, 75.0
"""Between protocol pings, and of silence until a connection is closed (6.5); a shorter silence has pings that
much closer together."""
OUTBOUND = Outbound(4 << 20, frames=1_000)
"""What may wait for a client (3.3); more closes it with 4503, and it resumes."""
WARN_BEFORE_S = 60
"""Before a token ends."""


class Users(Protocol):
    """What the sockets need of `people.service`."""

    async def ensure_user(self, scope: AppScope, user: User) -> None:
        """A valid user token names this user."""
        ...


class Receipts(Protocol):
    """What the sockets need of `channels.realtime.receipts`."""

    async def read(
        self, scope: AppScope, channel: str, message_id: str, user_id: str, *, up_to: bool
    ) -> ReadOutcome:
        """Note that a user has read a message."""
        ...

    async def delivered(self, scope: AppScope, channel: str, user_id: str, offset: int) -> None:
        """Note that everything up to there has arrived."""
        ...


class ReadOutcome(Protocol):
    """When the user read it first."""

    @property
    def read_at_ms(self) -> int:
        """Milliseconds since 1970."""
        ...


_PRESENCE_EVENTS = {
    Action.JOIN: PresenceJoined,
    Action.UPDATE: PresenceUpdated,
    Action.LEAVE: PresenceLeft,
}


def _nobody_hears(app_id: AppId, happened: Event) -> None:
    """Nothing is announced until somebody wants to hear of it."""


class BlockSockets:
    """The socket server of the Real Time Block in this process."""

    def __init__(
        self,
        store: Store,
        hub: Hub,
        feeds: Feeds,
        publisher: Publisher,
        access: ChannelAccess,
        settings: AppSettings,
        users: UserTokens,
        tokens: ConnectionTokens,
        credentials: LiveCredentials,
        tally: Tally,
        *,
        idle_s: float = IDLE_S,
    ) -> None:
        self.store = store
        self.hub = hub
        self.feeds = feeds
        self.publisher = publisher
        self.access = access
        self.users = users
        self.tokens = tokens
        self.credentials = credentials
        self.credentials.ended = partial(credentials_ended, self)
        self.admission = Admission(tally, credentials)
        self.heartbeat = Heartbeat(
            min(PING_S, idle_s * PING_S / IDLE_S), idle_s, Close.REALTIME_TIMEOUT, "idle timeout"
        )
        self.presence: Presence
        self.typing: Typing
        self.receipts: Receipts
        self.rooms: RoomSockets
        self.sessions = Sessions(store.clock)
        self.connections: set[Connection] = set()
        self.slow_closed = 0
        """Clients closed because they read too slowly, since the start: for metrics."""
        self.announce: Callable[[AppId, Event], None] = _nobody_hears
        """Told of subscriptions and members, for webhooks; must be quick."""
        self.people: Users | None = None
        """Told of whom user tokens name."""
        self.settings = settings
        self._statuses: dict[tuple[AppId, str], str] = {}
        """To be shown at the end of this turn."""
        self._expiring: list[tuple[int, int, Connection, int]] = []
        self._excluding: set[AppId] = set()
        """Apps that decided anew whom they keep out."""
        self._number = 0
        self._turner: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to keep time."""
        self._turner = asyncio.create_task(self._turn_forever(), name="realtime sockets")

    async def drain(self, after_ms: int = 0) -> None:
        """Send every client away, to come back to another process or after a restart."""
        for connection in list(self.connections):
            connection.send({"type": "reconnect", "after_ms": after_ms, "reason": "draining"})
            connection.socket.close(Close.REALTIME_BEHIND, "draining")

    async def stop(self) -> None:
        """Send everybody away, and keep no more time."""
        await self.drain()
        await cancel_and_wait([self._turner])

    async def route(self, request: UpgradeRequest) -> Acceptance | Rejection:
        """The socket route at `PATH`."""
        if request.params.get("v", "1") != "1":
            return Rejection(400, b"this server speaks version 1\n")
        offered = SUBPROTOCOL if SUBPROTOCOL in request.subprotocols else None
        return Acceptance(
            Connection(self, request), subprotocol=offered, heartbeat=self.heartbeat, outbound=OUTBOUND
        )

    # --- who is connected ---------------------------------------------------------------------

    async def app_of(self, app_id: AppId, actor: str) -> tuple[AppScope, App]:
        """The app of a checked token.

        Raises:
            InvalidToken: it does not exist any more.
        """
        try:
            return await self.credentials.app(app_id, actor)
        except Unauthenticated as gone:
            raise InvalidToken("The app of this token does not exist.") from gone

    async def plan_name(self, scope: AppScope) -> str:
        """How the app's plan is called."""
        return (await self.settings.get(scope, "plan", PlanSettings)).plan

    def watch_expiry(self, connection: Connection, expires_at: int) -> None:
        """Warn the client before its token ends, and close it then."""
        self._number += 1
        heapq.heappush(self._expiring, (expires_at - WARN_BEFORE_S, self._number, connection, expires_at))

    def detach(self, connection: Connection, session: Session) -> None:
        """A connection hears nothing more of its session's channels; its user may come back to them."""
        app_id = session.identity.scope.app_id
        self.feeds.named.pop(connection.id, None)
        for channel, subscription in session.subscriptions.items():
            self.feeds.leave(app_id, channel, connection.socket)
            if subscription.permission.features.presence:
                self.presence.unwatch(app_id, channel)
        self.typing.gone(connection.id)
        self.rooms.detach(session)
        self.presence.detach(session.id)

    def end_session(self, session: Session) -> None:
        """The client does not come back."""
        self.sessions.remove(session)
        self.rooms.end(session)
        self.presence.drop(session.id)
        for channel in session.subscriptions:
            self.unsubscribed(session.socket_id, session, channel)

    def exclusion_changed(self, app_id: AppId) -> None:
        """An app decided anew whom it keeps out: their sockets are closed at the next turn."""
        self._excluding.add(app_id)

    # --- what subscribers are told ------------------------------------------------------------

    def present(self, change: PresenceChange) -> None:
        """Tell the subscribers of a channel who came, changed or went (`Presence`'s `tell`)."""
        room_id = room_of(change.channel)
        if room_id is not None:
            self.rooms.changed(change, room_id)
            return
        member = self.shape_of(change.member)
        frame = {
            "type": "presence",
            "channel": change.channel,
            "action": change.action.value,
            "member": member,
        }
        but: Reader | None = None
        if change.action is Action.LEAVE and change.session_id is not None:
            but = self.sessions.socket_of(change.session_id)  # nobody gets its own leave
        self._tell(change.app_id, change.channel, frame, but)
        if change.is_origin:
            kind = _PRESENCE_EVENTS[change.action]
            happened = kind(channel=change.channel, user_id=change.member.user_id, member=member)
            self.announce(change.app_id, happened)

    def typed(self, change: TypingChange) -> None:
        """Tell the subscribers of a channel who is writing (`Typing`'s `tell`)."""
        user = {"user_id": change.user_id, "user_name": change.user_name}
        frame: dict[str, Any] = {
            "type": "typing",
            "channel": change.channel,
            "action": change.action.value,
            "user": {**(change.extra or {}), **user},
        }
        if change.action is TypingAction.STOP and change.reason not in (None, StopReason.SAID):
            assert change.reason is not None
            frame["reason"] = change.reason.value
        but = self.feeds.named.get(change.socket_id) if change.socket_id is not None else None
        self._tell(change.app_id, change.channel, frame, but)

    def read_by(
        self, app_id: AppId, channel: str, message_id: str, user_id: str, read_ms: int, up_to: bool
    ) -> None:
        """Tell the subscribers of a channel who has read a message (`Receipts`' `tell`)."""
        frame: dict[str, Any] = {
            "type": "message:read",
            "channel": channel,
            "message_id": message_id,
            "user_id": user_id,
            "read_at": iso_from_ms(read_ms),
        }
        if up_to:
            frame["up_to"] = True
        self._tell(app_id, channel, frame, None)

    def _tell(self, app_id: AppId, channel: str, frame: Any, but: Reader | None) -> None:
        key = channel_key(app_id, channel)
        if not self.hub.count(key):
            return
        data = wire.encode_text(f.encode(frame))
        if but is None:
            self.hub.publish(key, data)
        else:
            self.hub.publish_except(key, data, but)

    def send_members(self, connection: Connection, app_id: AppId, channel: str) -> None:
        """A snapshot of the members, in parts of `SNAPSHOT_PART`."""
        members = [self.shape_of(member) for member in self.presence.members(app_id, channel)]
        parts = [members[n : n + SNAPSHOT_PART] for n in range(0, len(members), SNAPSHOT_PART)] or [[]]
        for number, part in enumerate(parts, 1):
            connection.send(
                {
                    "type": "presence",
                    "channel": channel,
                    "action": "sync",
                    "members": part,
                    "part": number,
                    "parts": len(parts),
                }
            )

    @staticmethod
    def shape_of(member: Member) -> dict[str, Any]:
        """A member on the wire (7.1)."""
        return {
            "user_id": member.user_id,
            "status": member.status,
            "data": member.data,
            "connections": member.connections,
            "joined_at": iso_from_ms(member.joined_ms),
            "updated_at": iso_from_ms(member.updated_ms),
        }

    def subscribed(self, connection: Connection, session: Session, channel: str) -> None:
        """A subscription has begun."""
        who = session.identity
        signed_by = session.subscriptions[channel].permission.signed_by
        if signed_by is not None:
            self.credentials.watch(signed_by)
        event = ChannelSubscribed(channel=channel, user_id=who.user_id, socket_id=connection.id)
        self.announce(who.scope.app_id, event)

    def unsubscribed(self, socket_id: str, session: Session, channel: str) -> None:
        """A subscription has ended."""
        who = session.identity
        event = ChannelUnsubscribed(channel=channel, user_id=who.user_id, socket_id=socket_id)
        self.announce(who.scope.app_id, event)

    # --- who is there -------------------------------------------------------------------------

    def show_status(self, app_id: AppId, user_id: str, status: str) -> None:
        """Show a user's availability wherever the user is a member over an open connection here."""
        if not self._statuses:  # all that are told in this turn are shown in one pass over the sessions
            asyncio.get_running_loop().call_soon(self._show_statuses)
        self._statuses[app_id, user_id] = status

    def _show_statuses(self) -> None:
        statuses, self._statuses = self._statuses, {}
        for session in self.sessions.of_users(statuses):
            if session.connection is None:
                continue  # a word from it would count as being there, and end its grace
            app_id, user_id = session.identity.scope.app_id, session.identity.user_id
            patch = {"status": statuses[app_id, user_id]}
            for channel, subscription in session.subscriptions.items():
                if subscription.member_data is not None:
                    member = self.presence.update(app_id, channel, session.id, user_id, patch)
                    subscription.member_data = member.data

    # --- time ---------------------------------------------------------------------------------

    async def _turn_forever(self) -> None:
        while True:
            await asyncio.sleep(TURN_S)
            try:
                self.turn()
                while self._excluding:
                    await close_excluded(self, self.settings, self._excluding.pop())
            except Exception:
                log.exception("realtime_sockets_turn_failed")

    def turn(self) -> None:
        """End sessions whose clients stayed away, and connections whose tokens ended."""
        for session in self.sessions.expired():
            self.end_session(session)
        now = to_ms(self.store.clock.now()) // 1000
        while self._expiring and self._expiring[0][0] <= now:
            _, number, connection, expires_at = heapq.heappop(self._expiring)
            session_now = connection.session
            if connection not in self.connections or session_now is None:
                continue
            if session_now.identity.expires_at != expires_at:
                continue  # renewed meanwhile
            if now >= expires_at:
                connection.fail(InvalidToken("The token has expired."), Close.REALTIME_TOKEN)
            else:
                at = opening.seconds_to_iso(expires_at)
                connection.send({"type": "token_expiring", "expires_at": at})
                heapq.heappush(self._expiring, (expires_at, number, connection, expires_at))

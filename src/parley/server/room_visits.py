"""Visitors of a room's page: people with a room token, and no application around them."""

from __future__ import annotations

from datetime import timedelta

from parley.accounts import service as accounts
from parley.accounts.user_tokens import InvalidToken
from parley.base.errors import NotFound, TooMany, Unauthenticated
from parley.base.ids import new_uuid
from parley.base.times import to_ms
from parley.bus import Bus
from parley.channels.realtime.tokens import MAX_TTL, ConnectionClaims, ConnectionTokens, OneRoom
from parley.people.service import People
from parley.rooms import service
from parley.rooms.live import LiveRooms
from parley.rooms.model import Role, Room, RoomStatus
from parley.rooms.tokens import RoomTokenExpired
from parley.server.demo import Demo
from parley.store.core import Store
from parley.web.context import RoomVisit
from parley.web.rooms import LinkExpired, LinkRefused, NotInvited, RoomEnded

LIMIT, LIMIT_WINDOW = 120, timedelta(minutes=1)
"""Requests of a room's visitors, all together."""
LIFETIME = MAX_TTL
"""Of a visit: a call does not end when the link to it does."""


class RoomVisits:
    """Lets people into single rooms."""

    def __init__(
        self, store: Store, live: LiveRooms, connections: ConnectionTokens, bus: Bus, demo: Demo | None
    ) -> None:
        """Prepare; the open rooms of a demo are for everybody who knows their address."""
        self._store = store
        self._live = live
        self._connections = connections
        self._bus = bus
        self._demo = demo
        self._people = People()

    async def visit(
        self, room_id: str, token: str | None, earlier: str | None, name: str | None
    ) -> RoomVisit:
        """What the room is; with a name, also what lets its visitor in.

        Args:
            room_id: where.
            token: a room token.
            earlier: a connection token had before, which is worth a room token, and keeps its end.
            name: of a visitor whom the app does not know by name.

        Raises:
            NotFound: there is no such room.
            RoomEnded: there was.
            NotInvited: without a token.
            LinkRefused: the token is wrong.
            LinkExpired: it was right.
            TooMany: over the limit.
        """
        room = await service.find_room(self._store, room_id)
        if room.status is not RoomStatus.OPEN:
            raise RoomEnded("This call has ended.")
        before = self._before(room, earlier)
        pass_, user_id = (before.room, before.sub) if before else await self._invitation(room, token)
        # Only who may come in counts: nobody else can keep them out.
        if await self._bus.count(f"room-visits:{room.id}", LIMIT_WINDOW) > LIMIT:
            raise TooMany("Too many people came to this call just now.", retry_after_s=60)
        try:
            scope, app = await accounts.app_and_scope(self._store, room.app_id, f"user:{user_id}")
        except Unauthenticated as gone:
            raise NotFound("There is no such room.") from gone
        known = (await self._people.by_ids(scope, [user_id])).get(user_id) if user_id else None
        user_name = known.name if known else None
        connection = None
        if name is not None:
            now_s = to_ms(scope.now()) // 1000
            connection, _ = self._connections.issue(
                room.app_id,
                app.environment.value,
                user_id or f"guest-{new_uuid()[:13]}",
                [],
                ttl=timedelta(seconds=before.exp - now_s) if before else LIFETIME,
                info={"name": user_name or name},
                room=pass_,
            )
        return RoomVisit(
            room_name=room.name,
            people=len(await self._live.snapshot(room.app_id, room.id)),
            has_audio=room.settings.audio.enabled,
            has_video=room.settings.video.enabled,
            is_recorded=room.is_recorded_here,
            user_name=user_name,
            connection_token=connection,
        )

    def _before(self, room: Room, earlier: str | None) -> ConnectionClaims | None:
        """The visit that is gone on with, if there was one."""
        try:
            claims = self._connections.verify(earlier) if earlier else None
        except InvalidToken:
            return None
        is_here = claims and claims.room and (claims.room.id, claims.app) == (room.id, room.app_id)
        return claims if is_here else None

    async def _invitation(self, room: Room, token: str | None) -> tuple[OneRoom, str | None]:
        """As what somebody comes, and as whom."""
        if token is None:
            if self._demo is None or room.access != "open" or (await self._demo.app()).app_id != room.app_id:
                raise NotInvited("This call is for invited people.")
            return OneRoom(room.id, Role.PARTICIPANT.value), None
        try:
            pass_, user_id = self._live.tokens.read(token, room.id)
        except RoomTokenExpired as expired:
            raise LinkExpired("This link has expired.") from expired
        except InvalidToken as refused:
            raise LinkRefused("This link is not valid.") from refused
        return OneRoom(room.id, pass_.role.value, pass_.participant_id), user_id

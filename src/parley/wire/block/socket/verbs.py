"""What a client may ask of a channel (`realtime-block.md` 6.2, 6.6, 6.7, 7, 8)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec

from parley.base.errors import NotAllowed
from parley.base.times import from_ms, iso_ms
from parley.channels.realtime.access import Credentials, Permission, UnauthorizedChannel
from parley.channels.realtime.feed import Prepared
from parley.channels.realtime.grants import ALL, Op
from parley.channels.realtime.members import entered
from parley.channels.realtime.model import Position
from parley.channels.realtime.names import InvalidChannel, Kind, check_name, kind_of
from parley.channels.realtime.typing import NAME_LIMIT, StopReason
from parley.stream.closing import Close
from parley.wire.block.errors import BadRequest, ChannelLimit
from parley.wire.block.socket import frames as f
from parley.wire.block.socket import opening
from parley.wire.block.socket.session import Identity, Session, Subscription

if TYPE_CHECKING:
    from parley.wire.block.socket.connection import Connection

Verb = Callable[["Connection", Session, Any], Awaitable[Any]]
ROOM_ONLY = "This token opens one room, and nothing else."


async def run(connection: Connection, session: Session, frame: f.Incoming) -> Any:
    """Do what the frame says; the result of its ack, None for no ack."""
    verb = _VERBS.get(type(frame))
    if verb is None:
        raise BadRequest("This frame is not expected now.")
    if session.identity.room is not None and type(frame) not in _OF_ROOMS:
        raise NotAllowed(ROOM_ONLY)
    return await verb(connection, session, frame)


async def _ping(connection: Connection, session: Session, frame: f.Ping) -> None:
    connection.pong(frame)


async def _auth(connection: Connection, session: Session, frame: f.Auth) -> Any:
    result = await opening.renew(connection, session, frame)
    for channel in await opening.no_longer_allowed(connection.server, session):
        end_subscription(connection, session, channel, "The new token does not open this channel.")
    return result


async def _disconnect(connection: Connection, session: Session, frame: f.Disconnect) -> None:
    connection.is_ending = True
    connection.socket.close(Close.NORMAL)


# --- subscribing ------------------------------------------------------------------------------


async def _subscribe(connection: Connection, session: Session, frame: f.Subscribe) -> None:
    server, identity = connection.server, session.identity
    scope, channel, endings = identity.scope, check_name(frame.channel), server.sessions.endings
    permission = await _permission(connection, identity, channel, frame)
    before = session.subscriptions.get(channel)
    if before is None:
        await _check_limit(connection, session)
        ready = await _prepare(connection, session, channel, permission, frame.since)
    else:
        ready = await server.feeds.prepare(scope.app_id, channel, _position(frame.since))
    if permission.kind is Kind.CONVERSATION and endings != server.sessions.endings:
        server.feeds.discard(ready)
        if before is None and permission.features.presence:
            server.presence.unwatch(scope.app_id, channel)
        # Somebody left one meanwhile: perhaps this user, this one.
        await _subscribe(connection, session, frame)
        return
    if before is None:
        session.subscriptions[channel] = Subscription(permission, frame.auth is not None)
    else:
        before.permission = permission
        before.is_signed = before.is_signed or frame.auth is not None
    # From here to the snapshot nothing else runs, so that nothing can come between.
    joined = server.feeds.attach(ready, connection.socket)
    if before is not None:
        server.feeds.discard(ready)  # one place at the feed is enough
    if frame.id is not None:
        result = {
            "channel": channel,
            "kind": permission.kind.value,
            **joined.position._asdict(),
            "recovered": None if frame.since is None else joined.missed is not None,
            "history_available": permission.features.history and Op.HISTORY in permission.ops,
        }
        connection.send(f.Ack(frame.id, result))
    connection.socket.send_texts(f.publication(one, replayed=True) for one in joined.missed or ())
    if permission.features.presence:
        server.send_members(connection, scope.app_id, channel)
        if permission.user_info is not None and before is None:
            _enter(connection, session, channel, dict(permission.user_info))
    if before is None:
        server.subscribed(connection, session, channel)


async def _permission(
    connection: Connection, identity: Identity, channel: str, frame: f.Subscribe
) -> Permission:
    """What the client may do on the channel, once everything is checked that can be before it joins."""
    shown = Credentials(identity.user_id, identity.grants, connection.id, frame.auth, frame.channel_data)
    permission = await connection.server.access.permission(identity.scope, identity.app, channel, shown)
    if Op.SUBSCRIBE not in permission.ops:
        raise UnauthorizedChannel("The grant does not allow to subscribe.")
    if permission.features.presence and permission.user_info is not None:
        entered(identity.user_id, permission.user_info)
    return permission


async def _check_limit(connection: Connection, session: Session) -> None:
    limit = (await connection.server.publisher.plan(session.identity.scope)).channels
    if limit is not None and len(session.subscriptions) >= limit:
        raise ChannelLimit(f"The plan of this app allows {limit} channels per connection.")


async def _prepare(
    connection: Connection, session: Session, channel: str, permission: Permission, since: f.Place | None
) -> Prepared:
    """A place at the feed, and an interest in the members where there are any."""
    server, app_id = connection.server, session.identity.scope.app_id
    if not permission.features.presence:
        return await server.feeds.prepare(app_id, channel, _position(since))
    await server.presence.watch(app_id, channel)
    try:
        return await server.feeds.prepare(app_id, channel, _position(since))
    except BaseException:
        server.presence.unwatch(app_id, channel)
        raise


def _position(place: f.Place | None) -> Position | None:
    return None if place is None else Position(place.epoch, place.offset)


async def _unsubscribe(connection: Connection, session: Session, frame: f.Unsubscribe) -> Any:
    channel = check_name(frame.channel)
    if channel in session.subscriptions:
        leave_channel(connection, session, channel)
        connection.server.unsubscribed(connection.id, session, channel)
    return {"channel": channel}


def leave_channel(connection: Connection, session: Session, channel: str) -> None:
    """Stop listening to a channel, being a member and typing there."""
    server, app_id = connection.server, session.identity.scope.app_id
    subscription = session.subscriptions.pop(channel)
    server.feeds.leave(app_id, channel, connection.socket)
    server.typing.left(app_id, channel, connection.id)
    if subscription.permission.features.presence:
        server.presence.leave(app_id, channel, session.id)
        server.presence.unwatch(app_id, channel)


def end_subscription(connection: Connection, session: Session, channel: str, why: str) -> None:
    """Let a client hear nothing more of a channel, and say so (`unsubscribed` of 6.3)."""
    if channel in session.subscriptions:
        leave_channel(connection, session, channel)
        connection.server.unsubscribed(connection.id, session, channel)
        frame = {"type": "unsubscribed", "channel": channel, "code": UnauthorizedChannel.code, "detail": why}
        connection.send(frame)


def end_connection(connection: Connection, session: Session, *, for_good: bool) -> None:
    """The socket is gone; `for_good` when the client does not come back."""
    server = connection.server
    server.detach(connection, session)
    if for_good or not server.sessions.away(session):
        server.end_session(session)


# --- publishing -------------------------------------------------------------------------------


def _subscription(session: Session, channel: str, op: Op) -> Subscription:
    """The subscription that an operation needs."""
    subscription = session.subscriptions.get(check_name(channel))
    if subscription is None:
        raise UnauthorizedChannel("Subscribe to the channel first.")
    if op not in subscription.permission.ops:
        raise UnauthorizedChannel(f"The grant does not allow {op.value}.")
    return subscription


async def publish(connection: Connection, session: Session, frame: f.Publish | f.Trigger) -> None:
    """Hand a publication to the log; the connection answers it."""
    server, identity = connection.server, session.identity
    if identity.room is not None:
        raise NotAllowed(ROOM_ONLY)
    channel, is_trigger = check_name(frame.channel), isinstance(frame, f.Trigger)
    if not is_trigger and kind_of(channel) is Kind.PUBLIC and channel not in session.subscriptions:
        features, ops = await server.access.features(identity.scope, channel), ALL
    elif kind_of(channel) is Kind.NOTIFICATIONS and channel not in session.subscriptions:
        raise NotAllowed("Only servers publish here.")
    else:
        permission = _subscription(session, channel, Op.SUBSCRIBE).permission
        features, ops = permission.features, permission.ops
    if not features.client_publish:
        if is_trigger:
            raise InvalidChannel("Clients cannot trigger events on this kind of channel.")
        raise NotAllowed("Only servers publish here.")
    if Op.PUBLISH not in ops:
        raise UnauthorizedChannel("The grant does not allow to publish.")
    accepted = await server.publisher.publish(
        identity.scope,
        channel,
        event=frame.event,
        data=bytes(frame.data),
        user_id=identity.user_id,
        client_id=None if isinstance(frame, f.Trigger) else frame.client_id,
        in_history=not is_trigger and features.history,
        is_event=is_trigger,
        but=None if frame.echo else connection.id,
    )
    connection.publishing(frame, accepted.stored)
    if not is_trigger:
        server.typing.stop(identity.scope.app_id, channel, identity.user_id, StopReason.MESSAGE)


# --- presence ---------------------------------------------------------------------------------


def _present(session: Session, channel: str) -> Subscription:
    subscription = _subscription(session, channel, Op.PRESENCE)
    if not subscription.permission.features.presence:
        raise InvalidChannel("This kind of channel has no members.")
    return subscription


async def _enter_verb(connection: Connection, session: Session, frame: f.PresenceEnter) -> Any:
    _present(session, frame.channel)
    await connection.server.publisher.take(session.identity.scope)
    return {"member": _enter(connection, session, frame.channel, frame.data)}


def _enter(connection: Connection, session: Session, channel: str, data: dict[str, Any]) -> Any:
    server, identity = connection.server, session.identity
    member = server.presence.enter(identity.scope.app_id, channel, session.id, identity.user_id, data)
    session.subscriptions[channel].member_data = member.data
    return server.shape_of(member)


async def _update(connection: Connection, session: Session, frame: f.PresenceUpdate) -> Any:
    subscription = _present(session, frame.channel)
    server, identity = connection.server, session.identity
    await server.publisher.take(identity.scope)
    member = server.presence.update(
        identity.scope.app_id, frame.channel, session.id, identity.user_id, frame.data
    )
    subscription.member_data = member.data
    return {"member": server.shape_of(member)}


async def _leave(connection: Connection, session: Session, frame: f.PresenceLeave) -> Any:
    subscription = _present(session, frame.channel)
    server = connection.server
    await server.publisher.take(session.identity.scope)
    subscription.member_data = None
    server.presence.leave(session.identity.scope.app_id, frame.channel, session.id)
    return {}


async def _members(connection: Connection, session: Session, frame: f.PresenceGet) -> Any:
    _present(session, frame.channel)
    server = connection.server
    found = server.presence.members(session.identity.scope.app_id, frame.channel)
    return {"members": [server.shape_of(member) for member in found]}


# --- typing and reading -----------------------------------------------------------------------


async def _typing_start(connection: Connection, session: Session, frame: f.TypingStart) -> Any:
    subscription = _subscription(session, frame.channel, Op.SUBSCRIBE)
    server, identity = connection.server, session.identity
    _may_type(frame.channel)
    said = subscription.member_data or {}
    known = identity.name or said.get("name")
    name = frame.user_name or (known[:NAME_LIMIT] if isinstance(known, str) else None)
    server.typing.start(
        identity.scope.app_id,
        frame.channel,
        connection.id,
        identity.user_id,
        name or identity.user_id,
        frame.data,
    )
    return {}


async def _typing_stop(connection: Connection, session: Session, frame: f.TypingStop) -> Any:
    _subscription(session, frame.channel, Op.SUBSCRIBE)
    _may_type(frame.channel)
    identity = session.identity
    connection.server.typing.stop(identity.scope.app_id, frame.channel, identity.user_id)
    return {}


def _may_type(channel: str) -> None:
    if kind_of(channel) is Kind.NOTIFICATIONS:
        raise InvalidChannel("Nobody types on this kind of channel.")


async def _read(connection: Connection, session: Session, frame: f.Read) -> Any:
    _subscription(session, frame.channel, Op.SUBSCRIBE)
    identity = session.identity
    outcome = await connection.server.receipts.read(
        identity.scope, frame.channel, frame.message_id, identity.user_id, up_to=frame.up_to
    )
    return {
        "message_id": frame.message_id,
        "user_id": identity.user_id,
        "read_at": iso_ms(from_ms(outcome.read_at_ms)),
    }


async def _delivered(connection: Connection, session: Session, frame: f.Delivered) -> None:
    _subscription(session, frame.channel, Op.SUBSCRIBE)
    identity = session.identity
    await connection.server.receipts.delivered(identity.scope, frame.channel, identity.user_id, frame.offset)


# --- rooms ------------------------------------------------------------------------------------


async def _room_join(connection: Connection, session: Session, frame: f.RoomJoin) -> Any:
    return await connection.server.rooms.join(connection, session, frame)


async def _room_leave(connection: Connection, session: Session, frame: f.RoomLeave) -> Any:
    return await connection.server.rooms.leave(connection, session, frame)


async def _room_signal(connection: Connection, session: Session, frame: f.RoomSignal) -> Any:
    return await connection.server.rooms.signal(connection, session, frame)


async def _room_media(connection: Connection, session: Session, frame: f.RoomMedia) -> Any:
    return await connection.server.rooms.media(connection, session, frame)


_VERBS: dict[type[msgspec.Struct], Verb] = {
    f.Ping: _ping,
    f.Auth: _auth,
    f.Disconnect: _disconnect,
    f.Subscribe: _subscribe,
    f.Unsubscribe: _unsubscribe,
    f.PresenceEnter: _enter_verb,
    f.PresenceUpdate: _update,
    f.PresenceLeave: _leave,
    f.PresenceGet: _members,
    f.TypingStart: _typing_start,
    f.TypingStop: _typing_stop,
    f.Read: _read,
    f.Delivered: _delivered,
    f.RoomJoin: _room_join,
    f.RoomLeave: _room_leave,
    f.RoomSignal: _room_signal,
    f.RoomMedia: _room_media,
}
_OF_ROOMS = {f.Ping, f.Auth, f.Disconnect, f.RoomJoin, f.RoomLeave, f.RoomSignal, f.RoomMedia}
"""What somebody may ask whose token opens one room only."""

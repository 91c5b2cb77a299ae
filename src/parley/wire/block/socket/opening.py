"""The first frame: who connects, and whether they come back (`realtime-block.md` 6.4, 9.2)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog

from parley.accounts.exclusion import Excluded, require_admitted
from parley.accounts.user_tokens import InvalidToken
from parley.base.errors import ParleyError, Unauthenticated
from parley.base.times import iso_ms
from parley.channels.realtime.access import Credentials, UnauthorizedChannel
from parley.channels.realtime.feed import Prepared
from parley.channels.realtime.grants import Grants, Op
from parley.channels.realtime.model import Position, Publication
from parley.stream.closing import Close
from parley.stream.sockets import UpgradeRequest
from parley.wire.block.errors import ConnectionFailed, ConnectionLimit
from parley.wire.block.socket import frames as f
from parley.wire.block.socket.rooms import Returning
from parley.wire.block.socket.session import KEPT_S, Identity, Session, Subscription

log = structlog.get_logger(__name__)

if TYPE_CHECKING:
    from parley.wire.block.socket.connection import Connection
    from parley.wire.block.socket.server import BlockSockets


def token_of(request: UpgradeRequest) -> str | None:
    """The token of a handshake; browsers can only put it into the address."""
    token = request.params.get("token")
    if token:
        return token
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" and secret.strip() else None


async def identify(server: BlockSockets, token: str, api_key: str | None) -> Identity:
    """Whom a token stands for.

    A user token may take the place of a connection token; it opens the default grants, and the app is that of
    the API key beside it.

    Raises:
        InvalidToken: for nobody.
    """
    if server.tokens.is_one(token):
        claims = server.tokens.verify(token)
        await server.credentials.require(claims.keys)
        scope, app = await server.app_of(claims.app, f"user:{claims.sub}")
        name = claims.info.get("name")
        return Identity(
            scope,
            app,
            claims.sub,
            name if isinstance(name, str) else None,
            Grants(claims.ch),
            claims.exp,
            claims.room,
            claims.keys,
        )
    if not api_key:
        raise InvalidToken("This is no connection token; with a user token, send api_key as well.")
    try:
        holder = await server.credentials.holder(api_key)
    except Unauthenticated as refused:
        raise InvalidToken(refused.message) from refused
    remembered = await server.credentials.signing_keys(holder.scope)
    user = await server.users.verify(holder.scope, token, remembered=remembered)
    credentials = [holder.credential_id]
    if user.signed_by not in (None, holder.credential_id):
        credentials.append(user.signed_by)
    await server.credentials.require(credentials)
    if server.people is not None:
        await server.people.ensure_user(holder.scope, user)
    grants = Grants(await server.access.default_grants(holder.scope, user.id))
    return Identity(
        holder.scope, holder.app, user.id, user.name, grants, user.expires_at, credentials=credentials
    )


async def connect(connection: Connection, frame: f.Connect) -> None:
    """Let somebody in, or say why not and close."""
    try:
        await _let_in(connection, frame)
    except InvalidToken as refused:
        connection.fail(refused, Close.REALTIME_TOKEN)
    except Excluded as refused:
        connection.fail(refused, Close.REALTIME_BANNED)
    except ConnectionLimit as refused:
        connection.fail(refused, Close.REALTIME_CONNECTION_LIMIT)
    except ParleyError as failed:
        connection.fail(ConnectionFailed(failed.message), Close.REALTIME_FAILED)
    except Exception:
        log.exception("connection_failed")
        failure = ConnectionFailed("The connection could not be set up.")
        connection.fail(failure, Close.REALTIME_FAILED)


async def _let_in(connection: Connection, frame: f.Connect) -> None:
    server, present = connection.server, connection.session
    identity = await identify(server, frame.token, frame.api_key)
    await require_admitted(server.settings, identity.scope, identity.user_id)
    plan = await server.publisher.plan(identity.scope)
    if present is not None:  # the token was in the address, and what is to be resumed could not be
        if _who(present.identity) != _who(identity):
            raise InvalidToken("The token is for another user or app.")
    elif not await server.admission.admit(connection, identity.scope.app_id, plan.connections):
        raise ConnectionLimit("The plan of this app allows no more connections.")
    welcome: dict[str, Any] = {
        "type": "welcome",
        "v": 1,
        "socket_id": connection.id,
        "resume_ttl_ms": int(KEPT_S * 1000),
        "user_id": identity.user_id,
        "app_id": identity.app.public_id,
        "environment": "staging" if identity.app.environment == "test" else "production",
        "heartbeat_interval_ms": round(server.heartbeat.ping_s * 1000),
        "idle_timeout_ms": round(server.heartbeat.silent_s * 1000),
        "token_expires_at": seconds_to_iso(identity.expires_at),
        "server_time": iso_ms(server.store.clock.now()),
        "limits": {
            "plan": await server.plan_name(identity.scope),
            "channels": plan.channels,
            "messages_per_second": plan.messages_per_second,
            "max_frame_bytes": f.FRAME_LIMIT_BYTES,
        },
    }
    known = frame.resume and server.sessions.find(frame.resume.session_id, frame.resume.resume_token)
    if frame.resume and known and known is not present:
        if _who(known.identity) != _who(identity):
            raise InvalidToken("The session belongs to somebody else.")
        await _resume(connection, known, identity, frame.resume, welcome)
        if present is not None:
            server.sessions.remove(present)
    elif present is not None:
        connection.send(welcome | _names(present) | {"resumed": False})
    else:
        session = Session(identity)
        server.sessions.add(session)
        _take_place(connection, session, identity)
        connection.send(welcome | _names(session) | {"resumed": False})


def _who(identity: Identity) -> tuple[str, str]:
    return identity.user_id, identity.scope.app_id


async def _resume(
    connection: Connection, session: Session, identity: Identity, asked: f.Resume, welcome: dict[str, Any]
) -> None:
    """Give a client back what it had: its channels, what it missed on them, its place among the members."""
    server = connection.server
    before = session.connection
    if before is not None:
        server.detach(before, session)
        before.session = session.connection = None
        before.socket.close(Close.REALTIME_TAKEN_OVER)
    session.identity = identity
    prepared: list[tuple[str, Subscription, Prepared]] = []
    told: dict[str, dict[str, Any]] = {}
    returning: Returning | None = None
    try:
        await _prepare(server, session, identity, asked, prepared, told)
        returning = await server.rooms.prepare(session)
        if session.connection is not None:
            raise ConnectionFailed("Another connection has resumed this session meanwhile.")
    except BaseException:
        if returning is not None:
            server.rooms.give_up(returning)
        for channel, subscription, ready in prepared:
            server.feeds.discard(ready)
            if subscription.permission.features.presence:
                server.presence.unwatch(identity.scope.app_id, channel)
        if session.connection is None:
            session.away_since = server.store.clock.monotonic()
        raise
    _attach(connection, session, identity, prepared, told, welcome)
    server.rooms.attach(connection, session, returning)


async def _prepare(
    server: BlockSockets,
    session: Session,
    identity: Identity,
    asked: f.Resume,
    prepared: list[tuple[str, Subscription, Prepared]],
    told: dict[str, dict[str, Any]],
) -> None:
    for channel, subscription in list(session.subscriptions.items()):
        if not await _is_still_allowed(server, identity, channel, subscription):
            del session.subscriptions[channel]
            server.presence.leave(identity.scope.app_id, channel, session.id)
            server.unsubscribed(session.socket_id, session, channel)
            told[channel] = {"recovered": False, "reason": "unauthorized"}
            continue
        place = asked.channels.get(channel)
        since = Position(place.epoch, place.offset) if place is not None else None
        if subscription.permission.features.presence:
            await server.presence.watch(identity.scope.app_id, channel)
        ready = await server.feeds.prepare(identity.scope.app_id, channel, since)
        prepared.append((channel, subscription, ready))


def _attach(
    connection: Connection,
    session: Session,
    identity: Identity,
    prepared: list[tuple[str, Subscription, Prepared]],
    told: dict[str, dict[str, Any]],
    welcome: dict[str, Any],
) -> None:
    """Nothing else runs meanwhile, so that nothing can come between these frames."""
    server = connection.server
    replays: list[Publication] = []
    for channel, _, ready in prepared:
        joined = server.feeds.attach(ready, connection.socket)
        told[channel] = {"recovered": joined.missed is not None, **joined.position._asdict()}
        if joined.lost is not None:
            told[channel]["reason"] = joined.lost.value
        replays += joined.missed or ()
    session.rotate()
    _take_place(connection, session, identity)
    connection.send(welcome | _names(session) | {"resumed": True, "channels": told})
    connection.socket.send_texts(f.publication(one, replayed=True) for one in replays)
    for channel, subscription, _ in prepared:
        if subscription.permission.features.presence:
            if subscription.member_data is not None:
                server.presence.resume(
                    identity.scope.app_id, channel, session.id, identity.user_id, subscription.member_data
                )
            server.send_members(connection, identity.scope.app_id, channel)


async def _is_still_allowed(
    server: BlockSockets, identity: Identity, channel: str, subscription: Subscription
) -> bool:
    if subscription.is_signed:
        return True
    try:
        subscription.permission = await server.access.permission(
            identity.scope, identity.app, channel, Credentials(identity.user_id, identity.grants)
        )
    except UnauthorizedChannel:
        return False
    return Op.SUBSCRIBE in subscription.permission.ops


def _take_place(connection: Connection, session: Session, identity: Identity) -> None:
    connection.server.sessions.seat(session, connection)
    if connection.session is None:
        connection.server.admission.arrived(connection, identity)
    else:
        connection.server.admission.relies(connection, identity)
    connection.session = session
    connection.server.feeds.named[connection.id] = connection.socket
    connection.server.watch_expiry(connection, identity.expires_at)


def _names(session: Session) -> dict[str, str]:
    return {"session_id": session.id, "resume_token": session.resume_token}


async def renew(connection: Connection, session: Session, frame: f.Auth) -> dict[str, Any]:
    """A new token for the same user, while connected.

    Raises:
        InvalidToken: for nobody, or for somebody else.
    """
    server = connection.server
    identity = await identify(server, frame.token, frame.api_key)
    if _who(identity) != _who(session.identity):
        raise InvalidToken("The token is for another user or app.")
    session.identity = identity
    server.admission.relies(connection, identity)
    server.watch_expiry(connection, identity.expires_at)
    return {"expires_at": seconds_to_iso(identity.expires_at)}


async def no_longer_allowed(server: BlockSockets, session: Session) -> list[str]:
    """The channels of a session that its present token does not open."""
    return [
        channel
        for channel, subscription in list(session.subscriptions.items())
        if not await _is_still_allowed(server, session.identity, channel, subscription)
    ]


def seconds_to_iso(at: int) -> str:
    """An instant of a token, whatever its customer put there."""
    try:
        return iso_ms(datetime.fromtimestamp(at, UTC))
    except (ValueError, OverflowError, OSError):
        return "9999-12-31T23:59:59.000Z"

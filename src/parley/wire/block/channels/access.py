"""Which channels a REST request may use (`realtime-block.md` 10, 13.4).

A secret key opens all of them. A user token carries the app's default grants; a connection token in its place
carries its own. For private and presence channels the signed authorization of an open socket may be sent::

    X-Channel-Auth: <socket id> <auth> [<channel data, the JSON text that was signed>]
"""

from __future__ import annotations

from parley.base.errors import Invalid
from parley.channels.realtime.access import ChannelAccess, Credentials, UnauthorizedChannel
from parley.channels.realtime.feed import Feeds
from parley.channels.realtime.grants import Grants, Op
from parley.channels.realtime.model import Position
from parley.channels.realtime.names import check_name
from parley.wire.block.endpoint import Call
from parley.wire.block.errors import ChannelNotFound
from parley.wire.block.socket.open_sockets import OpenSockets


async def used_channel(call: Call, channel: str, op: Op) -> Position:
    """The present place of a channel that the caller may use.

    Raises:
        InvalidChannel: not a channel's name.
        UnauthorizedChannel: not the caller's to use.
        ChannelNotFound: nobody has ever used it.
    """
    check_name(channel)
    await check_channel(call, channel, op)
    place = await call.service(Feeds).position(call.scope.app_id, channel)
    if place is None:
        raise ChannelNotFound("Nobody has ever used this channel.")
    return place


async def check_channel(call: Call, channel: str, op: Op) -> None:
    """Raise `UnauthorizedChannel` unless the caller may do that on the channel."""
    if call.is_server:
        return
    shown = await credentials(call)
    permission = await call.service(ChannelAccess).permission(call.scope, call.app, channel, shown)
    if op not in permission.ops:
        raise UnauthorizedChannel(f"The grant does not allow {op.value}.")
    if shown.auth is not None and shown.socket_id is not None:
        sockets = call.service(OpenSockets)
        if not await sockets.is_open(call.scope.app_id, shown.user_id, shown.socket_id):
            raise UnauthorizedChannel("The authorization is for no open socket of the caller.")


async def credentials(call: Call) -> Credentials:
    """What the request shows for channels."""
    user = call.acting_user()
    if call.connection is not None:
        grants = call.connection.ch
    else:
        grants = await call.service(ChannelAccess).default_grants(call.scope, user.id)
    socket_id, auth, channel_data = _signed(call.request.header(b"x-channel-auth"))
    return Credentials(user.id, Grants(grants), socket_id, auth, channel_data, wants_membership=False)


def _signed(header: str) -> tuple[str | None, str | None, str | None]:
    """Socket, authorization and channel data of the header; all None without one."""
    if not header.strip():
        return None, None, None
    parts = header.split(None, 2)
    if len(parts) < 2:
        raise Invalid("X-Channel-Auth has the socket's id and the authorization.", field="?X-Channel-Auth")
    if len(parts) == 2:
        return parts[0], parts[1], None
    try:
        return parts[0], parts[1], parts[2].encode("latin-1").decode()  # the bytes are UTF-8
    except UnicodeDecodeError as malformed:
        raise Invalid("The channel data must be UTF-8.", field="?X-Channel-Auth") from malformed

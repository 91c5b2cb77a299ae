"""Who is writing (`realtime-block.md` 8.1).

A user is writing in a channel or is not, on however many connections; the last word counts. A *spell* begins
with a `start` and ends with one `stop`: said, or because a message came, the connection that spoke last went
away, or nothing was heard for `SPELL_S`.

The process of that connection keeps the time; the others are told through the bus, and end a spell by
themselves when its process has gone silent. What the bus loses is mended by the next refresh, or by time.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

import msgspec
import structlog

from parley.base.clock import Clock
from parley.base.errors import Invalid, TooLarge
from parley.base.ids import AppId
from parley.base.tasks import cancel_and_wait
from parley.bus import Bus, Subscription
from parley.channels.realtime.leases import Leases
from parley.channels.realtime.model import channel_key

log = structlog.get_logger(__name__)
SPELL_S = 6.0
"""Silence that ends a spell."""
REFRESH_S = 3.0
"""Others hear of one spell at most that often."""
ELSEWHERE_S = SPELL_S + REFRESH_S + 1.0
"""Silence that ends a spell of another process: it may go on for `REFRESH_S` without a word."""
TURN_S = 0.25
NAME_LIMIT = 256
EXTRA_LIMIT_BYTES = 4 << 10
"""Of what a start carries besides, as JSON."""
TOPIC = "typing"
"""One for all channels: a spell is a message every `REFRESH_S`, a topic for each channel would cost more."""


class TypingAction(StrEnum):
    """What happened."""

    START = "start"
    """Also a refresh: the user is still writing."""
    STOP = "stop"


class StopReason(StrEnum):
    """Why a spell ended."""

    SAID = "stop"
    """The client said so."""
    MESSAGE = "message"
    DISCONNECT = "disconnect"
    TIMEOUT = "timeout"


class TypingChange(msgspec.Struct, frozen=True, kw_only=True):
    """To show to the subscribers of a channel."""

    app_id: AppId
    channel: str
    action: TypingAction
    user_id: str
    user_name: str
    """For a stop, that of the last start which others have heard."""
    extra: Mapping[str, Any] | None = None
    """What the start carried besides; None for a stop."""
    reason: StopReason | None = None
    """Of a stop."""
    socket_id: str | None = None
    """The connection that must not get it, because it is its own word. None for the stop of a spell in which
    several connections of the user spoke: each has seen another's start."""


Tell = Callable[[TypingChange], None]
"""Told of everything that subscribers in this process should see; must be quick and must not raise."""


class _Start(msgspec.Struct, frozen=True, array_like=True, tag="s"):
    node: str
    app_id: AppId
    channel: str
    user_id: str
    user_name: str
    extra: Mapping[str, Any] | None
    is_shown: bool
    """False: only the process that keeps the time is another one now."""


class _Stop(msgspec.Struct, frozen=True, array_like=True, tag="e"):
    owner: str
    """Whose spell it is."""
    node: str
    app_id: AppId
    channel: str
    user_id: str
    reason: StopReason


_Place = tuple[str, str]
"""Channel and user."""


class _Spell:
    __slots__ = ("app_id", "channel", "is_of_one", "owner", "shown_s", "socket_id", "user_id", "user_name")

    def __init__(self, app_id: AppId, channel: str, user_id: str, owner: str) -> None:
        self.app_id = app_id
        self.channel = channel
        self.user_id = user_id
        self.owner = owner
        """The process that keeps the time."""
        self.user_name = ""
        self.shown_s = float("-inf")
        self.socket_id: str | None = None
        """The connection that spoke last; None when it is not ours."""
        self.is_of_one = True
        """Whether only one connection spoke."""


class Typing:
    """Spells of all channels, as this process sees them.

    All methods take effect before they return, and `tell` has been called by then.
    """

    def __init__(self, clock: Clock, bus: Bus | None, node_id: str, tell: Tell) -> None:
        self._clock = clock
        self._bus = bus
        self._node = f"{node_id}.{secrets.token_hex(4)}"
        self._tell = tell
        self._spells: dict[_Place, _Spell] = {}
        self._sockets: dict[str, set[_Place]] = {}
        now = clock.monotonic()
        self._ours = Leases[_Place](SPELL_S, tick_s=TURN_S, now_s=now)
        self._theirs = Leases[_Place](ELSEWHERE_S, tick_s=TURN_S, now_s=now)
        self._subscription: Subscription | None = None
        self._turner: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """Spells under way."""
        return len(self._spells)

    async def open(self) -> None:
        """Begin to keep time and to hear of other processes."""
        if self._bus is not None:
            self._subscription = await self._bus.subscribe(TOPIC, self._heard)
        self._turner = asyncio.create_task(self._turn_forever(), name="typing")

    async def close(self) -> None:
        """Forget everything; spells of this process end by time elsewhere."""
        await cancel_and_wait([self._turner])
        if self._subscription is not None:
            await self._subscription.close()

    def turn(self) -> None:
        """End what is due; done every `TURN_S` by itself."""
        now = self._clock.monotonic()
        for place in (*self._ours.expire(now), *self._theirs.expire(now)):
            self._end(place, StopReason.TIMEOUT)

    # --- what users do ----------------------------------------------------------------------

    def start(
        self,
        app_id: AppId,
        channel: str,
        socket_id: str,
        user_id: str,
        user_name: str,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        """The user is writing; told at once for a new spell, and at most every `REFRESH_S` after that.

        Raises:
            Invalid: the name is empty or longer than `NAME_LIMIT` characters.
            TooLarge: `extra` is over `EXTRA_LIMIT_BYTES`.
        """
        _check(user_name, extra)
        now = self._clock.monotonic()
        place = channel_key(app_id, channel), user_id
        spell = self._spells.get(place)
        if spell is None:
            spell = self._spells[place] = _Spell(app_id, channel, user_id, self._node)
        elif spell.socket_id != socket_id:
            spell.is_of_one = False
        is_news = spell.owner != self._node
        self._claim(place, spell, socket_id)
        self._ours.touch(place, now)
        is_shown = now - spell.shown_s >= REFRESH_S
        if is_shown:
            spell.shown_s, spell.user_name = now, user_name
        if self._bus is not None and (is_shown or is_news):
            start = _Start(self._node, app_id, channel, user_id, spell.user_name, extra, is_shown)
            self._bus.publish(TOPIC, _encode(start))
        if is_shown:
            self._show_start(spell, extra)

    def stop(self, app_id: AppId, channel: str, user_id: str, reason: StopReason = StopReason.SAID) -> None:
        """The user is writing no more; nothing happens if they were not."""
        self._end((channel_key(app_id, channel), user_id), reason)

    def left(self, app_id: AppId, channel: str, socket_id: str) -> None:
        """A connection has unsubscribed from a channel: ends the spell in which it spoke last."""
        key = channel_key(app_id, channel)
        for place in [place for place in self._sockets.get(socket_id, ()) if place[0] == key]:
            self._end(place, StopReason.DISCONNECT)

    def gone(self, socket_id: str) -> None:
        """A connection is gone: ends the spells in which it spoke last."""
        for place in sorted(self._sockets.get(socket_id, ())):
            self._end(place, StopReason.DISCONNECT)

    def _end(self, place: _Place, reason: StopReason) -> None:
        spell = self._spells.get(place)
        if spell is None:
            return
        # Others keep a spell of a silent process no longer than we do.
        if self._bus is not None and (spell.owner == self._node or reason is not StopReason.TIMEOUT):
            stop = _Stop(spell.owner, self._node, spell.app_id, spell.channel, spell.user_id, reason)
            self._bus.publish(TOPIC, _encode(stop))
        self._drop(place, spell, reason)

    def _drop(self, place: _Place, spell: _Spell, reason: StopReason) -> None:
        del self._spells[place]
        self._ours.drop(place)
        self._theirs.drop(place)
        self._disclaim(place, spell)
        stop = TypingChange(
            app_id=spell.app_id,
            channel=spell.channel,
            action=TypingAction.STOP,
            user_id=spell.user_id,
            user_name=spell.user_name,
            reason=reason,
            socket_id=spell.socket_id if spell.is_of_one else None,
        )
        self._tell(stop)

    def _show_start(self, spell: _Spell, extra: Mapping[str, Any] | None) -> None:
        start = TypingChange(
            app_id=spell.app_id,
            channel=spell.channel,
            action=TypingAction.START,
            user_id=spell.user_id,
            user_name=spell.user_name,
            extra=extra,
            socket_id=spell.socket_id,
        )
        self._tell(start)

    def _claim(self, place: _Place, spell: _Spell, socket_id: str) -> None:
        """This process keeps the time, for that connection."""
        if spell.socket_id != socket_id:
            self._disclaim(place, spell)
            self._sockets.setdefault(socket_id, set()).add(place)
        spell.owner, spell.socket_id = self._node, socket_id
        self._theirs.drop(place)

    def _disclaim(self, place: _Place, spell: _Spell) -> None:
        places = self._sockets.get(spell.socket_id) if spell.socket_id is not None else None
        if places is not None and spell.socket_id is not None:
            places.discard(place)
            if not places:
                del self._sockets[spell.socket_id]

    # --- what other processes say -----------------------------------------------------------

    def _heard(self, payload: bytes) -> None:
        message = _decode(payload)
        if message.node == self._node:
            return
        place = channel_key(message.app_id, message.channel), message.user_id
        spell = self._spells.get(place)
        if isinstance(message, _Stop):
            if spell is not None and spell.owner == message.owner:
                self._drop(place, spell, message.reason)
            return
        now = self._clock.monotonic()
        if spell is None:
            spell = self._spells[place] = _Spell(
                message.app_id, message.channel, message.user_id, message.node
            )
        elif spell.owner != message.node:
            spell.is_of_one = False
            spell.owner = message.node
            self._ours.drop(place)
            self._disclaim(place, spell)
        spell.socket_id = None
        self._theirs.touch(place, now)
        if message.is_shown or not spell.user_name:
            spell.shown_s, spell.user_name = now, message.user_name
            self._show_start(spell, message.extra)

    async def _turn_forever(self) -> None:
        while True:
            await asyncio.sleep(TURN_S)
            try:
                self.turn()
            except Exception:
                log.exception("typing_turn_failed")


_encode = msgspec.msgpack.Encoder().encode
_decoder: msgspec.msgpack.Decoder[_Start | _Stop] = msgspec.msgpack.Decoder(_Start | _Stop)
_decode = _decoder.decode


def _check(user_name: str, extra: Mapping[str, Any] | None) -> None:
    if not 1 <= len(user_name) <= NAME_LIMIT:
        raise Invalid(f"A name has 1 to {NAME_LIMIT} characters.", field="user_name")
    if extra is None:
        return
    try:
        size = len(msgspec.json.encode(extra))
    except (ValueError, TypeError, RecursionError, OverflowError) as failure:
        raise Invalid("This cannot be written as JSON.", field="data") from failure
    if size > EXTRA_LIMIT_BYTES:
        raise TooLarge(f"Typing data is at most {EXTRA_LIMIT_BYTES} bytes of JSON.")

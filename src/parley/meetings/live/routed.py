"""REST's view of running meetings, wherever they run: here at once, elsewhere by a call over the bus."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, TypeVar, cast

import msgspec
import structlog

from parley.accounts.scope import AppScope
from parley.accounts.service import app_scope
from parley.base.errors import Invalid, NotFound, ParleyError, StateForbids, TooMany, Unavailable
from parley.base.ids import AppId, MeetingId, new_uuid
from parley.base.tasks import cancel_and_wait
from parley.bus import Bus, Subscription
from parley.meetings.live import store as live_store
from parley.meetings.live.notices import PollView
from parley.meetings.live.registry import MeetingRegistry, Reached

log = structlog.get_logger(__name__)
T = TypeVar("T")
ANSWER_S = 5.0
_RAISED: dict[str, type[ParleyError]] = {
    kind.__name__: kind for kind in (NotFound, Invalid, StateForbids, Unavailable)
}


class _Call(msgspec.Struct, tag="call"):
    id: str
    node: str
    app_id: str
    meeting_id: str
    method: str
    arguments: dict[str, Any]


class _Answer(msgspec.Struct, tag="answer"):
    id: str
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: str = ""
    message: str = ""


_decode = msgspec.json.Decoder(_Call | _Answer).decode
_METHODS = frozenset({"kick", "kick_all", "create_poll", "mute", "mute_all"})


class RoutedMeetings:
    """`meetings.ports.LiveMeetings` over all servers."""

    def __init__(self, registry: MeetingRegistry, bus: Bus) -> None:
        self._registry = registry
        self._bus = bus
        self._node = registry.placement.node_id
        self._waiting: dict[str, asyncio.Future[_Answer]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._subscription: Subscription | None = None

    async def start(self) -> None:
        """Begin to listen for calls of other servers."""
        self._subscription = await self._bus.subscribe(_topic(self._node), self._heard)

    async def stop(self) -> None:
        """Answer no more."""
        if self._subscription is not None:
            await self._subscription.close()
        await cancel_and_wait(list(self._tasks))

    # --- LiveMeetings -------------------------------------------------------------------------

    async def kick(
        self,
        scope: AppScope,
        meeting_id: MeetingId,
        participant_ids: Sequence[str],
        custom_participant_ids: Sequence[str],
    ) -> Sequence[Reached]:
        """See `LiveMeetings.kick`."""
        arguments = {
            "participant_ids": list(participant_ids),
            "custom_participant_ids": list(custom_participant_ids),
        }
        return await self._ask(scope, meeting_id, "kick", arguments, list[Reached])

    async def kick_all(self, scope: AppScope, meeting_id: MeetingId) -> int:
        """See `LiveMeetings.kick_all`."""
        return await self._ask(scope, meeting_id, "kick_all", {}, int)

    async def create_poll(
        self,
        scope: AppScope,
        meeting_id: MeetingId,
        question: str,
        options: Sequence[str],
        *,
        anonymous: bool,
        hide_votes: bool,
        created_by: str,
    ) -> PollView:
        """See `LiveMeetings.create_poll`."""
        arguments = {
            "question": question,
            "options": list(options),
            "anonymous": anonymous,
            "hide_votes": hide_votes,
            "created_by": created_by,
        }
        return await self._ask(scope, meeting_id, "create_poll", arguments, PollView)

    async def mute(
        self,
        scope: AppScope,
        meeting_id: MeetingId,
        participant_ids: Sequence[str],
        custom_participant_ids: Sequence[str],
    ) -> Sequence[Reached]:
        """See `LiveMeetings.mute`."""
        arguments = {
            "participant_ids": list(participant_ids),
            "custom_participant_ids": list(custom_participant_ids),
        }
        return await self._ask(scope, meeting_id, "mute", arguments, list[Reached])

    async def mute_all(self, scope: AppScope, meeting_id: MeetingId, *, allow_unmute: bool) -> int:
        """See `LiveMeetings.mute_all`."""
        return await self._ask(scope, meeting_id, "mute_all", {"allow_unmute": allow_unmute}, int)

    # --- where it runs ------------------------------------------------------------------------

    async def _ask(
        self, scope: AppScope, meeting_id: MeetingId, method: str, arguments: dict[str, Any], kind: type[T]
    ) -> T:
        if self._registry.find(scope, meeting_id) is not None:
            return cast("T", await self._here(scope, meeting_id, method, arguments))
        if await live_store.live_session(scope, meeting_id) is None:
            raise NotFound(f"No active session found for meeting_id {meeting_id}")
        home = await self._registry.home(scope, meeting_id)
        if home == self._node:
            await self._registry.open(scope, meeting_id)
            return cast("T", await self._here(scope, meeting_id, method, arguments))
        call = _Call(new_uuid(), self._node, scope.app_id, meeting_id, method, arguments)
        answer = await self._call(home, call)
        if answer.error:
            raise _RAISED.get(answer.error, Unavailable)(answer.message)
        return msgspec.json.decode(answer.result, type=kind)

    async def _here(
        self, scope: AppScope, meeting_id: MeetingId, method: str, arguments: dict[str, Any]
    ) -> Any:
        return await getattr(self._registry, method)(scope, meeting_id, **arguments)

    async def _call(self, home: str, call: _Call) -> _Answer:
        waiting: asyncio.Future[_Answer] = asyncio.get_running_loop().create_future()
        self._waiting[call.id] = waiting
        self._bus.publish(_topic(home), msgspec.json.encode(call))
        try:
            async with asyncio.timeout(ANSWER_S):
                return await waiting
        except TimeoutError as silent:
            raise Unavailable("The server that runs this meeting does not answer.") from silent
        finally:
            del self._waiting[call.id]

    def _heard(self, payload: bytes) -> None:
        try:
            message = _decode(payload)
        except msgspec.DecodeError:
            log.warning("call_unreadable")
            return
        if isinstance(message, _Answer):
            waiting = self._waiting.get(message.id)
            if waiting is not None and not waiting.done():
                waiting.set_result(message)
            return
        task = asyncio.create_task(self._carry_out(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry_out(self, call: _Call) -> None:
        answer = _Answer(call.id)
        try:
            if call.method not in _METHODS:
                raise Invalid(f"There is no method {call.method}.")
            scope = await app_scope(self._registry.store, AppId(call.app_id), "other server")
            result = await self._here(scope, MeetingId(call.meeting_id), call.method, call.arguments)
            answer.result = msgspec.Raw(msgspec.json.encode(result))
        except TooMany as refused:
            answer.error, answer.message = "StateForbids", refused.message
        except ParleyError as refused:
            answer.error, answer.message = type(refused).__name__, refused.message
        except Exception:
            log.exception("call_failed", method=call.method)
            answer.error, answer.message = "Unavailable", "Something went wrong on the meeting's server."
        self._bus.publish(_topic(call.node), msgspec.json.encode(answer))


def _topic(node: str) -> str:
    return f"calls:{node}"

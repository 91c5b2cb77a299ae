"""Summaries of conversations (`realtime-block.md` 16.1).

A summary is fresh as long as nothing was said, changed or taken back since; a fresh one is never made again.
One is made at a time for each conversation, on all servers together, and at most every `WINDOW`; whoever asks
meanwhile waits for it, or gets the last one.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec
import structlog

from parley.accounts.app_settings import AppSettings
from parley.accounts.scope import AppScope
from parley.base.errors import Invalid, TooMany, Unavailable
from parley.base.ids import new_uuid
from parley.base.tasks import cancel_and_wait
from parley.base.times import from_ms, to_ms
from parley.bus import Bus
from parley.conversations.messages import store as messages
from parley.conversations.messages.model import Message
from parley.conversations.ports import TaskList
from parley.conversations.settings import PROMPTS, PromptSettings
from parley.conversations.summaries import store
from parley.conversations.summaries.engines import Writers
from parley.conversations.summaries.model import PROMPT_ID, Summarised, Summary, SummaryBody
from parley.conversations.threads import store as threads
from parley.conversations.threads.model import Conversation
from parley.conversations.threads.service import Threads
from parley.insight import prompts
from parley.insight.digest import SummaryState
from parley.insight.model import EMPTY, stats
from parley.insight.model import Message as Said
from parley.insight.ports import EngineError, SummaryMaterial
from parley.insight.summary import summarize
from parley.people.model import Caller

log = structlog.get_logger(__name__)
WINDOW = timedelta(seconds=60)
"""Between two calls of an engine for the same conversation."""
WAIT_S = 20.0
"""For somebody else's generation."""
MATERIAL_LIMIT = 5_000
"""Messages that are read for a summary, the newest ones."""
LEASE = timedelta(seconds=60)
POLL_S = 0.25
_PROMPT_ID = re.compile(r"[A-Za-z0-9_.:-]{1,100}", re.ASCII)


class Summaries:
    """Summaries of all apps' conversations."""

    def __init__(
        self,
        threads: Threads,
        writers: Writers,
        settings: AppSettings,
        bus: Bus,
        tasks: TaskList | None = None,
    ) -> None:
        """Prepare.

        Args:
            threads: the conversations.
            writers: the engines of apps.
            settings: of apps.
            bus: agrees with other servers who writes, and counts.
            tasks: gets the action items; None = nobody wants them.
        """
        self._threads = threads
        self._writers = writers
        self._settings = settings
        self._bus = bus
        self._tasks = tasks
        self._running: dict[tuple[str, str, str], asyncio.Task[Summarised]] = {}

    async def stop(self) -> None:
        """Give up what is being written."""
        await cancel_and_wait(list(self._running.values()))

    async def summary(
        self,
        scope: AppScope,
        caller: Caller,
        context: str,
        prompt_id: str | None = None,
        *,
        role: str | None = None,
    ) -> Summarised:
        """The summary of a conversation, made now when there is no fresh one and it may be made.

        Raises:
            NotFound: no such conversation, or the caller is not in it.
            Invalid: a prompt cannot have such an id.
            TooMany: one was asked for a moment ago, and nothing came of it.
            Unavailable: the engine is away, and there is no older one.
        """
        prompt_id = prompt_id or PROMPT_ID
        if not _PROMPT_ID.fullmatch(prompt_id):
            raise Invalid("A prompt has no such id.", field="prompt_id")
        seen = await self._threads.seen(scope, caller, context)
        return await self.of(scope, caller, seen.conversation, prompt_id, role=seen.role or role)

    async def of(
        self,
        scope: AppScope,
        caller: Caller,
        conversation: Conversation,
        prompt_id: str = PROMPT_ID,
        *,
        role: str | None = None,
    ) -> Summarised:
        """The same for a conversation that the caller is known to see."""
        cached = await store.get(scope, conversation.id, prompt_id)
        if is_fresh(cached, conversation):
            return Summarised(conversation, prompt_id, "completed", cached, True)
        if not (await messages.counted(scope, conversation.id, scope.now())).messages:
            return await self._of_nothing(scope, conversation, prompt_id, cached)
        key = (scope.app_id, conversation.id, prompt_id)
        running = self._running.get(key)
        if running is None:
            running = asyncio.create_task(
                self._produce(scope, caller, conversation, prompt_id, cached, role), name="summary"
            )
            self._running[key] = running

            def done(task: asyncio.Task[Summarised]) -> None:
                self._running.pop(key, None)
                if not task.cancelled():
                    task.exception()  # whoever waits raises it; nobody need

            running.add_done_callback(done)
        return await self._await(conversation, prompt_id, cached, running)

    async def _of_nothing(
        self, scope: AppScope, conversation: Conversation, prompt_id: str, cached: Summary | None
    ) -> Summarised:
        """An empty one, for which no engine is asked: also when everything was taken away a moment ago."""
        now = scope.now()
        empty = Summary(
            conversation_id=conversation.id,
            prompt_id=prompt_id,
            id=cached.id if cached else new_uuid(),
            content=SummaryBody(summary=EMPTY, stats=stats(0, 0, None, None)),
            revision=conversation.revision,
            last_number=0,
            last_message_id=None,
            must_rebuild=False,
            tokens_used=0,
            engine="",
            generated_at=now,
        )
        await _keep(scope, empty, now)
        return Summarised(conversation, prompt_id, "completed", empty, False)

    async def cached(self, scope: AppScope, conversation: Conversation) -> Summarised | None:
        """The last summary, fresh or not; None when there is none. Nothing is made."""
        found = await store.get(scope, conversation.id, PROMPT_ID)
        if found is None:
            return None
        status: SummaryState = "completed" if is_fresh(found, conversation) else "stale"
        return Summarised(conversation, PROMPT_ID, status, found, True)

    async def _await(
        self,
        conversation: Conversation,
        prompt_id: str,
        cached: Summary | None,
        running: asyncio.Task[Summarised],
    ) -> Summarised:
        try:
            async with asyncio.timeout(WAIT_S):
                return await asyncio.shield(running)
        except TimeoutError:
            return _unfinished(conversation, prompt_id, cached)
        except EngineError as failed:
            if cached is None:
                raise Unavailable("The summary cannot be written now.") from failed
            return Summarised(conversation, prompt_id, "stale", cached, True)
        except asyncio.CancelledError:
            if not running.cancelled():
                raise
            raise Unavailable("The server is stopping.") from None

    async def _produce(
        self,
        scope: AppScope,
        caller: Caller,
        conversation: Conversation,
        prompt_id: str,
        cached: Summary | None,
        role: str | None,
    ) -> Summarised:
        """A new summary, unless another server writes one, or it is too early."""
        lease = await self._bus.lease(_lease(scope, conversation), LEASE, new_uuid())
        if lease is None:
            return await self._from_elsewhere(scope, conversation, prompt_id, cached)
        try:
            left_s = await self._take_window(scope, conversation)
            if left_s is not None:
                return _limited(scope, conversation, prompt_id, cached, left_s)
            made = await self._generate(scope, caller, conversation, prompt_id, cached, role)
        finally:
            await lease.release()
        return Summarised(conversation, prompt_id, "completed", made, False)

    async def _from_elsewhere(
        self, scope: AppScope, conversation: Conversation, prompt_id: str, cached: Summary | None
    ) -> Summarised:
        """What another server is writing."""
        loop = asyncio.get_running_loop()
        until = loop.time() + WAIT_S
        while loop.time() < until:
            await asyncio.sleep(POLL_S)
            found = await store.get(scope, conversation.id, prompt_id)
            if found is not None and found.revision >= conversation.revision:
                return Summarised(conversation, prompt_id, "completed", found, False)
            if await self._bus.holder_of(_lease(scope, conversation)) is None:
                break
        return _unfinished(conversation, prompt_id, cached)

    # --- writing ----------------------------------------------------------------------------------

    async def _generate(
        self,
        scope: AppScope,
        caller: Caller,
        conversation: Conversation,
        prompt_id: str,
        cached: Summary | None,
        role: str | None,
    ) -> Summary:
        is_kept = cached is not None and not cached.must_rebuild and cached.last_number > 0
        previous = cached if is_kept else None
        now = scope.now()
        said = await messages.after(
            scope, conversation.id, previous.last_number if previous else 0, now, MATERIAL_LIMIT
        )
        numbers = await messages.counted(scope, conversation.id, now)
        names = await threads.names(scope, {one.source_id for one in said if one.source_id})
        texts = (await self._settings.get(scope, PROMPTS, PromptSettings)).conversation_summary
        try:
            made = await summarize(
                await self._writers.of(scope, caller.user_id),
                SummaryMaterial(
                    tuple(_said(one, names) for one in said),
                    previous.content.summary if previous else None,
                ),
                user_id=caller.user_id or "server",
                user_role=role or "",
                template=texts or prompts.SUMMARY_TEMPLATE,
                prompt_id=prompt_id,
            )
        except EngineError as failed:
            if not failed.reached_provider:
                await self._bus.delete(_window(scope, conversation))
            log.warning("summary_failed", app_id=scope.app_id, reason=failed.message, detail=failed.detail)
            raise
        summary = Summary(
            conversation_id=conversation.id,
            prompt_id=prompt_id,
            id=cached.id if cached else new_uuid(),
            content=SummaryBody(
                summary=made.value,
                stats=stats(numbers.messages, numbers.authors, numbers.first, numbers.last),
            ),
            revision=conversation.revision,
            last_number=said[-1].number if said else (previous.last_number if previous else 0),
            last_message_id=said[-1].id if said else (previous.last_message_id if previous else None),
            must_rebuild=False,
            tokens_used=made.tokens_used,
            engine=made.engine,
            generated_at=scope.now(),
        )
        await _keep(scope, summary, now)
        if self._tasks is not None and caller.user_id is not None and made.value.action_items:
            await self._tasks.found(
                scope, conversation.id, caller.user_id, made.value.action_items, summary.id
            )
        return summary

    async def _take_window(self, scope: AppScope, conversation: Conversation) -> float | None:
        """None: the engine may be called; otherwise how long to wait, in seconds."""
        key = _window(scope, conversation)
        now_ms = to_ms(scope.store.clock.now())
        before = await self._bus.get(key)
        if before is not None:
            left = from_ms(int(before)) + WINDOW - scope.store.clock.now()
            if left > timedelta(0):
                return left.total_seconds()
        await self._bus.put(key, str(now_ms).encode(), WINDOW)
        return None


async def _keep(scope: AppScope, summary: Summary, since: datetime) -> None:
    """Store a summary of what was there at a time, unless there is one of what came after.

    What was changed or taken away since is in it as it was before: all is read again next time.
    """
    async with scope.change() as change:
        await threads.lock(change, summary.conversation_id)
        newer = await store.get(change, summary.conversation_id, summary.prompt_id)
        if newer is not None and newer.revision > summary.revision:
            return
        is_old = await messages.were_changed(
            change, summary.conversation_id, summary.last_number, since, scope.now()
        )
        await store.put(change, msgspec.structs.replace(summary, must_rebuild=is_old))


def is_fresh(summary: Summary | None, conversation: Conversation) -> bool:
    """Whether nothing has happened in the conversation since."""
    return summary is not None and summary.revision == conversation.revision and not summary.must_rebuild


def _limited(
    scope: AppScope, conversation: Conversation, prompt_id: str, cached: Summary | None, left_s: float
) -> Summarised:
    if cached is None:
        again_s = scope.now().timestamp() + left_s
        raise TooMany(
            "A summary was asked for a moment ago.", retry_after_s=left_s, limit=1, full_at_s=again_s
        )
    return Summarised(conversation, prompt_id, "stale", cached, True, left_s)


def _unfinished(conversation: Conversation, prompt_id: str, cached: Summary | None) -> Summarised:
    if cached is None:
        return Summarised(conversation, prompt_id, "pending", None, False)
    return Summarised(conversation, prompt_id, "stale", cached, True)


def _lease(scope: AppScope, conversation: Conversation) -> str:
    return f"summary:{scope.app_id}/{conversation.id}"


def _window(scope: AppScope, conversation: Conversation) -> str:
    return f"summary-window:{scope.app_id}/{conversation.id}"


def _said(message: Message, names: Mapping[str, str]) -> Said:
    author, details = message.source_id or "", message.details
    return Said(
        id=message.id,
        author_id=author,
        author=details.source_alias or names.get(author) or details.source or author or "server",
        text=message.content or "",
        sent_at=message.created_at,
    )

"""Digests: somebody's conversations at a glance, and chosen ones (`realtime-block.md` 16.2, 16.3)."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Coroutine, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import msgspec
import structlog

from parley.accounts.app_settings import AppSettings
from parley.accounts.scope import AppScope
from parley.base.errors import Invalid, NotFound, TooMany, Unavailable
from parley.base.times import from_ms, to_ms
from parley.bus import Bus
from parley.conversations.messages import store as messages
from parley.conversations.ports import TaskList
from parley.conversations.reading import store as marks
from parley.conversations.settings import DIGEST, PROMPTS, DigestSettings, PromptSettings
from parley.conversations.summaries import store
from parley.conversations.summaries.engines import Writers
from parley.conversations.summaries.model import (
    PROMPT_ID,
    CacheStatus,
    Digest,
    DigestBody,
    Digested,
    Summarised,
    Summary,
    Warming,
)
from parley.conversations.summaries.service import Summaries, is_fresh
from parley.conversations.threads import store as threads_store
from parley.conversations.threads.model import Conversation, Seen
from parley.conversations.threads.service import Threads
from parley.conversations.threads.unread import check_keys, matches
from parley.insight import prompts
from parley.insight.answers import Made
from parley.insight.digest import (
    ChosenDigest,
    ChosenItem,
    DigestAnswer,
    Warmth,
    chosen_digest,
    digest_by_rule,
    digest_stats,
    make_digest,
    to_warm,
)
from parley.insight.ports import DigestEntry, DigestMaterial, EngineError
from parley.people.model import Caller

log = structlog.get_logger(__name__)
T = TypeVar("T")
CHOSEN_LIMIT = 50
AT_ONCE = 4
"""Summaries that one request has made at the same time."""
WARMING_S, TOTAL_S = 15.0, 25.0
"""For the summaries, and for all of a digest: clients wait 30 s."""
WINDOW = timedelta(seconds=60)
"""Between two calls of a model for the digests of one user."""
SELECTED_LIMIT = 500
"""Conversations of one digest, the most recent ones."""


class Digests:
    """Digests of all apps' users."""

    def __init__(
        self,
        threads: Threads,
        summaries: Summaries,
        writers: Writers,
        settings: AppSettings,
        bus: Bus,
        tasks: TaskList | None = None,
    ) -> None:
        """Prepare; the arguments are those of `Summaries`, and it."""
        self._threads = threads
        self._summaries = summaries
        self._writers = writers
        self._settings = settings
        self._bus = bus
        self._tasks = tasks

    async def chosen(
        self,
        scope: AppScope,
        caller: Caller,
        contexts: Sequence[str],
        prompt_id: str | None = None,
        *,
        role: str | None = None,
    ) -> ChosenDigest:
        """The summaries of these conversations, in their order; those the caller does not see are left out.

        Raises:
            Invalid: more than `CHOSEN_LIMIT`, or no prompt has such an id.
        """
        if len(contexts) > CHOSEN_LIMIT:
            raise Invalid(f"At most {CHOSEN_LIMIT} conversations.", field="context_unique_ids")
        wanted: dict[str, Seen] = {}
        for context in contexts:
            try:
                found = await self._threads.seen(scope, caller, context)
            except NotFound:
                continue
            wanted.setdefault(found.conversation.id, found)
        free = asyncio.Semaphore(AT_ONCE)
        problems: list[str] = []

        async def one(seen: Seen) -> tuple[str, ChosenItem]:
            async with free:
                item = await self._item(
                    scope, caller, seen.conversation, prompt_id, seen.role or role, problems
                )
            return item.conversation_id, item

        items = dict(await _all([one(each) for each in wanted.values()]))
        return chosen_digest(list(wanted), items, problems[0] if problems else None)

    async def _item(
        self,
        scope: AppScope,
        caller: Caller,
        conversation: Conversation,
        prompt_id: str | None,
        role: str | None,
        problems: list[str],
    ) -> ChosenItem:
        try:
            async with asyncio.timeout(TOTAL_S):
                made = await self._summaries.summary(scope, caller, conversation.id, prompt_id, role=role)
        except (Unavailable, TooMany) as failed:
            problems.append(failed.message)
            return ChosenItem(conversation_id=conversation.id, status="failed")
        except TimeoutError:
            return ChosenItem(conversation_id=conversation.id, status="pending")
        return _chosen(made)

    # --- across all conversations of somebody -----------------------------------------------------

    async def across(
        self,
        scope: AppScope,
        caller: Caller,
        user_id: str,
        custom: Mapping[str, str],
        *,
        role: str | None = None,
    ) -> Digested:
        """The digest of a user's conversations.

        Args:
            scope: the app.
            caller: that user, or a server.
            user_id: whose conversations.
            custom: members of the payload that they must have.
            role: of the user, where a conversation says none.

        Raises:
            NotAllowed: somebody else's.
            Invalid: a key of `custom` cannot be one.
        """
        caller.must_be(user_id)
        check_keys(custom, field="?custom")
        settings = await self._settings.get(scope, DIGEST, DigestSettings)
        selected = await self._select(scope, user_id, custom, settings)
        filters = msgspec.json.encode(dict(sorted(custom.items()))).decode()
        me = Caller(user_id, is_server=False)
        deadline = asyncio.get_running_loop().time() + TOTAL_S
        known = await store.of_conversations(scope, [one.conversation.id for one in selected], PROMPT_ID)
        before = await store.get_digest(scope, user_id, filters)
        cold = to_warm(
            (
                Warmth(
                    one.conversation.id,
                    is_fresh(known.get(one.conversation.id), one.conversation),
                    one.conversation.last_message_at or one.conversation.created_at,
                )
                for one in selected
            ),
            settings.max_fresh_per_request,
        )
        if not cold and before is not None and before.fingerprint == _fingerprint(selected, known):
            return Digested(before, "cached", Warming(0, len(selected), 0))
        made = await self._warm(scope, me, selected, cold, role)
        tokens = sum(one.tokens_used for one in made.values())
        known |= made
        current = sum(is_fresh(known.get(one.conversation.id), one.conversation) for one in selected)
        warming = Warming(len(made), current - len(made), len(selected) - current)
        material = await self._material(scope, user_id, selected, known, role)
        answer, status = await self._write(scope, user_id, material, before, role, deadline)
        if status == "fresh" and warming.remaining:
            status = "partial"
        if status == "stale" and before is not None and answer is None:
            return Digested(before, "stale", warming)
        written = answer or Made(digest_by_rule(material), 0, "rule", 0)
        digest = Digest(
            user_id=user_id,
            filters=filters,
            id=f"digest_{secrets.token_hex(8)}",
            body=DigestBody(
                answer=written.value,
                stats=digest_stats(material.entries),
                conversations_found=len(selected),
            ),
            fingerprint=_fingerprint(selected, known),
            tokens_used=tokens + written.tokens_used,
            generated_at=scope.now(),
        )
        if status in ("fresh", "partial") and selected:
            async with scope.change() as change:
                await store.put_digest(change, digest)
        return Digested(digest, status, warming)

    async def _select(
        self, scope: AppScope, user_id: str, custom: Mapping[str, str], settings: DigestSettings
    ) -> list[Seen]:
        since = scope.now() - timedelta(days=settings.recency_days)
        found = await threads_store.selection(
            scope, user_id, since=since, unread_only=settings.unread_only, size=SELECTED_LIMIT
        )
        return [one for one in found if matches(one.conversation.payload, custom)]

    async def _warm(
        self, scope: AppScope, me: Caller, selected: Sequence[Seen], cold: Sequence[str], role: str | None
    ) -> dict[str, Summary]:
        """The summaries that could be made in time."""
        by_id = {one.conversation.id: one for one in selected}
        made: dict[str, Summary] = {}
        free = asyncio.Semaphore(AT_ONCE)

        async def warm(conversation_id: str) -> None:
            seen = by_id[conversation_id]
            async with free:
                try:
                    found = await self._summaries.of(scope, me, seen.conversation, role=seen.role or role)
                except (Unavailable, TooMany):
                    return
            if found.status == "completed" and found.summary is not None:
                made[conversation_id] = found.summary

        try:
            async with asyncio.timeout(WARMING_S):
                await _all([warm(one) for one in cold])
        except TimeoutError:
            log.info("digest_warming_takes_long", app_id=scope.app_id, made=len(made), wanted=len(cold))
        return made

    async def _material(
        self,
        scope: AppScope,
        user_id: str,
        selected: Sequence[Seen],
        known: Mapping[str, Summary],
        role: str | None,
    ) -> DigestMaterial:
        ids = [one.conversation.id for one in selected]
        roles = await marks.roles(scope, user_id, ids)
        oldest = await marks.oldest_unread(scope, user_id, ids)
        last = await messages.last_of(scope, ids, scope.now())
        urgent = await self._tasks.urgent(scope, user_id, ids) if self._tasks else frozenset()
        entries = []
        for seen in selected:
            one = seen.conversation
            kept, message = known.get(one.id), last.get(one.id)
            summary = None if kept is None else kept.content.summary
            entries.append(
                DigestEntry(
                    conversation_id=one.id,
                    title=one.name or one.reference or "",
                    role=roles.get(one.id) or role or "",
                    summary=summary if summary is not None and summary.overall_summary else None,
                    unread=seen.unread_count,
                    oldest_unread_at=oldest.get(one.id),
                    last_message_at=one.last_message_at,
                    last_message=(message.content or "") if message else "",
                    is_urgent=one.id in urgent,
                )
            )
        return DigestMaterial(tuple(entries), scope.now())

    async def _write(
        self,
        scope: AppScope,
        user_id: str,
        material: DigestMaterial,
        before: Digest | None,
        role: str | None,
        deadline: float,
    ) -> tuple[Made[DigestAnswer] | None, CacheStatus]:
        """What the engine says; None when it says nothing now."""
        template = (await self._settings.get(scope, PROMPTS, PromptSettings)).conversation_digest
        try:
            engine = await self._writers.of(scope, user_id)
            is_limited = bool(material.entries) and engine.capabilities.is_model
            if is_limited and not await self._take_window(scope, user_id):
                return None, "stale"
            async with asyncio.timeout_at(deadline):
                made = await make_digest(
                    engine,
                    material,
                    user_id=user_id,
                    user_role=role or "",
                    template=template or prompts.DIGEST_TEMPLATE,
                )
        except (EngineError, TimeoutError) as failed:
            if isinstance(failed, EngineError) and not failed.reached_provider:
                await self._bus.delete(_window(scope, user_id))
            log.warning("digest_failed", app_id=scope.app_id, reason=str(failed))
            return None, "stale"
        return made, "fresh"

    async def _take_window(self, scope: AppScope, user_id: str) -> bool:
        now = scope.store.clock.now()
        before = await self._bus.get(_window(scope, user_id))
        if before is not None and now < from_ms(int(before)) + WINDOW:
            return False
        await self._bus.put(_window(scope, user_id), str(to_ms(now)).encode(), WINDOW)
        return True


def _chosen(made: Summarised) -> ChosenItem:
    summary = made.summary
    content = None if summary is None else summary.content
    return ChosenItem(
        conversation_id=made.conversation.id,
        status=made.status,
        summary=content.summary if content else None,
        message_count=content.stats.total_messages if content else 0,
        from_cache=made.is_cached,
    )


def _fingerprint(selected: Sequence[Seen], known: Mapping[str, Summary]) -> str:
    """Changes when something does that a digest tells of."""
    parts = []
    for one in selected:
        summary = known.get(one.conversation.id)
        revision = -1 if summary is None else summary.revision
        parts.append((one.conversation.id, one.conversation.revision, one.unread_count, revision))
    return hashlib.sha256(msgspec.json.encode(sorted(parts))).hexdigest()


def _window(scope: AppScope, user_id: str) -> str:
    return f"digest-window:{scope.app_id}/{user_id}"


async def _all(work: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """The results in order; when one fails, the others are given up."""
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(each) for each in work]
    return [one.result() for one in running]

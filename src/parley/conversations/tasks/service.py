"""Tasks: filed by hand, or found by summaries."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from parley.accounts.scope import AppScope, Change
from parley.base.errors import NotFound
from parley.base.ids import is_uuid, new_uuid
from parley.base.paging import Page, PageRequest
from parley.base.text import storable
from parley.conversations.tasks import store
from parley.conversations.tasks.model import (
    DESCRIPTION_LIMIT,
    Step,
    Task,
    TaskChange,
    TaskFilter,
    TaskPriority,
)
from parley.conversations.threads.service import Threads
from parley.people.model import Caller


class Tasks:
    """The tasks of all apps; `conversations.ports.TaskList`.

    A user sees their own, and in a conversation of theirs those of nobody in particular.
    """

    def __init__(self, threads: Threads) -> None:
        self._threads = threads

    async def of_conversation(
        self, scope: AppScope, caller: Caller, context: str, page: PageRequest, *, status: str | None = None
    ) -> Page[Task]:
        """A page of a conversation's tasks, newest first.

        Raises:
            NotFound: no such conversation, or not a member of it.
        """
        seen = await self._threads.seen(scope, caller, context)
        return await store.of_conversation(
            scope, seen.conversation.id, page, status=status, viewer=caller.viewer
        )

    async def of_user(
        self, scope: AppScope, caller: Caller, user_id: str, page: PageRequest, which: TaskFilter
    ) -> Page[Task]:
        """A page of a user's tasks over all conversations, newest first.

        Raises:
            NotAllowed: somebody else's.
        """
        caller.must_be(user_id)
        return await store.of_user(scope, user_id, page, which)

    async def of_opened(
        self, scope: AppScope, caller: Caller, conversation_id: str, count: int
    ) -> list[Task]:
        """The newest tasks of a conversation that the caller has opened."""
        page = await store.of_conversation(
            scope, conversation_id, PageRequest(1, count), status=None, viewer=caller.viewer
        )
        return list(page.rows)

    async def create(
        self,
        scope: AppScope,
        caller: Caller,
        context: str,
        description: str,
        priority: TaskPriority = "normal",
        *,
        summary_id: str | None = None,
        user_id: str | None = None,
    ) -> Task:
        """File a task.

        Args:
            scope: the app.
            caller: who files it.
            context: the conversation.
            description: what is to be done.
            priority: how soon.
            summary_id: the summary it is filed under.
            user_id: whose it is; by default the caller's.

        Raises:
            NotFound: no such conversation, or not a member of it.
            NotAllowed: a user files it for another one.
        """
        if user_id is not None:
            caller.must_be(user_id)
        async with scope.change() as change:
            seen = await self._threads.seen(change, caller, context)
            task = _new(change, seen.conversation.id, user_id or caller.user_id, description, summary_id)
            task = replace(task, priority=priority)
            await store.add(change, [task])
        return task

    async def change(self, scope: AppScope, caller: Caller, task_id: str, given: TaskChange) -> Task:
        """Change what a task says.

        Raises:
            NotFound: none that the caller sees.
        """
        async with scope.change() as change:
            task = await self._lock(change, caller, task_id)
            if given.description is not msgspec.UNSET:
                task = replace(task, description=given.description, text_key=key_of(given.description))
            if given.priority is not msgspec.UNSET:
                task = replace(task, priority=given.priority)
            return await _put(change, task)

    async def take(self, scope: AppScope, caller: Caller, task_id: str, step: Step) -> Task:
        """Complete, dismiss or reopen a task; the same again keeps the first time.

        Raises:
            NotFound: none that the caller sees.
        """
        async with scope.change() as change:
            task = await self._lock(change, caller, task_id)
            now = change.now()
            if step == "complete":
                at = task.completed_at or now
                task = replace(task, status="completed", completed_at=at, dismissed_at=None)
            elif step == "dismiss":
                at = task.dismissed_at or now
                task = replace(task, status="dismissed", dismissed_at=at, completed_at=None)
            else:
                task = replace(task, status="pending", completed_at=None, dismissed_at=None)
            return await _put(change, task)

    async def delete(self, scope: AppScope, caller: Caller, task_id: str) -> None:
        """Remove a task for good.

        Raises:
            NotFound: none that the caller sees.
        """
        async with scope.change() as change:
            await store.remove(change, (await self._lock(change, caller, task_id)).id)

    # --- for summaries ----------------------------------------------------------------------------

    async def found(
        self, scope: AppScope, conversation_id: str, user_id: str, items: Sequence[str], summary_id: str
    ) -> None:
        """A summary names these action items; see `add_from_summary`."""
        async with scope.change() as change:
            await self.add_from_summary(change, conversation_id, user_id, items, summary_id)

    async def add_from_summary(
        self, change: Change, conversation_id: str, user_id: str, items: Sequence[str], summary_id: str
    ) -> list[Task]:
        """Add the action items of a summary as tasks of whoever asked for it; returns those that are new.

        An item that says the same as a task of this conversation and user, open or not, is not added again
        (`realtime-block.md` 16.1, rule 8).
        """
        wanted: dict[str, str] = {}
        for item in items:
            text = item.strip()[:DESCRIPTION_LIMIT]
            if text and storable(text):
                wanted.setdefault(key_of(text), text)
        if not wanted:
            return []
        known = await store.known_keys(change, conversation_id, user_id, list(wanted))
        made = [
            _new(change, conversation_id, user_id, text, summary_id)
            for key, text in wanted.items()
            if key not in known
        ]
        if made:
            await store.add(change, made)
        return made

    async def urgent(self, scope: AppScope, user_id: str, conversation_ids: Sequence[str]) -> frozenset[str]:
        """The conversations in which the user has an open task of priority urgent."""
        return await store.urgent(scope, user_id, conversation_ids)

    async def _lock(self, change: Change, caller: Caller, task_id: str) -> Task:
        task = await store.lock(change, task_id.lower()) if is_uuid(task_id) else None
        if task is None or not await self._sees(change, caller, task):
            raise NotFound("There is no such task.")
        return task

    async def _sees(self, change: Change, caller: Caller, task: Task) -> bool:
        if task.user_unique_id is not None or caller.is_server:
            return caller.is_user(task.user_unique_id)
        try:
            await self._threads.seen(change, caller, task.context_unique_id)
        except NotFound:
            return False
        return True


def key_of(description: str) -> str:
    """The same for texts that differ in case, spaces and punctuation only."""
    text = unicodedata.normalize("NFKC", description).casefold()
    words = "".join(character if character.isalnum() else " " for character in text).split()
    # A text of signs alone is what it is.
    return hashlib.sha256((" ".join(words) or description).encode()).hexdigest()[:32]


def _new(
    change: Change, conversation_id: str, user_id: str | None, description: str, summary_id: str | None
) -> Task:
    now = change.now()
    return Task(
        id=new_uuid(),
        context_unique_id=conversation_id,
        user_unique_id=user_id,
        description=description,
        text_key=key_of(description),
        priority="normal",
        status="pending",
        conversation_summary_id=summary_id,
        completed_at=None,
        dismissed_at=None,
        created_at=now,
        updated_at=now,
    )


async def _put(change: Change, task: Task) -> Task:
    task = replace(task, updated_at=change.now())
    await store.put(change, task)
    return task

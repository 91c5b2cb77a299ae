"""Tasks (`realtime-block.md` 18.16)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from parley.base.errors import Invalid
from parley.base.times import iso_ms
from parley.conversations.reading.service import Opened
from parley.conversations.tasks.model import (
    DESCRIPTION_LIMIT,
    Step,
    Task,
    TaskChange,
    TaskFilter,
    TaskPriority,
)
from parley.conversations.tasks.service import Tasks
from parley.wire.block.callers import caller_of, path_text
from parley.wire.block.conversations.resources import Asker
from parley.wire.block.endpoint import Call, Routes
from parley.wire.block.fields import Line, iso
from parley.wire.block.reading import PageQuery
from parley.wire.block.replies import NOTHING, Reply, Resource, paged

routes = Routes("Tasks")
READ, WRITE = "conversations:read", "conversations:write"
UNSET = msgspec.UNSET
INCLUDED = 100
"""Tasks in the document of a conversation."""
Description = Annotated[str, Meta(min_length=1, max_length=DESCRIPTION_LIMIT, pattern=r"\S")]


class TaskBody(msgspec.Struct, frozen=True, kw_only=True):
    """A task as it is filed."""

    description: Description
    priority: TaskPriority | None = None
    conversation_summary_id: Line | None = None
    user_unique_id: Line | None = None
    """Whose; for servers."""


class TaskUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """What to change of a task."""

    description: Description | msgspec.UnsetType = UNSET
    priority: TaskPriority | msgspec.UnsetType = UNSET


class StepQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What to do with a task, instead of changing it."""

    action_type: Step | None = None


class TasksQuery(PageQuery, frozen=True, kw_only=True):
    """Which tasks of a conversation."""

    status: str | None = None


class UserTasksQuery(TasksQuery, frozen=True, kw_only=True):
    """Which tasks of a user."""

    context_unique_id: str | None = None
    reference: str | None = None
    source: str | None = None
    source_type: str | None = None
    source_id: str | None = None


@routes.get("/conversations/{conversation_id}/tasks", scope=READ)
async def list_conversation_tasks(call: Call, conversation_id: str, query: TasksQuery) -> Reply:
    """List the tasks of a conversation: a user's own, and those of nobody in particular."""
    asks = caller_of(call)
    page = await call.service(Tasks).of_conversation(
        call.scope, asks, path_text(conversation_id), query.wanted(), status=query.status
    )
    return paged(page, task_resource)


@routes.get("/users/{user_id}/tasks", scope=READ)
async def list_user_tasks(call: Call, user_id: str, query: UserTasksQuery) -> Reply:
    """List the tasks of a user over all conversations."""
    asks = caller_of(call)
    which = TaskFilter(**{name: getattr(query, name) for name in TaskFilter.__struct_fields__})
    page = await call.service(Tasks).of_user(call.scope, asks, path_text(user_id), query.wanted(), which)
    return paged(page, task_resource)


@routes.post("/conversations/{conversation_id}/tasks", scope=WRITE, body="task")
async def create_task(call: Call, conversation_id: str, body: TaskBody) -> Reply:
    """File a task by hand."""
    asks = caller_of(call)
    task = await call.service(Tasks).create(
        call.scope,
        asks,
        path_text(conversation_id),
        body.description,
        body.priority or "normal",
        summary_id=body.conversation_summary_id,
        user_id=body.user_unique_id,
    )
    return _one(task)


@routes.put("/tasks/{task_id}", scope=WRITE, body="task")
async def update_task(call: Call, task_id: str, query: StepQuery, body: TaskUpdate) -> Reply:
    """Change a task; or, with `action_type`, complete, dismiss or reopen it: never both."""
    asks = caller_of(call)
    change = TaskChange(description=body.description, priority=body.priority)
    service = call.service(Tasks)
    if query.action_type is None:
        return _one(await service.change(call.scope, asks, task_id, change))
    if not change.is_empty:
        raise Invalid("A task is changed, or taken a step further, not both.", field="?action_type")
    return _one(await service.take(call.scope, asks, task_id, query.action_type))


@routes.delete("/tasks/{task_id}", scope=WRITE)
async def delete_task(call: Call, task_id: str) -> Reply:
    """Remove a task for good."""
    asks = caller_of(call)
    await call.service(Tasks).delete(call.scope, asks, task_id)
    return NOTHING


async def included_tasks(call: Call, who: Asker, opened: Opened) -> Sequence[Resource]:
    """The newest tasks of a conversation, for its document."""
    found = await call.service(Tasks).of_opened(call.scope, who.caller, opened.conversation.id, INCLUDED)
    return [task_resource(task) for task in found]


def task_resource(task: Task) -> Resource:
    """A task as JSON:API."""
    return Resource(
        task.id,
        "Task",
        {
            "unique_id": task.id,
            "description": task.description,
            "priority": task.priority,
            "status": task.status,
            "context_unique_id": task.context_unique_id,
            "user_unique_id": task.user_unique_id,
            "conversation_summary_id": task.conversation_summary_id,
            "completed_at": iso(task.completed_at),
            "dismissed_at": iso(task.dismissed_at),
            "created_at": iso_ms(task.created_at),
            "updated_at": iso_ms(task.updated_at),
        },
    )


def _one(task: Task) -> Reply:
    return Reply({"data": task_resource(task)})
